from . import program_definition
from . import program
from . import auto_enrol_queue
from . import steps
