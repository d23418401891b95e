from . import test_blocks
from . import test_attacks
from . import test_attacks_targeting
from . import test_counters
from . import test_matrix
from . import test_plans
from . import test_conditions
from . import test_suite
