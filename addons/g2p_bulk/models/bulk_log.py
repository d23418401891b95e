from odoo import fields, models


class BulkLog(models.Model):
    """What happened to an operation on its way: starts, conflicts and retries, errors, lost processes, its end.

    Lines are only ever added, by the operation itself (``_note``). A chunk that is done without more ado leaves none.
    """

    _name = "g2p.bulk.log"
    _description = "Bulk Operation Log"
    _order = "id desc"
    _rec_name = "message"
    _log_access = False

    _operation_idx = models.Index("(operation_id, id)")

    operation_id = fields.Many2one("g2p.bulk.operation", "Operation", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one(related="operation_id.company_id")
    chunk_id = fields.Many2one("g2p.bulk.chunk", "Chunk", readonly=True, ondelete="cascade")
    low = fields.Integer(related="chunk_id.low")
    high = fields.Integer(related="chunk_id.high")
    date = fields.Datetime("When", required=True, readonly=True)
    kind = fields.Selection(
        [
            ("started", "Started"),
            ("conflict", "Conflict"),
            ("error", "Error"),
            ("lost", "Cut off"),
            ("resumed", "Resumed"),
            ("cancelled", "Cancelled"),
            ("ended", "Ended"),
        ],
        "What",
        required=True,
        readonly=True,
    )
    attempt = fields.Integer(readonly=True, aggregator=None)
    message = fields.Text(readonly=True)
    user_id = fields.Many2one("res.users", "By", readonly=True, ondelete="restrict")
    worker = fields.Char("Process", readonly=True, help="Machine and number of the process that noted it.")
