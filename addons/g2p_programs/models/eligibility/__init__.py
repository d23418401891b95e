from . import verdicts
from . import explained
