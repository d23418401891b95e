"""Uses an addon of the suite and takes it away: scripts/python tests/removal.py DATABASE ADDON [dirty]

Prints, as JSON, what dangles afterwards and which addons are left. ``dirty`` leaves things as they stand in the middle of work,
where the addon may refuse to go; then it prints the refusal.
"""

import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "scripts")]
from dangling import dangling  # noqa: E402
from odoo_environment import environment  # noqa: E402


def drafts(env, count, set_up=None):
    """A running program with drafted entitlements of as many households.

    :param set_up: called with the program before it runs
    """
    env["res.users"].browse(env.uid).group_ids += env.ref("g2p_registry_base.group_g2p_admin")
    program = env["g2p.program"].create(
        {"name": f"Grant {env['g2p.program'].search_count([])}", "target_type": "group"}
    )
    program.get_manager(program.MANAGER_ENTITLEMENT).amount_per_cycle = 100
    if set_up:
        set_up(program)
    program.action_activate()
    families = env["res.partner"].create(
        [{"name": f"Family {number}", "is_registrant": True, "is_group": True} for number in range(count)]
    )
    members = env["g2p.program_membership"].create(
        [{"program_id": program.id, "partner_id": family.id} for family in families]
    )
    members._transition("enrolled")
    program._refresh_counters()
    if count:
        program.create_new_cycle()
        program.cycle_ids.prepare_entitlement()
    return program


def life_of_members(env, dirty=False):
    """Of two households with an entitlement each, one exits and one is paused; it is resumed where nothing may be in the way."""
    members = drafts(env, 2).program_membership_ids.sorted("id")
    leaving, resting = members
    change(leaving, "exit", "moved_away")
    change(resting, "pause", "under_review")
    if not dirty:
        change(resting, "resume", "cause_removed")


def change(member, kind, reason):
    env = member.env
    wizard = env["g2p.membership.change.wizard"].browse(getattr(member, f"action_{kind}")()["res_id"])
    paper = env["ir.attachment"].create({"name": f"{kind}.pdf", "raw": b"%PDF-1.4"})
    wizard.write(
        {
            "reason_id": env.ref(f"g2p_program_membership_change.change_reason_{reason}").id,
            "attachment_ids": [(6, 0, paper.ids)],
        }
    )
    wizard.action_confirm()


USES = {"g2p_program_membership_change": life_of_members}


if __name__ == "__main__":
    from odoo import api
    from odoo.exceptions import UserError
    from odoo.modules.registry import Registry

    database, addon, *dirty = sys.argv[1:]
    told = {"refused": None}
    with environment(database) as superuser:
        USES[addon](superuser, bool(dirty))
        superuser.cr.commit()
        try:
            superuser["ir.module.module"].search([("name", "=", addon)]).button_immediate_uninstall()
        except UserError as refusal:
            superuser.cr.rollback()
            told["refused"] = str(refusal)
    # A new registry, as a server has it that starts afterwards.
    with Registry.new(database).cursor() as cr:
        env = api.Environment(cr, api.SUPERUSER_ID, {"lang": "en_US"})
        modules = env["ir.module.module"].search([("name", "=like", "g2p_%")])
        told["installed"] = modules.filtered(lambda module: module.state == "installed").mapped("name")
        told["unfinished"] = modules.filtered(lambda module: module.state.startswith("to ")).mapped("name")
        told["dangling"] = [] if told["refused"] else dangling(env)
    print(json.dumps(told))
