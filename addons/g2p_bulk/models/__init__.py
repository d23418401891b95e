from . import state_history
from . import state_mixin
from . import bulk_operation
from . import bulk_chunk
from . import bulk_mixin
