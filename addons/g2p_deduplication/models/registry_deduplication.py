from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import roles
from odoo.addons.g2p_programs.models.program.program import ONE_CHUNK
from odoo.addons.g2p_registry_base.tools import standing

GROUP_ADMIN = "g2p_registry_base.group_g2p_admin"
GROUP_REGISTRAR = "g2p_registry_base.group_g2p_registrar"


class RegistryDeduplication(models.Model):
    """By what the registrants of one type are compared: the settings, and the record on which the step runs."""

    _name = "g2p.registry.deduplication"
    _description = "Deduplication of the registry"
    _inherit = ["g2p.bulk.mixin", "g2p.deduplication.fuzzy.mixin"]
    _order = "company_id, target_type DESC"
    _rec_names_search = ["company_id"]

    _company_target_uniq = models.Constraint(
        "UNIQUE (company_id, target_type)", "The company has settings for this type of registrants already."
    )

    name = fields.Char(compute="_compute_name")
    company_id = fields.Many2one("res.company", required=True, default=lambda self: self.env.company)
    target_type = fields.Selection(
        [("individual", "Individuals"), ("group", "Groups")], "Registrants", required=True, default="individual"
    )
    use_ids = fields.Boolean("ID documents", default=True)
    id_type_ids = fields.Many2many("g2p.id.type", string="ID types", help="Empty means all types.")
    use_phones = fields.Boolean("Phone numbers", default=True)
    use_accounts = fields.Boolean("Bank accounts and wallets", default=True)
    use_shared_members = fields.Boolean("People in several groups", default=True)
    use_names = fields.Boolean("Similar name and date of birth", default=True)
    last_run = fields.Datetime("Last run", readonly=True, copy=False)
    open_count = fields.Integer("Sets to decide", compute="_compute_open_count")

    @api.depends("target_type", "company_id")
    def _compute_name(self):
        labels = dict(self._fields["target_type"]._description_selection(self.env))
        for settings in self:
            settings.name = self.env._(
                "%(registrants)s of %(company)s",
                registrants=labels.get(settings.target_type, ""),
                company=settings.company_id.name,
            )

    def _compute_open_count(self):
        counts = {}
        if self.env["g2p.registry.duplicate"].has_access("read"):
            counts = dict(
                self.env["g2p.registry.duplicate"]._read_group(
                    [("settings_id", "in", self.ids), ("state", "=", "duplicate"), ("decided_by_id", "=", False)],
                    ["settings_id"],
                    ["__count"],
                )
            )
        for settings in self:
            settings.open_count = counts.get(settings, 0)

    def write(self, vals):
        # Registrars press the button, for which they have write access; the settings are the administrator's.
        if vals:
            roles.check(self.env, GROUP_ADMIN)
        return super().write(vals)

    def action_deduplicate(self):
        """Button: find the sets of duplicates among all registrants of the type. It changes no registrant."""
        self.ensure_one()
        roles.check(self.env, GROUP_REGISTRAR)
        self.check_access("write")
        if not self._managers():
            raise UserError(self.env._("Nothing is compared: choose at least one of the ways of comparing."))
        return self._bulk_start("deduplicate", chunk_size=ONE_CHUNK)._notification()

    def _registrants(self):
        """Whom to compare; :return SQL: columns `registrant_id`, `member_id` (the same)."""
        return SQL(
            """
            SELECT registrant.id AS registrant_id, registrant.id AS member_id
              FROM res_partner AS registrant
             WHERE registrant.is_registrant AND COALESCE(registrant.is_group, FALSE) = %s
               AND %s AND registrant.merged_into_id IS NULL
               AND (registrant.company_id IS NULL OR registrant.company_id = %s)
            """,
            self.target_type == "group",
            standing.present("registrant"),
            self.company_id.id,
        )

    def _managers(self):
        """The managers that a program would have, without a program; these settings are the one of names. Nobody is marked
        here: who stays is a suggestion, also where there is only a sign."""
        manager = "g2p.deduplication.manager"
        managers = []
        if self.use_ids:
            managers.append(self.env[f"{manager}.id_dedup"].new({"supported_id_document_types": self.id_type_ids.ids}))
        if self.use_phones:
            managers.append(self.env[f"{manager}.phone_number"].new({"needs_decision": False}))
        if self.use_accounts:
            managers.append(self.env[f"{manager}.bank_account"].new({"needs_decision": False}))
        if self.use_shared_members and self.target_type == "group":
            managers.append(self.env[f"{manager}.default"].new({}))
        if self.use_names:
            managers.append(self)
        return managers

    # What the engine asks a manager

    def _collision_keys(self, people):
        return

    def _collision_pairs(self, people):
        return self._fuzzy_pairs(people)

    def _reason(self):
        return self.env._("Similar name and date of birth")

    # Links

    def action_view_duplicates(self):
        """Stat button: the sets to decide on."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("g2p_deduplication.g2p_registry_duplicate_action")
        return {**action, "domain": [("settings_id", "=", self.id)]}
