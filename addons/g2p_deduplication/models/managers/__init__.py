from . import bank_account
from . import names
from . import fuzzy
