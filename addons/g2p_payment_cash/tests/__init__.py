from . import test_cash_payment
