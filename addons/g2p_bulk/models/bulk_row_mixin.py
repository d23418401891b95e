from odoo import fields, models
from odoo.fields import Domain
from odoo.tools import SQL


class BulkRowMixin(models.AbstractModel):
    """A row that bulk operations work on: it can be searched by what became of it in one of them."""

    _name = "g2p.bulk.row.mixin"
    _description = "Row of Bulk Operations"

    operation_outcome = fields.Char(
        compute="_compute_operation_outcome",
        search="_search_operation_outcome",
        help="Operation and outcome, such as 12:approved: the rows that a count of the operation opens.",
    )

    def _compute_operation_outcome(self):
        """There to be searched by."""
        self.operation_outcome = False

    def _search_operation_outcome(self, operator, value):
        if operator != "in":
            return NotImplemented
        return Domain.OR(self._rows_of(str(named or "")) for named in value)

    def _rows_of(self, named):
        """The rows of an operation that the user may read, on a record that the user may read."""
        number, _colon, outcome = named.partition(":")
        visible = self.env(su=False)
        operation = visible["g2p.bulk.operation"].search([("id", "=", int(number) if number.isdigit() else 0)])
        if not operation or operation.res_model not in visible:
            return Domain.FALSE
        target = visible[operation.res_model].browse(operation.res_id).exists()
        if not target or not target.has_access("read"):
            return Domain.FALSE
        model, condition = operation._rows(outcome) or (None, None)
        if model != self._name:
            return Domain.FALSE
        return Domain("id", "in", SQL("(SELECT t.id FROM %s AS t WHERE %s)", SQL.identifier(self._table), condition))
