from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from ...tools.explain import fact


class TagEligibilityManager(models.Model):
    """Registrants with any, all or none of some tags."""

    _name = "g2p.program_membership.manager.tag"
    _description = "Eligibility by tag"
    _inherit = "g2p.program_membership.manager"

    _reason_code = "tags"

    tag_ids = fields.Many2many("g2p.registrant.tags", string="Tags")
    tag_match = fields.Selection(
        [("any", "At least one of the tags"), ("all", "All of the tags"), ("none", "None of the tags")],
        "Registrants with",
        required=True,
        default="any",
    )

    @api.constrains("name", "tag_ids")
    def _check_tag_ids(self):
        for manager in self:
            if not manager.tag_ids:
                raise ValidationError(self.env._("Name the tags that “%s” looks at.", manager.name))

    def _criterion(self):
        tags = self.env["res.partner"]._fields["tags_ids"]
        held = SQL(
            "FROM %(table)s AS held WHERE held.%(partner)s = base.registrant_id AND held.%(tag)s = ANY(%(tags)s)",
            table=SQL.identifier(tags.relation),
            partner=SQL.identifier(tags.column1),
            tag=SQL.identifier(tags.column2),
            tags=self.tag_ids.ids,
        )
        if self.tag_match == "all":
            return SQL("(SELECT COUNT(*) %s) = %s", held, len(self.tag_ids))
        if self.tag_match == "none":
            return SQL("NOT EXISTS (SELECT %s)", held)
        return SQL("EXISTS (SELECT %s)", held)

    def _reason_detail(self):
        tags = ", ".join(self.tag_ids.sorted("name").mapped("name"))
        if self.tag_match == "all":
            return self._or_conditions(self.env._("Does not have all of the tags %s", tags))
        if self.tag_match == "none":
            return self._or_conditions(self.env._("Has one of the tags %s", tags))
        return self._or_conditions(self.env._("Has none of the tags %s", tags))

    def _criterion_facts(self, registrant_ids):
        facts = {}
        operator = {"any": "in", "all": "=", "none": "not in"}[self.tag_match]
        for registrant in self.env["res.partner"].browse(registrant_ids):
            held = registrant.tags_ids & self.tag_ids
            good = {"any": bool(held), "all": held == self.tag_ids, "none": not held}[self.tag_match]
            facts[registrant.id] = fact(
                self.env,
                code="tags",
                label=self.env._("Tags"),
                operator=operator,
                wanted=", ".join(self.tag_ids.sorted("name").mapped("name")),
                actual=", ".join(registrant.tags_ids.sorted("name").mapped("name")) or self.env._("none"),
                verdict="yes" if good else "no",
            )
        return facts
