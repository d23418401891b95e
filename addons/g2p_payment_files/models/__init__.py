from . import payment_batch
from . import payment_reconciliation_line
from . import payment_reconciliation
from . import payment_contradiction
from . import cycle
from . import steps
