"""Eligibility managers answer: who qualifies? A manager's answer is a query of registrants; several are intersected."""

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

from ..domain import parse_domain


class EligibilityManager(models.Model):
    _name = "g2p.eligibility.manager"
    _description = "Eligibility manager reference"
    _inherit = "g2p.manager.mixin"

    @api.model
    def _selection_manager_ref_id(self):
        return [
            *super()._selection_manager_ref_id(),
            ("g2p.program_membership.manager.default", "Default"),
            ("g2p.program_membership.manager.id_dedup", "ID document"),
            ("g2p.program_membership.manager.phone_number", "Phone number"),
        ]


class BaseEligibilityManager(models.AbstractModel):
    """Contract of the kind. A type overrides `_eligible_registrants`, `_reason_code` and `_reason_detail`."""

    _name = "g2p.program_membership.manager"
    _description = "Eligibility manager"
    _inherit = "g2p.manager.source.mixin"
    _manager_reference = "g2p.eligibility.manager"

    _reason_code = "not_eligible"

    eligibility_domain = fields.Char(
        string="Registrants matching", default="[]", help="Conditions on the registrant; empty means everybody."
    )
    matching_count = fields.Integer(compute="_compute_matching_count", string="Registrants who match")

    @api.constrains("eligibility_domain")
    def _check_eligibility_domain(self):
        for manager in self:
            try:
                # Searched as the user who writes it: nobody may ask by a rule what they may not read.
                self.env["res.partner"].search(manager._registrant_domain(), limit=1)
            except Exception as error:
                raise ValidationError(
                    self.env._(
                        "The conditions of the manager %(manager)s can't be used: %(error)s",
                        manager=manager.name,
                        error=error,
                    )
                ) from error

    def _registrant_domain(self):
        """The conditions as a domain on res.partner."""
        self.ensure_one()
        return parse_domain(self.env, self.eligibility_domain)

    @api.depends("eligibility_domain", "program_id")
    def _compute_matching_count(self):
        for manager in self:
            if not manager.program_id:
                manager.matching_count = 0
                continue
            [[count]] = self.env.execute_query(
                SQL("SELECT COUNT(*) FROM (%s) AS eligible", manager._eligible_registrants())
            )
            manager.matching_count = count

    def _eligible_registrants(self, low=None, high=None):
        """Who qualifies.

        :param low, high: restrict to `low < registrant id <= high`; None means no bound.
        :return SQL: one column `registrant_id`, each registrant once, all of them in the program's base set
            (registrants of the target type, of the program's company or of none, active and not disabled).
        """
        self.ensure_one()
        return self._matching_registrants(self._registrant_domain(), low, high)

    def _matching_registrants(self, domain, low=None, high=None):
        """The base set of the program, narrowed by a domain on res.partner."""
        domain = Domain.AND([self.program_id._base_domain(), domain])
        if low is not None:
            domain &= Domain("id", ">", low)
        if high is not None:
            domain &= Domain("id", "<=", high)
        # sudo: eligibility is a rule of the program over all its registrants. The record rules of whoever presses the
        # button (an officer limited to one district) must not leave anybody out; nothing of the rows is shown.
        query = self.env["res.partner"].sudo().with_context(active_test=False)._search(domain)
        return query.select(SQL("%s AS registrant_id", SQL.identifier(query.table, "id")))

    def _reason_detail(self):
        """Why somebody who isn't in the set was left out, in words."""
        self.ensure_one()
        return self.env._("Does not meet the conditions of “%s”", self.name)


class DefaultEligibilityManager(models.Model):
    """Registrants that match a domain."""

    _name = "g2p.program_membership.manager.default"
    _description = "Eligibility by conditions"
    _inherit = "g2p.program_membership.manager"

    _reason_code = "conditions"


class IDDocumentEligibilityManager(models.Model):
    """Registrants that hold an ID document which has not expired, of one of the types if any are named."""

    _name = "g2p.program_membership.manager.id_dedup"
    _description = "Eligibility by ID document"
    _inherit = "g2p.program_membership.manager"

    _reason_code = "no_valid_id"

    id_type_ids = fields.Many2many(
        "g2p.id.type", string="ID types", help="Empty means that a document of any type will do."
    )

    def _eligible_registrants(self, low=None, high=None):
        return SQL(
            """
            SELECT base.registrant_id
              FROM (%(base)s) AS base
             WHERE EXISTS (
                    SELECT
                      FROM g2p_reg_id AS document
                     WHERE document.partner_id = base.registrant_id
                       AND document.value IS NOT NULL
                       AND COALESCE(document.status, 'valid') <> 'invalid'
                       AND (document.expiry_date IS NULL OR document.expiry_date >= %(today)s)
                       AND %(types)s
                   )
            """,
            base=super()._eligible_registrants(low, high),
            today=fields.Date.context_today(self),
            types=SQL("document.id_type = ANY(%s)", self.id_type_ids.ids) if self.id_type_ids else SQL("TRUE"),
        )

    def _reason_detail(self):
        if self.id_type_ids:
            return self.env._("Has no valid document of type %s", ", ".join(self.id_type_ids.mapped("name")))
        return self.env._("Has no valid ID document")


class PhoneNumberEligibilityManager(models.Model):
    """Registrants that have a phone number in use."""

    _name = "g2p.program_membership.manager.phone_number"
    _description = "Eligibility by phone number"
    _inherit = "g2p.program_membership.manager"

    _reason_code = "no_phone"

    def _eligible_registrants(self, low=None, high=None):
        return SQL(
            """
            SELECT base.registrant_id
              FROM (%s) AS base
             WHERE EXISTS (
                    SELECT
                      FROM g2p_phone_number AS phone
                     WHERE phone.partner_id = base.registrant_id
                       AND phone.disabled IS NULL
                   )
            """,
            super()._eligible_registrants(low, high),
        )

    def _reason_detail(self):
        return self.env._("Has no phone number in use")
