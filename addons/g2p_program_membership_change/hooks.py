from odoo.exceptions import UserError

from odoo.addons.g2p_bulk.models.evidence import OPEN

MODELS = ("g2p.membership.change", "g2p.membership.change.reason", "g2p.membership.change.wizard")


def uninstall_hook(env):
    """What is on hold would be paid: a person settles it before the addon that holds it goes. Papers of changes go with
    them.

    :raise UserError: while entitlements are on hold that can still be paid; then nothing is uninstalled
    """
    held = env["g2p.entitlement"].search_count(
        [("on_hold", "=", True), ("state", "in", ("draft", "pending_validation", "approved", "trans2FSP"))]
    )
    if held:
        raise UserError(
            env._(
                "%s entitlements are on hold, because their member is paused or has left, and would be paid without this "
                "module: resume or exit their members, or reject them, then uninstall it.",
                held,
            )
        )
    env["ir.attachment"].search([("res_model", "in", MODELS)]).with_context(**OPEN).unlink()
    env.flush_all()
    # Reasons are deleted before the tables that name them are dropped.
    env.cr.execute("UPDATE g2p_membership_change SET reason_id = NULL WHERE reason_id IS NOT NULL")
    env.cr.execute("UPDATE g2p_membership_change_wizard SET reason_id = NULL WHERE reason_id IS NOT NULL")
    # What Odoo notes by other addons of what the models are made of, it forgets to forget.
    env.cr.execute(
        """
        DELETE FROM ir_model_data AS noted
         USING ir_model_inherit AS inherit, ir_model AS model
         WHERE noted.model = 'ir.model.inherit' AND noted.res_id = inherit.id AND model.id = inherit.model_id
           AND starts_with(model.model, 'g2p.membership.change') AND noted.module <> 'g2p_program_membership_change'
        """
    )
    env.invalidate_all()
