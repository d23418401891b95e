from . import base
from . import apply
from . import reverse
