from . import read
from . import match
from . import apply
from . import cycle_reconcile
