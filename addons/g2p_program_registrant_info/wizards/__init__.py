from . import assessment
from . import application_reject
from . import entitlement_create
