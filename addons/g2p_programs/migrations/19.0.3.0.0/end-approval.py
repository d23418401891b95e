"""What waits for approval is in the inbox: cycles that were sent, and entitlements of cycles that are approved."""

from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    env = api.Environment(cr, SUPERUSER_ID, {"active_test": False})
    for cycle in env["g2p.cycle"].search([("state", "in", ("to_approve", "approved"))], order="id"):
        record = cycle.with_company(cycle.company_id)
        record._ask_approval(record._approval_kind(), tell=False)
