from . import test_core
from . import test_operation
from . import test_workers
from . import test_state
from . import test_access
from . import test_liveness
from . import test_settings
from . import test_order
