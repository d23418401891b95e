from . import test_batch_export
from . import test_contradictions
from . import test_money_reconciliation
