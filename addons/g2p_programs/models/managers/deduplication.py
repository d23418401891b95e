"""Deduplication managers answer: which members collide? Each gives keys; members that share a key are one cluster."""

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
    """Contract of the kind. A type overrides `_collision_keys` and `_reason`."""

    _name = "g2p.base.deduplication.manager"
    _description = "Deduplication manager"
    _inherit = "g2p.manager.source.mixin"
    _manager_reference = "g2p.deduplication.manager"

    def _collision_keys(self, members):
        """Keys of the members of a program; two members with one key are duplicates of each other.

        :param SQL members: a table expression with the column `registrant_id`: the members to be compared.
        :return SQL: columns `key` (text), `registrant_id` (a member), `evidence` (text without the value itself:
            the screen that shows it is read by more people than may read an ID number).
        """
        raise NotImplementedError  # pragma: no cover - abstract contract

    def _reason(self):
        """What the duplicates of this manager have in common, in words."""
        raise NotImplementedError  # pragma: no cover - abstract contract

    def _people_of(self, members):
        """Columns `registrant_id`, `partner_id`: each member with themselves and, in a group program, those who
        live in the household now."""
        if self.program_id.target_type == "individual":
            return SQL("SELECT registrant_id, registrant_id AS partner_id FROM %s AS member", members)
        return SQL(
            """
            SELECT registrant_id, registrant_id AS partner_id FROM %(members)s AS member
             UNION
            SELECT member.registrant_id, link.individual
              FROM %(members)s AS member
              JOIN g2p_group_membership AS link ON link."group" = member.registrant_id
              JOIN res_partner AS person ON person.id = link.individual
             WHERE (link.ended_date IS NULL OR link.ended_date > %(now)s)
               AND person.active AND person.disabled IS NULL
            """,
            members=members,
            now=fields.Datetime.now(),
        )


class DefaultDeduplicationManager(models.Model):
    """Group programs: the same individual is an active member of several groups."""

    _name = "g2p.deduplication.manager.default"
    _description = "Deduplication by shared member"
    _inherit = "g2p.base.deduplication.manager"

    def _collision_keys(self, members):
        if self.program_id.target_type == "individual":
            return SQL("SELECT NULL::text AS key, NULL::integer AS registrant_id, NULL::text AS evidence WHERE FALSE")
        return SQL(
            """
            SELECT people.partner_id::text AS key, people.registrant_id, person.name AS evidence
              FROM (%s) AS people
              JOIN res_partner AS person ON person.id = people.partner_id
             WHERE people.partner_id <> people.registrant_id
            """,
            self._people_of(members),
        )

    def _reason(self):
        return self.env._("The same person is in several groups")


class IDDocumentDeduplicationManager(models.Model):
    """The same document (type and value, not expired) is held by several members, or by people of several groups."""

    _name = "g2p.deduplication.manager.id_dedup"
    _description = "Deduplication by ID document"
    _inherit = "g2p.base.deduplication.manager"

    supported_id_document_types = fields.Many2many("g2p.id.type", string="ID types", help="Empty means all types.")

    def _collision_keys(self, members):
        return SQL(
            """
            SELECT document.id_type || ':' || upper(regexp_replace(document.value, '[\\s./-]', '', 'g')) AS key,
                   people.registrant_id, kind.name AS evidence
              FROM (%(people)s) AS people
              JOIN g2p_reg_id AS document ON document.partner_id = people.partner_id
              JOIN g2p_id_type AS kind ON kind.id = document.id_type
             WHERE document.value <> ''
               AND (document.expiry_date IS NULL OR document.expiry_date >= %(today)s)
               AND %(types)s
            """,
            people=self._people_of(members),
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

    def _collision_keys(self, members):
        return SQL(
            """
            SELECT phone.phone_sanitized AS key, people.registrant_id, NULL::text AS evidence
              FROM (%s) AS people
              JOIN g2p_phone_number AS phone ON phone.partner_id = people.partner_id
             WHERE phone.phone_sanitized <> ''
               AND phone.disabled IS NULL
            """,
            self._people_of(members),
        )

    def _reason(self):
        return self.env._("The same phone number")
