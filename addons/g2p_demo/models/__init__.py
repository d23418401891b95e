from . import demo_generator, demo_users
from . import demo_targeting
