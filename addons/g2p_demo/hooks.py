import os


def post_init_hook(env):
    """Create the demo users and, unless the registry holds people already, the demo country.

    The environment variable G2P_DEMO_HOUSEHOLDS sets another size than 2,500 households; 0 makes none.
    """
    env["g2p.demo.users"]._name_company()
    env["g2p.demo.users"]._create_users()
    households = int(os.environ.get("G2P_DEMO_HOUSEHOLDS") or 2500)
    registrants = (
        env["res.partner"].with_context(active_test=False).search_count([("is_registrant", "=", True)], limit=1)
    )
    if households and not registrants:
        env["g2p.demo.generator"]._generate(households=households)
