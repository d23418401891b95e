from . import changes
