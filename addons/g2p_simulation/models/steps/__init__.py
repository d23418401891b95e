from . import simulate
