from . import program
from . import sandbox
from . import scenario
from . import scenario_run
from . import scenario_apply
from . import scenario_result
from . import pmt
