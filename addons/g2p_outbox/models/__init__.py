from . import outbox_kind
from . import outbox_channel
from . import outbox_batch
from . import outbox_message
from . import outbox_attempt
from . import res_config_settings
