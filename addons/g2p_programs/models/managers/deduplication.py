"""Deduplication managers answer: which members collide? Each gives keys that members share, or pairs."""

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL


class DeduplicationManager(models.Model):
    _name = "g2p.deduplication.manager"
    _description = "Deduplication manager reference"
    _inherit = "g2p.manager.mixin"

    @api.model
    def _selection_manager_ref_id(self):
        return [
            *super()._selection_manager_ref_id(),
            ("g2p.deduplication.manager.default", self.env._("Default (shared member)")),
            ("g2p.deduplication.manager.id_dedup", self.env._("ID document")),
            ("g2p.deduplication.manager.phone_number", self.env._("Phone number")),
        ]


class BaseDeduplicationManager(models.AbstractModel):
    """Contract of the kind. A type overrides `_reason` and one of `_collision_keys` and `_collision_pairs`.

    Both get the people to look at: a table expression with the columns `registrant_id`, who is compared, and
    `partner_id`, themselves and, where groups are compared, those who live there now. What two people of one household
    share makes no pair: the household does not collide with itself.
    """

    _name = "g2p.base.deduplication.manager"
    _description = "Deduplication manager"
    _inherit = "g2p.manager.source.mixin"
    _manager_reference = "g2p.deduplication.manager"

    # Of whom this type can find anything at all: in a program for others it would answer "no duplicates" for ever.
    _target_types = ("group", "individual")
    # Whether what it finds is only a sign: spouses share a phone, and namesakes exist.
    _only_a_sign = False

    needs_decision = fields.Boolean(
        "An officer decides",
        default=lambda self: self._only_a_sign,
        help="Who is found is shown as a set of duplicates, and nobody is marked until an officer has chosen who stays. "
        "Otherwise the program's rule chooses, and the others are marked at once.",
    )

    @api.constrains("program_id")
    def _check_can_match(self):
        for manager in self:
            if refusal := manager._cannot_match():
                raise ValidationError(refusal)

    def _cannot_match(self):
        """Why this manager can find nobody in its program, in words, and what to do; False when it can."""
        self.ensure_one()
        if self.program_id.target_type in self._target_types:
            return False
        labels = dict(self.program_id.definition_id._fields["target_type"]._description_selection(self.env))
        return self.env._(
            "“%(manager)s” looks for %(by)s, which no two members of a program of this target type (%(target)s) can have "
            "in common: it would find nobody. Compare by ID, phone, account or similar name instead.",
            manager=self.name,
            by=self._looks_at(),
            target=labels.get(self.program_id.target_type, "").lower(),
        )

    def _said(self):
        return self._looks_at()

    def _looks_at(self):
        """By what this manager compares, in one or two words, as in: no duplicates by ID, phone."""
        raise NotImplementedError  # pragma: no cover - abstract contract

    def _collision_keys(self, people):
        """Registrants that share a key are duplicates of each other.

        :return SQL: columns `key` (text), `registrant_id`, `evidence` (text without the value itself: the screen that
            shows it is read by more people than may read an ID number); or None.
        """
        return

    def _collision_pairs(self, people):
        """Pairs that are alike, for what no key tells.

        :return SQL: columns `registrant_a` < `registrant_b`, each pair once, `evidence` (text, see above), `score`
            (0 … 100); or None. May fill temporary tables that the query reads.
        """
        return

    def _reason(self):
        """What the duplicates of this manager have in common, in words."""
        raise NotImplementedError  # pragma: no cover - abstract contract


class DefaultDeduplicationManager(models.Model):
    """Group programs: the same individual is an active member of several groups."""

    _name = "g2p.deduplication.manager.default"
    _description = "Deduplication by shared member"
    _inherit = "g2p.base.deduplication.manager"
    _target_types = ("group",)

    def _collision_keys(self, people):
        return SQL(
            """
            SELECT people.partner_id::text AS key, people.registrant_id, person.name AS evidence
              FROM (%(people)s) AS people
              JOIN res_partner AS person ON person.id = people.partner_id
             WHERE people.partner_id IN (
                    SELECT partner_id
                      FROM (%(people)s) AS twice
                     WHERE partner_id <> registrant_id
                     GROUP BY partner_id
                    HAVING COUNT(*) > 1
                   )
            """,
            people=people,
        )

    def _looks_at(self):
        return self.env._("shared member")

    def _reason(self):
        return self.env._("The same person is in several groups")


class IDDocumentDeduplicationManager(models.Model):
    """The same document (type and value, neither expired nor invalid) is held by several members, or by people of several groups."""

    _name = "g2p.deduplication.manager.id_dedup"
    _description = "Deduplication by ID document"
    _inherit = "g2p.base.deduplication.manager"

    supported_id_document_types = fields.Many2many("g2p.id.type", string="ID types", help="Empty means all types.")

    @api.constrains("program_id", "supported_id_document_types")
    def _check_can_match(self):
        return super()._check_can_match()

    def _cannot_match(self):
        """Nobody of an individual program has an ID of a type that only groups have. Members of groups count for theirs."""
        refusal = super()._cannot_match()
        if refusal or self.program_id.target_type == "group" or not self.supported_id_document_types:
            return refusal
        if any(kind.target_type != "group" for kind in self.supported_id_document_types):
            return False
        return self.env._(
            "“%(manager)s” compares IDs of these types only: %(types)s. Individuals can't have them, so it would find nobody. "
            "Choose types that individuals have, or none for all types.",
            manager=self.name,
            types=", ".join(self.supported_id_document_types.mapped("name")),
        )

    def _collision_keys(self, people):
        return SQL(
            """
            SELECT document.id_type || ':' || document.value_key AS key,
                   people.registrant_id, kind.name AS evidence
              FROM (%(people)s) AS people
              JOIN g2p_reg_id AS document ON document.partner_id = people.partner_id
              JOIN g2p_id_type AS kind ON kind.id = document.id_type
             WHERE document.value_key IS NOT NULL
               AND COALESCE(document.status, 'valid') <> 'invalid'
               AND (document.expiry_date IS NULL OR document.expiry_date >= %(today)s)
               AND %(types)s
            """,
            people=people,
            today=fields.Date.context_today(self),
            types=SQL("document.id_type = ANY(%s)", self.supported_id_document_types.ids)
            if self.supported_id_document_types
            else SQL("TRUE"),
        )

    def _looks_at(self):
        if self.supported_id_document_types:
            return self.env._("ID (%s)", ", ".join(self.supported_id_document_types.mapped("name")))
        return self.env._("ID")

    def _reason(self):
        return self.env._("The same ID document")


class PhoneNumberDeduplicationManager(models.Model):
    """The same phone number, in international form and in use. Numbers that no numbering plan knows are not compared."""

    _name = "g2p.deduplication.manager.phone_number"
    _description = "Deduplication by phone number"
    _inherit = "g2p.base.deduplication.manager"
    _only_a_sign = True

    def _collision_keys(self, people):
        return SQL(
            """
            SELECT phone.phone_sanitized AS key, people.registrant_id, NULL::text AS evidence
              FROM (%s) AS people
              JOIN g2p_phone_number AS phone ON phone.partner_id = people.partner_id
             WHERE phone.phone_sanitized <> ''
               AND phone.disabled IS NULL
            """,
            people,
        )

    def _looks_at(self):
        return self.env._("phone")

    def _reason(self):
        return self.env._("The same phone number")
