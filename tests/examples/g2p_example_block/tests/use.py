"""What is there when the plug-in goes."""


def use(env):
    env["g2p.example.complaint"].create({"partner_id": env.company.partner_id.id})
