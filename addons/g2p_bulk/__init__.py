from . import tools
from . import controllers
from . import models
from .hooks import post_load, uninstall_hook
