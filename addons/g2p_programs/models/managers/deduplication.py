"""Deduplication managers answer: which members collide? Each gives keys that members share, or pairs."""

from odoo import api, fields, models
from odoo.tools import SQL


class DeduplicationManager(models.Model):
    _name = "g2p.deduplication.manager"
    _description = "Deduplication manager reference"
    _inherit = "g2p.manager.mixin"

    @api.model
    def _selection_manager_ref_id(self):
        return [
            *super()._selection_manager_ref_id(),
            ("g2p.deduplication.manager.default", "Default (shared member)"),
            ("g2p.deduplication.manager.id_dedup", "ID document"),
            ("g2p.deduplication.manager.phone_number", "Phone number"),
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

    def _reason(self):
        return self.env._("The same person is in several groups")


class IDDocumentDeduplicationManager(models.Model):
    """The same document (type and value, not expired) is held by several members, or by people of several groups."""

    _name = "g2p.deduplication.manager.id_dedup"
    _description = "Deduplication by ID document"
    _inherit = "g2p.base.deduplication.manager"

    supported_id_document_types = fields.Many2many("g2p.id.type", string="ID types", help="Empty means all types.")

    def _collision_keys(self, people):
        return SQL(
            """
            SELECT document.id_type || ':' || upper(regexp_replace(document.value, '[\\s./-]', '', 'g')) AS key,
                   people.registrant_id, kind.name AS evidence
              FROM (%(people)s) AS people
              JOIN g2p_reg_id AS document ON document.partner_id = people.partner_id
              JOIN g2p_id_type AS kind ON kind.id = document.id_type
             -- A value of signs only identifies nobody.
             WHERE document.value ~ '[^\\s./-]'
               AND (document.expiry_date IS NULL OR document.expiry_date >= %(today)s)
               AND %(types)s
            """,
            people=people,
            today=fields.Date.context_today(self),
            types=SQL("document.id_type = ANY(%s)", self.supported_id_document_types.ids)
            if self.supported_id_document_types
            else SQL("TRUE"),
        )

    def _reason(self):
        return self.env._("The same ID document")


class PhoneNumberDeduplicationManager(models.Model):
    """The same phone number, in international form and in use. Numbers that no numbering plan knows are not compared."""

    _name = "g2p.deduplication.manager.phone_number"
    _description = "Deduplication by phone number"
    _inherit = "g2p.base.deduplication.manager"

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

    def _reason(self):
        return self.env._("The same phone number")
