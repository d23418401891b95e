from odoo import api, models
from odoo.tools import SQL


class BulkEvent(models.AbstractModel):
    """What moved, told as a set to who wants to know: notifications, a portal, an API, a feed.

    A plug-in inherits this model, names the models it listens to, and does with the set what it has to, in SQL: queue
    messages, note rows. Nothing is guessed from states: what is told is what the history says.

    It is told in the transaction that moved the rows (acts on single rows: just before its commit) or that ends the
    operation. What must not be in that transaction, a call to the outside world before all, is queued from here.
    """

    _name = "g2p.bulk.event"
    _description = "What moved"

    @api.model
    def _listens_to(self):
        """Names of the models whose moves are told; extended by each listener."""
        return set()

    @api.model
    def _moved(self, model, moves):
        """Rows of a model moved.

        May be told of the same move again, after an operation was resumed: ``move_id`` is the key that makes it once.

        :param str model: one of :meth:`_listens_to`
        :param SQL moves: a query with columns move_id, res_id, from_state, to_state, reason, user_id, date (UTC), one row a
            move; ``from_state`` is NULL of a row that was made
        """

    # Told by the engine

    @api.model
    def _tell(self, model, condition):
        self._moved(
            model,
            SQL(
                """
                SELECT history.id AS move_id, history.res_id, history.from_state, history.to_state, history.reason,
                       history.user_id, history.date
                  FROM g2p_state_history AS history
                 WHERE history.res_model = %s AND %s
                """,
                model,
                condition,
            ),
        )

    @api.model
    def _tell_of_operation(self, operation):
        """An operation has come to an end: all that it has moved so far."""
        for model in sorted(self._listens_to()):
            self._tell(
                model,
                SQL(
                    "history.operation_id = %s AND history.date >= %s AND history.user_id = %s",
                    operation.id,
                    operation.create_date,
                    operation.user_id.id,
                ),
            )

    @api.model
    def _tell_of_act(self, model):
        """Single rows move in this transaction: told once, before it is committed, whatever the number of moves."""
        if model not in self._listens_to():
            return
        acts = self.env.cr.precommit.data.setdefault("g2p.bulk.event", set())
        if not acts:
            # sudo: a listener's own rows; it was asked by whoever moved the row, who need not see them
            listener = self.sudo()

            @self.env.cr.precommit.add
            def tell():
                told = sorted(self.env.cr.precommit.data.pop("g2p.bulk.event", ()))
                listener.env.flush_all()
                for name in told:
                    listener._tell(name, SQL("history.act = txid_current() AND history.operation_id IS NULL"))

        acts.add(model)
