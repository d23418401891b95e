from . import entitlement_manager_age
