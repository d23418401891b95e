from odoo import api, fields, models
from odoo.exceptions import ValidationError


class RegRel(models.Model):
    """A relation between two registrants, for a period: *source* is `relation` *destination*."""

    _name = "g2p.reg.rel"
    _description = "Registrant Relationship"
    _order = "id desc"
    _rec_names_search = ["source", "relation", "destination"]

    _not_self = models.Constraint("CHECK (source <> destination)", "A registrant can't be related to itself.")
    _dates = models.Constraint("CHECK (end_date >= start_date)", "A relationship can't end before it starts.")
    _no_overlap = models.Constraint(
        "EXCLUDE USING gist (source WITH =, destination WITH =, relation WITH =, "
        "tsrange(start_date, end_date) WITH &&) WHERE (disabled IS NULL)",
        "These two registrants have the same relationship in that period already.",
    )

    source = fields.Many2one("res.partner", required=True, ondelete="cascade", index=True)
    destination = fields.Many2one("res.partner", required=True, ondelete="cascade", index=True)
    relation = fields.Many2one("g2p.relationship", required=True, ondelete="restrict", index=True)
    relation_as_str = fields.Char(related="relation.name", string="Relation name")
    start_date = fields.Datetime(string="Start date", default=fields.Datetime.now)
    end_date = fields.Datetime(string="End date")
    disabled = fields.Datetime(string="Disabled on", readonly=True, copy=False)
    disabled_by = fields.Many2one("res.users", string="Disabled by", readonly=True, copy=False)

    @api.depends("source.name", "relation.name", "destination.name")
    def _compute_display_name(self):
        for rel in self:
            rel.display_name = f"{rel.source.name} – {rel.relation.name} – {rel.destination.name}"

    @api.constrains("source", "destination", "relation")
    def _check_registrant_types(self):
        for rel in self:
            for partner, expected in (
                (rel.source, rel.relation.source_type),
                (rel.destination, rel.relation.destination_type),
            ):
                if not partner.is_registrant:
                    raise ValidationError(self.env._("%s is not a registrant.", partner.display_name))
                if expected and expected != ("g" if partner.is_group else "i"):
                    raise ValidationError(
                        self.env._(
                            "“%(relation)s” does not fit %(name)s: it expects an individual where a group stands, "
                            "or a group where an individual stands.",
                            relation=rel.relation.name,
                            name=partner.name,
                        )
                    )

    @api.constrains("source", "destination", "relation", "start_date", "end_date", "disabled")
    def _check_mirrored(self):
        """A relation that reads both ways is the same one from the other end; one statement for all records."""
        self.flush_model()
        self.env.cr.execute(
            """
            SELECT rel.id
            FROM g2p_reg_rel rel
            JOIN g2p_relationship relation ON relation.id = rel.relation AND relation.bidirectional
            JOIN g2p_reg_rel other ON other.source = rel.destination
                AND other.destination = rel.source
                AND other.relation = rel.relation
                AND other.disabled IS NULL
                AND tsrange(other.start_date, other.end_date) && tsrange(rel.start_date, rel.end_date)
            WHERE rel.id = ANY(%s) AND rel.disabled IS NULL
            LIMIT 1
            """,
            [self.ids],
        )
        if row := self.env.cr.fetchone():
            raise ValidationError(
                self.env._(
                    "%s: these two have the same relationship in that period already.", self.browse(row[0]).display_name
                )
            )

    def disable_relationship(self):
        self.check_access("write")
        # sudo: after the check of access; who and when are evidence, which nobody writes
        self.sudo().filtered(lambda rel: not rel.disabled).write(
            {"disabled": fields.Datetime.now(), "disabled_by": self.env.uid}
        )

    def enable_relationship(self):
        self.check_access("write")
        # sudo: as above
        self.sudo().write({"disabled": False, "disabled_by": False})
