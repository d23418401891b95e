from . import eligibility
from . import entitlement
