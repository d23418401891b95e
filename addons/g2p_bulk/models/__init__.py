from . import state_history
from . import state_mixin
from . import bulk_operation
from . import bulk_liveness
from . import bulk_log
from . import bulk_chunk
from . import bulk_mixin
from . import res_config_settings
