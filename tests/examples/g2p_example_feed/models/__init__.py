from . import bulk_event
from . import feed_line
