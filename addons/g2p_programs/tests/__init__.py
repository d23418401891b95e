from . import test_access
from . import test_benefit_codes
from . import test_cycle
from . import test_cycle_recurrence
from . import test_deduplication
from . import test_enrollment
from . import test_managers
from . import test_program
