from . import test_cash_desk
from . import test_cash_payment
