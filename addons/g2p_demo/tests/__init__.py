from . import test_demo_users, test_generator, test_home, test_targeting
