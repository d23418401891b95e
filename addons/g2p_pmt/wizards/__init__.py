from . import pmt_import
from . import program_create
