from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    """Merges that were proposed before are asked for as everything is."""
    env = api.Environment(cr, SUPERUSER_ID, {})
    for merge in env["g2p.registrant.merge"].search([("state", "=", "proposed")]):
        env["g2p.approval.request"]._ask(merge, "merge", merge.proposed_by_id or merge.create_uid)
