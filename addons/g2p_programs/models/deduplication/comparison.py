from odoo import api, fields, models

from ...tools.side_by_side import SideBySide, differ


class DuplicateComparison(models.AbstractModel):
    """One column for each member, one line for each thing to compare; read as the user, so rules and roles hold."""

    _name = "g2p.duplicate.comparison"
    _description = "Comparison of duplicates"

    comparison = fields.Json("Members side by side", compute="_compute_comparison")

    @api.depends_context("uid", "allowed_company_ids")
    def _compute_comparison(self):
        for duplicate in self:
            members, count = duplicate._compared_members()
            members = members._filtered_access("read").sorted("id")
            duplicate.comparison = {
                "members": [
                    {
                        "id": member.id,
                        "name": partner.name,
                        "stays": member == duplicate.survivor_id,
                        "partner_id": partner.id,
                    }
                    for member, partner in zip(members, duplicate._partners_of(members), strict=True)
                ],
                "lines": [
                    {"label": label, "values": values, "differs": differ(values)}
                    for label, values in duplicate._comparison_lines(members)
                    if any(values)
                ],
                "hidden": max(count - len(members), 0),
                **duplicate._comparison_buttons(),
            }

    def _compared_members(self):
        """(members, how many there are with those whom the user may not see)"""
        return self[self._members_field], self.members_count

    def _comparison_buttons(self):
        """Whether *Keep this one* is offered, and whether somebody has chosen."""
        return {
            "open": self.state == "duplicate" and self.env.user.has_group(self._decider),
            "decided": bool(self.decided_by_id),
        }

    def _partners_of(self, members):
        """The registrants behind members, in the same order."""
        raise NotImplementedError  # pragma: no cover - abstract contract

    def _comparison_lines(self, members):
        """[(label, [one text for each member])]"""
        return SideBySide(self._partners_of(members)).lines()
