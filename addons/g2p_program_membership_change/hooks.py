from odoo.exceptions import UserError

from odoo.addons.g2p_bulk.models.evidence import OPEN

MODELS = ("g2p.membership.change", "g2p.membership.change.reason", "g2p.membership.change.wizard")


def uninstall_hook(env):
    """What is on hold would be paid: a person settles it before the addon that holds it goes. Papers and filters of changes go
    with them.

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
    env["ir.filters"].with_context(active_test=False).search([("model_id", "in", MODELS)]).unlink()
