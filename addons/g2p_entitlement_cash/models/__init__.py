from . import entitlement_manager_cash
from . import entitlement_manager_cash_item
