from odoo import fields, models


class ApprovalRule(models.AbstractModel):
    """One stage: who may decide, how many of them have to agree, and what happens when they take long."""

    _name = "g2p.approval.rule"
    _description = "Rule of an approval stage"

    name = fields.Char("Stage", required=True)
    sequence = fields.Integer("Order", default=10, required=True)
    group_id = fields.Many2one("res.groups", "Group", ondelete="restrict", help="Each of its members may decide.")
    user_ids = fields.Many2many("res.users", string="People", help="They may decide, besides the members of the group.")
    needed = fields.Integer(
        "How many agree", default=1, required=True, help="So many different people have to agree before it goes on."
    )
    may_delegate = fields.Boolean(
        "May be delegated", help="Who is away may name somebody who holds the right and decides for them meanwhile."
    )
    several_at_once = fields.Boolean(
        "Several at once", default=True, help="Several requests may be decided on in one go from the list."
    )
    escalate_days = fields.Integer(
        "Escalates after (days)", help="When it waits longer, those named beside may decide too. 0: never."
    )
    escalate_group_id = fields.Many2one("res.groups", "Escalates to group", ondelete="restrict")
    # A second relation to users needs a table of its own: concrete models name it.

    _needed_positive = models.Constraint("CHECK (needed BETWEEN 1 AND 100)", "Between 1 and 100 people have to agree.")
    _escalate_days_positive = models.Constraint(
        "CHECK (escalate_days BETWEEN 0 AND 3650)", "Days are counted from 0 to 3650."
    )

    def _who_text(self):
        """Who may decide, in words."""
        self.ensure_one()
        # sudo: the names of groups and of who decides, for whoever may see the rule
        rule = self.sudo()
        names = [rule.group_id.display_name] if rule.group_id else []
        return ", ".join([*names, *rule.user_ids.mapped("name")])
