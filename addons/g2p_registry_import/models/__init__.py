from . import res_partner
from . import res_config_settings
from . import registration

from . import import_mapping
from . import registrant_import
from . import registrant_import_line
from . import import_staging
from . import import_read
from . import import_apply
from . import import_undo
