from . import refresh_indicators
