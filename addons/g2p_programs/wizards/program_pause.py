from odoo import fields, models


class ProgramPauseWizard(models.TransientModel):
    """Why a program is paused, and what becomes of its cycles under way."""

    _name = "g2p.program.pause.wizard"
    _description = "Pause a program"

    program_id = fields.Many2one("g2p.program", required=True, readonly=True, ondelete="cascade")
    reason = fields.Char(required=True)
    pause_mode = fields.Selection(
        lambda self: self.env["g2p.program"]._fields["pause_mode"]._description_selection(self.env),
        "While paused",
        required=True,
        default="finish",
    )
    cycles_text = fields.Char("Cycles under way", compute="_compute_cycles_text")

    def _compute_cycles_text(self):
        for wizard in self:
            cycles = wizard.program_id.cycle_ids.filtered(
                lambda cycle: cycle.state in ("draft", "to_approve", "approved")
            )
            wizard.cycles_text = ", ".join(cycles.mapped("name")) or self.env._("None")

    def action_confirm(self):
        """Button: pause it. Role and state are checked by the program."""
        self.ensure_one()
        self.program_id.pause_program(self.reason, self.pause_mode)
        return {"type": "ir.actions.act_window_close"}
