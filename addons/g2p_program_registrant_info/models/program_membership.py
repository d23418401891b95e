from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.g2p_programs.tools.constants import GROUP_MANAGER, GROUP_VALIDATOR


class ProgramMembership(models.Model):
    _inherit = "g2p.program_membership"

    program_registrant_info_ids = fields.One2many(
        "g2p.program.registrant_info", "program_membership_id", string="Applications"
    )
    latest_registrant_info = fields.Many2one(
        "g2p.program.registrant_info", "Latest application", compute="_compute_applications"
    )
    latest_registrant_info_status = fields.Selection(
        related="latest_registrant_info.state", string="State of the application"
    )
    applications_count = fields.Integer("Number of applications", compute="_compute_applications")
    assessment_ids = fields.One2many("g2p.program.assessment", "program_membership_id", string="Assessments")

    @api.depends("program_registrant_info_ids.is_latest")
    def _compute_applications(self):
        """Two queries, whatever the number of members shown."""
        applications = self.env["g2p.program.registrant_info"]
        domain = [("program_membership_id", "in", self.ids)]
        latest = {
            found.program_membership_id: found for found in applications.search([*domain, ("is_latest", "=", True)])
        }
        counts = dict(applications._read_group(domain, ["program_membership_id"], ["__count"]))
        for membership in self:
            membership.latest_registrant_info = latest.get(membership, False)
            membership.applications_count = counts.get(membership, 0)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_applicants(self):
        for model in ("g2p.program.registrant_info", "g2p.program.assessment"):
            # sudo: what depends on a member counts whether or not the user may see it; only the refusal is shown
            if self.env[model].sudo().search_count([("program_membership_id", "in", self.ids)], limit=1):
                raise UserError(
                    self.env._("A member who applied or was assessed can't be removed: that history stays.")
                )

    # Buttons

    def action_view_applications(self):
        """Stat button."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Applications of %s", self.partner_id.name),
            "res_model": "g2p.program.registrant_info",
            "view_mode": "list,form",
            "domain": [("program_membership_id", "=", self.id)],
            "context": {
                "default_program_membership_id": self.id,
                "default_registrant_id": self.partner_id.id,
                "default_program_id": self.program_id.id,
            },
        }

    def action_create_application(self):
        """Button: a new application, in its form."""
        self.ensure_one()
        action = self.action_view_applications()
        return {**action, "view_mode": "form", "views": [(False, "form")], "name": self.env._("New application")}

    def action_prepare_assessment(self):
        """Button: ask for the remarks."""
        self.ensure_one()
        self.program_id._check_can(GROUP_VALIDATOR)
        self.check_access("read")
        application = self.latest_registrant_info
        if application:
            return application.action_prepare_assessment()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Assess the beneficiary"),
            "res_model": "g2p.program.assessment.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_program_membership_id": self.id},
        }

    def action_create_entitlement(self):
        """Button: an entitlement by hand, in the program's draft cycle, from the latest assessment."""
        self.ensure_one()
        self.program_id._check_can(GROUP_MANAGER)
        cycle = self.env["g2p.cycle"].search(
            [("program_id", "=", self.program_id.id), ("state", "=", "draft")], order="sequence DESC", limit=1
        )
        if not cycle:
            raise UserError(self.env._("%s has no draft cycle: create a new cycle first.", self.program_id.name))
        assessment = self.assessment_ids.filtered(lambda one: not one.entitlement_id).sorted("id")[-1:]
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Add an entitlement by hand"),
            "res_model": "g2p.entitlement.create.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {
                "default_cycle_id": cycle.id,
                "default_partner_id": self.partner_id.id,
                "default_assessment_id": assessment.id,
                "default_reason": assessment.remarks and assessment.remarks[:200],
            },
        }

    def action_reject_application(self):
        """Button: reject the latest application."""
        self.ensure_one()
        if not self.latest_registrant_info:
            raise UserError(self.env._("%s has not applied.", self.partner_id.name))
        return self.latest_registrant_info.action_reject()

    # The name by which OpenG2P's clients call the button
    reject_application_assessment = action_reject_application
