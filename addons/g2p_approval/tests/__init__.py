from . import test_digest
from . import test_stages
from . import test_requests
from . import test_rules
from . import test_access
from . import test_two_at_once
