"""Nobody is put into the settings of a scenario, and no money: they are no program."""

from odoo import api, models


class ProgramMembership(models.Model):
    _inherit = "g2p.program_membership"

    @api.model_create_multi
    def create(self, vals_list):
        members = super().create(vals_list)
        # sudo: whether it is a program at all, whoever may read it
        members.sudo().program_id._refuse_sandbox()
        return members


class ProgramFund(models.Model):
    _inherit = "g2p.program.fund"

    @api.model_create_multi
    def create(self, vals_list):
        funds = super().create(vals_list)
        # sudo: as above
        funds.sudo().program_id._refuse_sandbox()
        return funds

    def write(self, vals):
        result = super().write(vals)
        if "program_id" in vals:
            # sudo: as above
            self.sudo().program_id._refuse_sandbox()
        return result
