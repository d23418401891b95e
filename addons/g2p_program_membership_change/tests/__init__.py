from . import test_membership_change
from . import test_membership_concurrency
from . import test_membership_money
from . import test_membership_approval
