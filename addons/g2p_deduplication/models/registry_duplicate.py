from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .registry_deduplication import GROUP_REGISTRAR


class RegistryDuplicate(models.Model):
    """A set of registrants that look like one and the same. Nobody is changed until somebody merges them."""

    _name = "g2p.registry.duplicate"
    _description = "Set of duplicate registrants"
    _rec_names_search = ["partner_ids"]
    _inherit = ["g2p.duplicate.set"]

    _scope_field = "settings_id"
    _members_field = "partner_ids"
    _pair_model = "g2p.registry.duplicate.pair"
    _decider = GROUP_REGISTRAR

    _settings_state = models.Index("(settings_id, state)")

    settings_id = fields.Many2one(
        "g2p.registry.deduplication", "Registry", required=True, readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="settings_id.company_id")
    target_type = fields.Selection(related="settings_id.target_type", string="Type of registrants")
    partner_ids = fields.Many2many(
        "res.partner",
        "g2p_registry_duplicate_rel",
        "duplicate_id",
        "partner_id",
        string="Registrants",
        readonly=True,
        context={"active_test": False},
    )
    survivor_id = fields.Many2one(
        "res.partner",
        "Suggested to stay",
        readonly=True,
        index="btree_not_null",
        help="Who is in most programs, then the most complete record, then the oldest; or the one an officer chose.",
    )
    pair_ids = fields.One2many("g2p.registry.duplicate.pair", "duplicate_id", "What speaks for it", readonly=True)
    member_names = fields.Char("Registrants' names")
    merge_ids = fields.One2many("g2p.registrant.merge", "duplicate_id", "Merges", readonly=True)

    def action_merge(self):
        """Button: prepare the merge of another of the set into the one who stays."""
        self.ensure_one()
        self._check_decision("duplicate")
        survivor = self.survivor_id or self.partner_ids[:1]
        merges = self.env["g2p.registrant.merge"]
        under_way = merges.search([("duplicate_id", "=", self.id), ("state", "in", ("draft", "proposed"))], limit=1)
        others = self.partner_ids.filtered(lambda partner: partner != survivor and not partner.merged_into_id)
        if not under_way and not others:
            raise UserError(self.env._("Nobody is left in this set whom you may merge."))
        merge = under_way or merges.create(
            {"survivor_id": survivor.id, "merged_id": others[0].id, "duplicate_id": self.id, "reason": self.evidence}
        )
        return {
            "type": "ir.actions.act_window",
            "res_model": merge._name,
            "res_id": merge.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    # Set operations

    @api.model
    def _find(self, settings):
        """Write the sets of the registry, see `_find_sets`; :return: {"waiting": n, "unique": n}"""
        survivor = SQL("member.programs DESC, %s DESC, member.id", self._completeness())
        self._find_sets(settings, settings._managers(), settings._registrants(), survivor)
        self.env.cr.execute(
            """
            SELECT (SELECT COUNT(*) FROM deduplication_member),
                   (SELECT COALESCE(SUM(members), 0) FROM deduplication_set WHERE NOT ignored)
            """
        )
        registrants, waiting = self.env.cr.fetchone()
        return {"waiting": waiting, "unique": registrants - waiting}

    def _survivor_source(self):
        return SQL(
            """
            SELECT partner.id, partner.id AS partner_id, partner.family_name, partner.given_name, partner.birthdate,
                   partner.gender, partner.area_id, partner.address,
                   (SELECT COUNT(*) FROM g2p_program_membership AS membership
                     WHERE membership.partner_id = partner.id AND membership.state = 'enrolled') AS programs
              FROM res_partner AS partner
             WHERE partner.id IN (SELECT member_id FROM deduplication_label)
            """
        )

    # Comparison

    def _partners_of(self, members):
        return members


class RegistryDuplicatePair(models.Model):
    _name = "g2p.registry.duplicate.pair"
    _description = "Pair of duplicate registrants"
    _rec_names_search = ["member_a_id", "member_b_id"]
    _inherit = "g2p.duplicate.pair"

    _scope_field = "settings_id"

    _pair_uniq = models.Constraint("UNIQUE (settings_id, member_a_id, member_b_id)", "This pair is known already.")

    settings_id = fields.Many2one("g2p.registry.deduplication", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one(related="settings_id.company_id")
    duplicate_id = fields.Many2one(
        "g2p.registry.duplicate", required=True, readonly=True, index=True, ondelete="cascade"
    )
    member_a_id = fields.Many2one(
        "res.partner", "Registrant", required=True, readonly=True, index=True, ondelete="cascade"
    )
    member_b_id = fields.Many2one(
        "res.partner", "Other registrant", required=True, readonly=True, index=True, ondelete="cascade"
    )
