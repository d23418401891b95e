from . import managers
from . import program
from . import registry_deduplication
from . import registry_duplicate
from . import registrant_merge
from . import res_partner
from . import res_config_settings
from . import steps
