from . import demo_generator, demo_users
