from . import base
from . import read
from . import check
from . import apply
from . import undo
