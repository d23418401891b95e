"""What is there when the plug-in goes: a program that pays by it."""


def use(env):
    program = env["g2p.program"].create({"name": "Pension by age", "target_type": "individual"})
    program.get_manager(program.MANAGER_ENTITLEMENT).unlink()
    env["g2p.program.entitlement.manager.age"].create({"name": "By age", "program_id": program.id, "amount": 50})
