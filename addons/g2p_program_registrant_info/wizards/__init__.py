from . import assessment
from . import application_reject
