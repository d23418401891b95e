from . import pmt_import
