from odoo import fields, models


class ProgramCreateWizard(models.TransientModel):
    _inherit = "g2p.program.create.wizard"

    pmt_config = fields.Boolean(
        "Proxy means test", help="Score registrants by what can be observed of them; the model comes after the program."
    )

    def _program_values(self):
        return {**super()._program_values(), "pmt_config": self.pmt_config}
