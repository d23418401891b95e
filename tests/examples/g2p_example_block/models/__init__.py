from . import complaint
from . import entitlement
