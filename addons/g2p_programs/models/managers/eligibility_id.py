from odoo import fields, models
from odoo.tools import SQL

from ...tools.explain import fact


class IDDocumentEligibilityManager(models.Model):
    """Registrants that hold an ID document which has not expired, of one of the types if any are named."""

    _name = "g2p.program_membership.manager.id_dedup"
    _description = "Eligibility by ID document"
    _inherit = "g2p.program_membership.manager"

    _reason_code = "no_valid_id"

    id_type_ids = fields.Many2many(
        "g2p.id.type", string="ID types", help="Empty means that a document of any type will do."
    )

    def _criterion(self):
        return SQL(
            """
            EXISTS (
                    SELECT
                      FROM g2p_reg_id AS document
                     WHERE document.partner_id = base.registrant_id
                       AND document.value IS NOT NULL
                       AND COALESCE(document.status, 'valid') <> 'invalid'
                       AND (document.expiry_date IS NULL OR document.expiry_date >= %(today)s)
                       AND %(types)s
                   )
            """,
            today=fields.Date.context_today(self),
            types=SQL("document.id_type = ANY(%s)", self.id_type_ids.ids) if self.id_type_ids else SQL("TRUE"),
        )

    def _reason_detail(self):
        if self.id_type_ids:
            return self._or_conditions(
                self.env._(
                    "Has no valid document of type %s", ", ".join(self.id_type_ids.sorted("name").mapped("name"))
                )
            )
        return self._or_conditions(self.env._("Has no valid ID document"))

    def _criterion_facts(self, registrant_ids):
        """The documents by type and whether they count; never their numbers."""
        today = fields.Date.context_today(self)
        wanted = ", ".join(self.id_type_ids.sorted("name").mapped("name")) or self.env._("any type")
        held = {registrant_id: ([], False) for registrant_id in registrant_ids}
        # sudo: types and validity only, of registrants whom the caller may read
        for document in self.env["g2p.reg.id"].sudo().search([("partner_id", "in", list(registrant_ids))], order="id"):
            names, valid = held[document.partner_id.id]
            if not document.value:
                continue
            state = ""
            if document.status == "invalid":
                state = self.env._("invalid")
            elif document.expiry_date and document.expiry_date < today:
                state = self.env._("expired")
            names.append(f"{document.id_type.name} ({state})" if state else document.id_type.name)
            counts = not state and (not self.id_type_ids or document.id_type in self.id_type_ids)
            held[document.partner_id.id] = (names, valid or counts)
        return {
            registrant_id: fact(
                self.env,
                code="id_document",
                label=self.env._("Valid ID document"),
                operator="in",
                wanted=wanted,
                actual=", ".join(names) or self.env._("none"),
                verdict="yes" if valid else "no",
            )
            for registrant_id, (names, valid) in held.items()
        }
