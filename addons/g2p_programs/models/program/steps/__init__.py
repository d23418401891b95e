from . import base
from . import load_list
from . import import_eligible
from . import eligibility
from . import deduplicate
from . import auto_enrol
from . import close
