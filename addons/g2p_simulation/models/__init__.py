from . import manager
from . import program
from . import sandbox
from . import scenario
from . import scenario_result
from . import pmt
from . import steps
