from odoo import fields, models


class MembershipChangeReason(models.Model):
    """Why members are paused, resumed, leave or come back: what people choose from."""

    _name = "g2p.membership.change.reason"
    _inherit = ["g2p.change.mixin"]
    _description = "Reason for a change of members"
    _order = "sequence, id"

    _code_uniq = models.Constraint("UNIQUE (code)", "There is a reason with this code already.")

    name = fields.Char(required=True, translate=True)
    code = fields.Char(required=True, help="How reports and other systems know the reason.")
    sequence = fields.Integer(default=100)
    active = fields.Boolean(default=True)
    for_pause = fields.Boolean("Pause")
    for_resume = fields.Boolean("Resume")
    for_exit = fields.Boolean("Exit")
    for_graduate = fields.Boolean("Graduate")
    for_readmit = fields.Boolean("Re-admit")
    needs_remark = fields.Boolean("Needs a remark", help="Who chooses this reason has to say more in the remark.")
