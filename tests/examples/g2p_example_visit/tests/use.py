"""What is there when the plug-in goes: somebody who will be visited."""


def use(env):
    env["res.partner"].create({"name": "Visit Me", "is_registrant": True, "is_group": True})
