from odoo import models
from odoo.tools import SQL

from ..registrant_info import OPEN_STATES


class CloseApplicationsStep(models.AbstractModel):
    """Nobody decides on the open applications of a program that has ended: they are closed."""

    _name = "g2p.program.step.close_applications"
    _inherit = "g2p.bulk.step"
    _description = "Close open applications"

    _target = "g2p.program"
    _step = "close_applications"
    _place = 90
    _from_states = ("ended",)
    _moves = ("g2p.program.registrant_info",)

    def _label(self):
        return self.env._("Close open applications")

    def _outcomes(self):
        return {"closed": (self.env._("Closed"), "done")}

    def _rows(self, record, operation, outcome):
        if outcome != "closed":
            return None
        model = "g2p.program.registrant_info"
        return model, operation._moved_rows(model, "closed")

    def _source(self, record, operation):
        return SQL(
            "SELECT registrant_id AS key FROM g2p_program_registrant_info WHERE program_id = %s AND state = ANY(%s)",
            record.id,
            list(OPEN_STATES),
        )

    def _chunk(self, record, operation, low, high):
        closed = self.env["g2p.program.registrant_info"]._transition_where(
            SQL(
                """
                t.program_id = %s AND %s AND t.state = ANY(%s)
                AND EXISTS (SELECT FROM g2p_program AS still WHERE still.id = %s AND still.state = 'ended')
                """,
                record.id,
                self._range("t", "registrant_id", low, high),
                list(OPEN_STATES),
                record.id,
            ),
            "closed",
            reason=self.env._("The program has ended"),
            operation=operation,
        )
        return {"closed": closed}
