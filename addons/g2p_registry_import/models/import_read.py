from odoo import models
from odoo.tools import SQL


class ImportReadStep(models.AbstractModel):
    """Stages the rows of a file of registrants; they are checked when it is read."""

    _name = "g2p.registrant.import.step.read"
    _inherit = "g2p.bulk.step.read"
    _description = "Reading of a File of Registrants"

    _target = "g2p.registrant.import"
    _step = "read"
    _place = 10
    _from_states = ("draft", "checked")
    _moves = ("g2p.registrant.import.line",)
    _follows = "check"

    def _rows(self, record, operation, outcome):
        if outcome == "read":
            return "g2p.registrant.import.line", SQL("t.import_id = %s", record.id)
        return super()._rows(record, operation, outcome)

    def _open(self, record, operation):
        return record._open_file()

    def _file_name(self, record, operation):
        return record._file_name()

    def _stage(self, record, operation, table, report):
        return record._stage(table, lambda lines: self._reported(lines, report))
