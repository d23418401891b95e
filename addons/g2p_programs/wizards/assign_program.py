from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL


class AssignProgramWizard(models.TransientModel):
    """Add the selected registrants to a program, as draft members."""

    _name = "g2p.assign.program.wizard"
    _description = "Add to program"

    program_id = fields.Many2one(
        "g2p.program", required=True, domain="[('state', '=', 'active'), ('target_type', '=', target_type)]"
    )
    target_type = fields.Selection([("group", "Group"), ("individual", "Individual")], readonly=True)
    partner_ids = fields.Many2many("res.partner", string="Registrants", readonly=True)
    selected_count = fields.Integer(compute="_compute_selected_count", string="Selected")

    @api.depends("partner_ids")
    def _compute_selected_count(self):
        for wizard in self:
            wizard.selected_count = len(wizard.partner_ids)

    @api.model
    def default_get(self, fields_list):
        values = super().default_get(fields_list)
        if self.env.context.get("active_model") == "res.partner":
            partners = self.env["res.partner"].browse(self.env.context.get("active_ids", [])).exists()
            kinds = set(partners.mapped("is_group"))
            if len(kinds) > 1 or not all(partners.mapped("is_registrant")):
                raise UserError(self.env._("Select registrants of one kind: individuals or groups."))
            values["partner_ids"] = [(6, 0, partners.ids)]
            values["target_type"] = "group" if kinds == {True} else "individual"
        return values

    def assign_registrant(self):
        """Button: make draft members of those who are neither members already nor disabled, and say how many."""
        self.ensure_one()
        memberships = self.env["g2p.program_membership"]
        memberships.check_access("create")
        program = self.program_id
        program._check_active()
        self.partner_ids.check_access("read")
        # sudo: adding members was checked above; the program's row only takes its turn
        program.sudo()._bulk_check("edit_members")
        self.env.flush_all()
        now = self.env.cr.now()
        self.env.cr.execute(
            SQL(
                """
                WITH reachable AS (
                    SELECT registrant_id FROM (%(base)s) AS base WHERE registrant_id = ANY(%(partners)s)
                ), inserted AS (
                    INSERT INTO g2p_program_membership
                           (partner_id, program_id, state, create_uid, write_uid, create_date, write_date)
                    SELECT registrant_id, %(program)s, 'draft', %(uid)s, %(uid)s, %(now)s, %(now)s FROM reachable
                        ON CONFLICT DO NOTHING
                 RETURNING id
                ), logged AS (%(history)s)
                SELECT (SELECT COUNT(*) FROM inserted), (SELECT COUNT(*) FROM reachable)
                """,
                base=program._base_registrants(),
                partners=self.partner_ids.ids,
                program=program.id,
                uid=self.env.uid,
                now=now,
                history=self.env["g2p.program_membership"]._history_sql(
                    SQL("SELECT id, NULL::varchar, 'draft', NULL::varchar FROM inserted")
                ),
            )
        )
        added, reachable = self.env.cr.fetchone()
        # sudo: the counters of the program follow from the members just added, for which access was checked above
        program.sudo()._refresh_counters()
        parts = [self.env._("Added %(count)s to %(program)s.", count=added, program=program.name)]
        if reachable > added:
            parts.append(self.env._("Already members: %s.", reachable - added))
        if len(self.partner_ids) > reachable:
            parts.append(
                self.env._(
                    "Left out because disabled, archived or of another company: %s.", len(self.partner_ids) - reachable
                )
            )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success" if added else "warning",
                "message": " ".join(parts),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }
