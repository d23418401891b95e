from . import test_cash_entitlement
from . import test_against_brute_force
from . import test_households
