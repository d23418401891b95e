from . import test_feed
