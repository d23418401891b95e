from odoo import models
from odoo.tools import SQL

from ....tools import blocks
from ....tools.money import decimal
from .. import figures
from ..agreed import ENTITLEMENTS


class ApproveEntitlements(models.AbstractModel):
    """Money first, then the entitlements that it is for, as far as the fund and the shortage policy allow."""

    _name = "g2p.cycle.step.approve_entitlements"
    _inherit = "g2p.cycle.step.money"
    _description = "Approve entitlements"

    _step = "approve_entitlements"
    _place = 60
    _says_whose = False
    _from_states = ("approved",)
    _moves = ("g2p.entitlement",)
    _relies_on = ("copy", "verify", "prepare", "submit")
    _completed_by = ("cancel_entitlements",)
    _moved = {"approved": ("g2p.entitlement", "approved")}

    _button = "validate_entitlement"
    _asked_as = "validate"
    _button_context = {"submission": "submission"}
    _visible = "can_validate"
    _stage = 3

    def _label(self):
        return self.env._("Approve entitlements")

    def _help(self):
        return self.env._("Reserve the money in the fund")

    def _asked(self, cycle):
        return cycle._seen(self._step)

    def _question(self, cycle):
        text = self.env._(
            "Approve %(count)s entitlements of %(amount)s. The money is reserved for them in the fund; rejecting or "
            "cancelling an entitlement releases it."
        )
        return (text + cycle._fund_text()) % cycle._told() + cycle._others_text(ENTITLEMENTS)

    def _answer(self, cycle):
        """An empty fund approves nobody: who may write a deposit down is taken there instead."""
        if cycle._fund_reaches_nobody() and self.env["g2p.program.fund"].has_access("create"):
            return "action_deposit", self.env._("Deposit money")
        return super()._answer(cycle)

    def _next(self, cycle):
        """What nobody has decided on comes first; what the money did not reach, after everything that is approved."""
        if cycle.state != "approved" or not cycle.pending_count:
            return False
        return 10 if cycle.pending_count > cycle.left_out_count else 50

    def _next_words(self, cycle):
        _ = self.env._
        if cycle.can_validate and cycle.pending_count > cycle.left_out_count:
            return cycle._short_text() or _("Approve the entitlements: their money is reserved in the fund.")
        if cycle.left_out_count:
            return _(
                "The fund did not reach everybody: post a deposit and approve the entitlements that were left out."
            )
        if waits := cycle._waits_text(ENTITLEMENTS):
            return waits
        return _("Somebody of the validation group, not who prepared them, approves the entitlements.")

    def _outcomes(self):
        _ = self.env._
        return {
            "approved": (_("Approved"), "done"),
            "fund_shortage": (_("Left out, the fund is short"), "failed"),
            "own_preparation": (_("Prepared by the approver themself"), "skipped"),
            **self._block_outcomes(),
        }

    def _rows(self, cycle, operation, outcome):
        waiting = SQL("%s AND t.state = 'pending_validation'", self._mine(cycle, operation, outcome))
        others = self._others_preparation(cycle, operation)
        if outcome == "own_preparation":
            return "g2p.entitlement", SQL("%s AND NOT (%s)", waiting, others)
        if outcome in self._left_out_codes():
            return "g2p.entitlement", SQL("%s AND %s AND t.left_out_reason = %s", waiting, others, outcome)
        return super()._rows(cycle, operation, outcome)

    def _shortfall(self, cycle, name):
        undecided = name in ("mark_distributed", "mark_ended") and figures.of_set(cycle)["undecided"]
        return undecided and self.env._(
            "%(count)s entitlements of %(cycle)s wait for approval, and nobody has decided on them: approve or reject "
            "them first.",
            count=cycle._number(undecided),
            cycle=cycle.display_name,
        )

    def _check_may(self, cycle):
        cycle._check_can_approve_entitlements()
        cycle._bulk_gate()
        cycle._check_submission()

    def _before(self, cycle, operation):
        """Reserve the money for what is going to be approved, under the lock of the account.

        `all`: everything that waits, or nothing (raises). `priority`: the longest run of entitlements, in the manager's
        order, that the available money covers; the others are marked as left out. So is, under both, what is blocked.
        """
        cycle._require_state("approved")
        manager = cycle._entitlement_manager()
        account = self.env["g2p.fund.account"]._of(cycle.program_id, cycle.currency_id)
        available = account._lock()
        waiting = SQL("%s AND %s", self._waiting(cycle, operation), self._others_preparation(cycle, operation))
        # A new attempt: who was left out before is tried again, unless something stands in the way.
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_entitlement AS t SET left_out_reason = %(block)s
                 WHERE t.left_out_reason IS DISTINCT FROM %(block)s AND %(waiting)s
                """,
                block=self.env["g2p.entitlement"]._block_sql(blocks.APPROVE),
                waiting=waiting,
            )
        )
        waiting = SQL("t.left_out_reason IS NULL AND %s", waiting)
        [[total]] = self.env.execute_query(
            SQL(
                "SELECT SUM(t.initial_amount)::text FROM g2p_entitlement AS t WHERE %s AND %s",
                self.env["g2p.entitlement"]._charged_sql(),
                waiting,
            )
        )
        needed = decimal(total)
        if manager.shortage_policy == "priority" and needed > available:
            needed -= self._leave_out(cycle, waiting, manager._priority_sql(), available)
        self.env["g2p.entitlement"].invalidate_model(flush=False)
        if needed:
            account._reserve(needed, reference=operation.name, cycle=cycle, operation=operation)
            self.env["g2p.fund.hold"]._add(cycle._hold_key(operation), account, "release", needed, cycle)

    def _source(self, cycle, operation):
        return SQL("SELECT t.partner_id AS key FROM g2p_entitlement AS t WHERE %s", self._waiting(cycle, operation))

    def _chunk(self, cycle, operation, low, high):
        entitlement = self.env["g2p.entitlement"]
        waiting = SQL("%s AND %s", self._waiting(cycle, operation), self._entitlement_range(cycle, low, high))
        others = self._others_preparation(cycle, operation)
        approved = entitlement._approve_where(
            SQL(
                "%s AND %s AND t.left_out_reason IS NULL AND NOT %s",
                waiting,
                others,
                entitlement._blocked_sql(blocks.APPROVE),
            ),
            cycle._hold_key(operation),
            self.env["g2p.fund.account"]._of(cycle.program_id, cycle.currency_id),
            operation,
        )
        counts = dict(
            self.env.execute_query(
                SQL(
                    """
                    SELECT left_behind.reason, COUNT(*)
                      FROM (
                            SELECT CASE WHEN NOT (%(others)s) THEN 'own_preparation'
                                        ELSE COALESCE(%(block)s, t.left_out_reason) END AS reason
                              FROM g2p_entitlement AS t
                             WHERE %(waiting)s
                           ) AS left_behind
                     GROUP BY left_behind.reason
                    """,
                    others=others,
                    block=entitlement._block_sql(blocks.APPROVE),
                    waiting=waiting,
                )
            )
        )
        return {"approved": approved, **{reason: count for reason, count in counts.items() if reason}}

    def _finish(self, cycle, operation):
        self.env["g2p.fund.hold"]._settle(cycle._hold_key(operation), reference=operation.name, operation=operation)
        cycle._refresh_counters()
        if operation.state == "done" and not cycle.auto_approve_entitlements:
            # After a selection the rest waits on; what the money did not reach is asked for by who tries again.
            cycle._ask_approval(ENTITLEMENTS)

    def _waiting(self, cycle, operation):
        """Over `t`: what this operation is to approve, whatever the fund says."""
        selection = (operation.params or {}).get("entitlement_ids")
        return SQL(
            "t.cycle_id = %s AND t.state = 'pending_validation' AND t.currency_id = %s AND %s AND %s",
            cycle.id,
            cycle.currency_id.id,
            self._cycle_is(cycle, "approved"),
            SQL("t.id = ANY(%s)", selection) if selection is not None else SQL("TRUE"),
        )

    def _others_preparation(self, cycle, operation):
        """Over `t`: neither prepared by the approver, nor is the amount theirs."""
        if not cycle._maker_checker():
            return SQL("TRUE")
        approver = operation.user_id.id
        return SQL("t.create_uid IS DISTINCT FROM %s AND t.amount_set_by IS DISTINCT FROM %s", approver, approver)

    def _leave_out(self, cycle, waiting, order, available):
        """Mark what comes after the money has run out. Returns the amount of it, exactly."""
        self.env.cr.execute(
            SQL(
                """
                WITH ranked AS (
                    SELECT t.id, SUM(t.initial_amount) OVER (ORDER BY %(order)s ROWS UNBOUNDED PRECEDING) AS running
                      FROM g2p_entitlement AS t
                     WHERE %(charged)s AND %(waiting)s
                ), left_out AS (
                    UPDATE g2p_entitlement AS t
                       SET left_out_reason = 'fund_shortage'
                      FROM ranked
                     WHERE t.id = ranked.id AND ranked.running > %(available)s
                 RETURNING t.initial_amount
                )
                SELECT SUM(initial_amount)::text FROM left_out
                """,
                order=order,
                charged=self.env["g2p.entitlement"]._charged_sql(),
                waiting=waiting,
                available=available,
            )
        )
        [amount] = self.env.cr.fetchone()
        return decimal(amount)
