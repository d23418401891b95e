from . import test_bank_account
from . import test_fuzzy
from . import test_registry
from . import test_merge
from . import test_access
from . import test_concurrency
from . import test_merge_approval
