from . import cycle_membership
from . import cycle_step_phones
