from . import test_tools
from . import test_transport
from . import test_queue
from . import test_delivery
from . import test_decisions
from . import test_health
from . import test_access
