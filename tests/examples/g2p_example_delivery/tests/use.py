"""What is there when the plug-in goes: a program that gives goods, to somebody, in a cycle that was cancelled after it was sent for approval."""

from odoo.fields import Command


def use(env):
    rice = env["g2p.benefit.codes"].create(
        {"benefit_mnemonic": "RICE-USE", "benefit_type": "COMMODITY", "measurement_unit": "kilogram"}
    )
    program = env["g2p.program"].create({"name": "Rice for all", "target_type": "individual"})
    program.definition_id.benefit_code_line_ids = [Command.create({"benefit_code_id": rice.id})]
    program.get_manager(program.MANAGER_ENTITLEMENT).unlink()
    env["g2p.program.entitlement.manager.goods"].create({"name": "Rice", "program_id": program.id, "quantity": 25})
    person = env["res.partner"].create({"name": "Rice Eater", "is_registrant": True, "is_group": False})
    env["g2p.program_membership"].create({"partner_id": person.id, "program_id": program.id, "state": "enrolled"})
    program.action_activate()
    program.create_new_cycle()
    program.cycle_ids.prepare_entitlement()
    program.cycle_ids.to_approve()
    program.cycle_ids.mark_cancelled()
