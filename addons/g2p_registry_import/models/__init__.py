from . import res_partner
from . import res_config_settings
from . import registration

from . import import_mapping
from . import registrant_import
from . import registrant_import_line
from . import steps
