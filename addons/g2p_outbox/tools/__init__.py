from . import answer
from . import patience
from . import transport
