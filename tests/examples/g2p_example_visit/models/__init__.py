from . import registration
from . import res_partner
from . import visit
