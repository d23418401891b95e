from . import managers
