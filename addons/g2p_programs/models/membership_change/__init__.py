from . import reason
from . import membership_change
from . import steps
from . import effects
from . import hold
from . import due
