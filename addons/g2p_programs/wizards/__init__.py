from . import program_create
from . import assign_program
from . import multi_entitlement_approval
from . import payment_reconciliation_line
from . import payment_reconciliation
from . import payment_reconciliation_steps
from . import payment_mark
from . import assign_payments_batch
