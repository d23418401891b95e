from . import test_simulation
from . import test_simulation_pmt
from . import test_tools
