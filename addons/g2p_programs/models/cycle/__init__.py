from . import cycle
from . import cycle_author
from . import cycle_membership
from . import steps
