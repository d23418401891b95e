from odoo import api, models, modules


class ResUsers(models.Model):
    _inherit = "res.users"

    @api.model
    def _get_activity_groups(self):
        """What waits for the user's decision is an activity of theirs, whoever came to the group since it was asked for."""
        requests = self.env["g2p.approval.request"]
        groups = [group for group in super()._get_activity_groups() if group["model"] != requests._name]
        if not requests.has_access("read"):
            return groups
        waiting = requests.search_count([("can_decide", "=", True)])
        if waiting:
            overdue = requests.search_count([("can_decide", "=", True), ("is_overdue", "=", True)])
            groups.insert(
                0,
                {
                    "id": self.env["ir.model"]._get(requests._name).id,
                    "name": self.env._("Approvals"),
                    "model": requests._name,
                    "type": "activity",
                    "icon": modules.module.get_module_icon(requests._original_module),
                    "domain": [("can_decide", "=", True)],
                    "total_count": waiting,
                    "today_count": waiting - overdue,
                    "overdue_count": overdue,
                    "planned_count": 0,
                    "view_type": "list",
                },
            )
        return groups
