from . import tools
from . import models
from .hooks import uninstall_hook
