"""What is there when the plug-in goes: a list that was given away."""


def use(env):
    program = env["g2p.program"].create({"name": "Shared", "target_type": "individual"})
    env["g2p.example.sharing"].create(
        {"program_id": program.id, "receiver": "Ministry of Health", "purpose": "Insurance"}
    ).action_share()
