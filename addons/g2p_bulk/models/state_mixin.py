from odoo import api, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL


class StateMixin(models.AbstractModel):
    """A model whose ``state`` moves through methods only, and tells its history.

    Inherit it and declare ``state``. Nobody writes it, nor the other fields that the model declares read-only (see the
    model ``base``); ``_protected_fields`` adds what must not be written though it isn't read-only. A transition is a public method that checks role, company and guard,
    and then calls :meth:`_transition` (a few records) or :meth:`_transition_where` (a set).
    """

    _name = "g2p.state.mixin"
    _description = "State with History"
    _inherit = ["g2p.bulk.row.mixin"]

    _protected_fields = ("state",)

    # Actions

    def action_view_history(self):
        self.check_access("read")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("History"),
            "res_model": "g2p.state.history",
            "view_mode": "list",
            "domain": list(Domain("res_model", "=", self._name) & Domain("res_id", "in", self.ids)),
        }

    # Transitions

    def _require_state(self, *states):
        """The guard of a transition.

        :raise UserError: when a record is in none of the states; names the record, its state and the wanted ones.
        """
        labels = dict(self._fields["state"]._description_selection(self.env))
        for record in self:
            if record.state not in states:
                raise UserError(
                    self.env._(
                        "%(record)s is in state “%(state)s”; this can only be done in “%(wanted)s”.",
                        record=record.display_name,
                        state=labels[record.state],
                        wanted=" / ".join(labels[state] for state in states),
                    )
                )

    def _transition(self, to_state, reason=None):
        """Move the records of ``self`` that are not there yet to ``to_state``; checks nothing. Returns their number."""
        if not self.ids:
            return 0
        # The public method that calls this has checked role and guard.
        records = self.sudo()
        moved = records._transition_where(SQL("t.id IN %s", self._ids), to_state, reason)
        records.modified(["state"])
        return moved

    @api.model
    def _transition_where(self, where, to_state, reason=None, operation=None, assign=None, from_state=None):
        """Move a set to ``to_state`` and write its history, in one statement. Returns the number of rows moved.

        Rows that are in ``to_state`` already are no transition: they are left as they are.

        :param SQL where: condition on the table under the alias ``t``
        :param to_state: a state, or SQL over ``t`` (which may be NULL: the row stays)
        :param reason: a text, or SQL over ``t`` as it is after the move
        :param operation: the bulk operation that does it
        :param dict assign: other columns to set, as SQL over ``t`` as it was before
        :param str from_state: move only rows in this state. Faster: the table needn't be joined to itself to
            remember where each row came from.
        """
        self.env.flush_all()
        table = SQL.identifier(self._table)
        target = to_state if isinstance(to_state, SQL) else SQL("%s", to_state)
        assignments = [
            SQL("state = %s", target),
            SQL("write_uid = %s", self.env.uid),
            SQL("write_date = now() AT TIME ZONE 'UTC'"),
            *(SQL("%s = %s", SQL.identifier(column), value) for column, value in (assign or {}).items()),
        ]
        if from_state:
            before, came_from = SQL(), SQL("%s", from_state)
            guard = SQL("t.state = %s", from_state)
        else:
            before, came_from = SQL("FROM %s AS _before", table), SQL("_before.state")
            guard = SQL("_before.id = t.id")
        if isinstance(to_state, SQL):
            guard = SQL("%s AND (%s) IS NOT NULL", guard, target)
        moved = SQL(
            """
            UPDATE %(table)s AS t
            SET %(assignments)s
            %(before)s
            WHERE %(guard)s AND t.state IS DISTINCT FROM %(target)s AND (%(where)s)
            RETURNING t.id AS res_id, %(came_from)s::varchar AS from_state, t.state AS to_state, %(reason)s::varchar AS reason
            """,
            table=table,
            assignments=SQL(", ").join(assignments),
            before=before,
            guard=guard,
            target=target,
            where=where,
            came_from=came_from,
            reason=reason if isinstance(reason, SQL) else SQL("%s", reason),
        )
        self.env.cr.execute(
            SQL(
                "WITH moved AS (%s) %s",
                moved,
                self._history_sql(SQL("SELECT res_id, from_state, to_state, reason FROM moved"), operation),
            )
        )
        count = self.env.cr.rowcount
        self.env.invalidate_all(flush=False)
        return count

    @api.model
    def _history_sql(self, source, operation=None):
        """The INSERT into the history as SQL, for steps with their own statement: it fits as the body of a CTE.

        ``source`` selects (res_id, from_state, to_state, reason) in this order.
        """
        return self.env["g2p.state.history"]._insert_sql(self._name, source, operation)

    @api.model
    def _history_insert(self, source, operation=None):
        """Write history rows from ``source``, see :meth:`_history_sql`. Returns their number."""
        self.env.flush_all()
        self.env.cr.execute(self._history_sql(source, operation))
        return self.env.cr.rowcount
