from . import cash_desk
from . import cash_handed
from . import payment_manager_cash
from . import entitlement
from . import payment
from . import payment_batch
from . import res_users
