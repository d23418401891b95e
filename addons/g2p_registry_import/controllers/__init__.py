from . import registrant_import
