from . import outbox_channel
from . import outbox_kind_webhook
from . import webhook_receipt
