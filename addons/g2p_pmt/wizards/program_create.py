from odoo import fields, models


class ProgramCreateWizard(models.TransientModel):
    _inherit = "g2p.program.create.wizard"

    pmt_config = fields.Boolean(
        "Proxy means test",
        help="Score registrants by what can be observed of them. The program asks who is poor by the score, so nobody is "
        "enrolled before its model is active and scores are computed.",
    )

    def _wants_pmt(self):
        """Households are scored: what was ticked before the target type was changed is hidden, and means nothing."""
        return self.pmt_config and self.target_type == "group"

    def _program_values(self):
        return {**super()._program_values(), "pmt_config": self._wants_pmt()}

    def _create_managers(self, program):
        result = super()._create_managers(program)
        if self._wants_pmt():
            # The model comes after the program: until then nobody has a score, and nobody qualifies.
            self.env["g2p.program_membership.manager.pmt"].create(
                {"name": self.env._("Proxy means test"), "program_id": program.id}
            )
        return result

    def create_program(self):
        if self._wants_pmt():
            self.import_beneficiaries = "no"
        return super().create_program()
