from . import engine
from . import comparison
from . import duplicate_set
from . import program_duplicate
