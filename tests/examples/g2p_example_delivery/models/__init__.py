from . import entitlement
from . import entitlement_manager_goods
