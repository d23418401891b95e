from odoo import models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .. import figures


class Repair(models.AbstractModel):
    """The set goes where the state of the cycle says it is, and what can't has its reason."""

    _name = "g2p.cycle.step.repair"
    _inherit = "g2p.cycle.step"
    _description = "Repair the cycle"

    _step = "repair"
    _place = 5
    _says_whose = False
    _moves = ("g2p.entitlement",)
    _moved = {
        "submitted": ("g2p.entitlement", "pending_validation"),
        "withdrawn": ("g2p.entitlement", "draft"),
        "cancelled": ("g2p.entitlement", "cancelled"),
    }

    _button = "action_repair"
    _groups = "g2p_programs.g2p_program_manager"
    _visible = "needs_repair"

    def _label(self):
        return self.env._("Repair the cycle")

    def _title(self):
        return self.env._("Repair")

    def _help(self):
        return self.env._("Bring beneficiaries and entitlements to where the state of the cycle says they are")

    def _question(self, cycle):
        return self._text(cycle) or self.env._("%s adds up: there is nothing to repair.", cycle.name)

    def _next(self, cycle):
        return cycle.needs_repair and 1

    def _next_words(self, cycle):
        return self.env._("Beneficiaries and entitlements are not where the state of the cycle says: press Repair.")

    def _outcomes(self):
        _ = self.env._
        return {
            "submitted": (_("Sent for approval"), "done"),
            "withdrawn": (_("Back in draft"), "done"),
            "cancelled": (_("Cancelled"), "done"),
            "named": (_("Without an entitlement, the reason is noted"), "done"),
        }

    def _rows(self, cycle, operation, outcome):
        if outcome == "named":
            mine = self._mine(cycle, operation, outcome)
            return "g2p.cycle.membership", SQL("%s AND t.reason = %s", mine, self._never_looked_at_text())
        return super()._rows(cycle, operation, outcome)

    def _never_looked_at_text(self):
        return self.env._("Never looked at before the cycle was approved")

    def _check_may(self, cycle):
        cycle.ensure_one()
        cycle._check_can(self._role)
        if not self._text(cycle):
            raise UserError(self.env._("%s adds up: there is nothing to repair.", cycle.display_name))

    def _text(self, cycle):
        """What *Repair* would do, with figures; empty when there is nothing to do."""
        _ = self.env._
        found = figures.of_set(cycle)
        told = {what: cycle._number(count) for what, count in found.items()}
        told["cycle"] = cycle.name
        parts = []
        if cycle.state == "draft" and found["pending"]:
            parts.append(_("%(pending)s entitlements that wait for approval become drafts, as the cycle is one."))
        elif cycle.state == "to_approve" and found["unprepared"]:
            parts.append(
                _(
                    "%(unprepared)s beneficiaries were never looked at, so %(cycle)s goes back to draft, with its "
                    "%(pending)s entitlements that wait. Then press Prepare entitlements, and send it for approval again."
                )
            )
        elif cycle.state in ("to_approve", "approved") and found["drafts"]:
            parts.append(_("%(drafts)s entitlements that are still drafts are sent for approval, as the cycle was."))
        elif cycle.state == "distributed" and (found["drafts"] or found["undecided"]):
            parts.append(
                _(
                    "%(drafts)s drafts and %(undecided)s entitlements that nobody has decided on are open, so %(cycle)s goes "
                    "back to approved, and the drafts are sent for approval."
                )
            )
        elif cycle.state == "ended" and (found["drafts"] or found["undecided"]):
            parts.append(
                _(
                    "%(cycle)s is over: %(drafts)s drafts and %(undecided)s entitlements that nobody has decided on are "
                    "cancelled, with that as the reason. Pay these people in another cycle."
                )
            )
        elif cycle.state == "cancelled" and (found["drafts"] or found["pending"] or found["approved"]):
            parts.append(
                _(
                    "%(cycle)s is cancelled: its %(drafts)s drafts, %(pending)s entitlements that wait and %(approved)s that "
                    "are approved and not being paid are cancelled too, and their money is released."
                )
            )
        if cycle.state in ("approved", "distributed", "ended") and found["unprepared"]:
            parts.append(
                _(
                    "%(unprepared)s beneficiaries were never looked at before %(cycle)s was approved. Nothing can be "
                    "promised to them in it any more: that is noted as their reason, and they stay in the list of who is "
                    "left out. Pay them in another cycle."
                )
            )
        return " ".join(part % told for part in parts)

    def _before(self, cycle, operation):
        """The state that can hold the set: a cycle that was left too early goes back."""
        found = figures.of_set(cycle)
        reason = self.env._("Repair: the set was not complete")
        if cycle.state == "to_approve" and found["unprepared"]:
            cycle._transition("draft", reason)
            cycle._approval_drop(reason)
        elif cycle.state == "distributed" and (found["drafts"] or found["undecided"]):
            cycle._transition("approved", reason)
        cycle.invalidate_recordset(["state"])
        if cycle.state in ("to_approve", "approved") and found["drafts"]:
            cycle.with_user(operation.user_id)._note_submission()
            cycle._approval_drop(reason, "void")
        operation.params = {"state": cycle.state}

    def _source(self, cycle, operation):
        states, _to_state = self._repaired_states(cycle, operation)
        return SQL(
            "%s UNION ALL SELECT membership.partner_id FROM g2p_cycle_membership AS membership WHERE %s",
            self._entitlement_keys(cycle, SQL("t.state = ANY(%s)", list(states))),
            self._named(cycle, operation),
        )

    def _chunk(self, cycle, operation, low, high):
        entitlement = self.env["g2p.entitlement"]
        states, to_state = self._repaired_states(cycle, operation)
        wrong = SQL(
            "%s AND %s", self._entitlement_range(cycle, low, high), self._cycle_is(cycle, operation.params["state"])
        )
        counts = {}
        if to_state == "cancelled":
            counts["cancelled"] = entitlement._leave_where(
                wrong,
                states,
                to_state,
                cycle._hold_key(operation),
                reason=self.env._("Repair: the cycle was over"),
                operation=operation,
            )
        elif to_state:
            outcome = "withdrawn" if to_state == "draft" else "submitted"
            counts[outcome] = entitlement._transition_where(
                wrong,
                to_state,
                self.env._("Repair"),
                operation=operation,
                from_state=states[0],
                assign={"left_out_reason": SQL("NULL")},
            )
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_cycle_membership AS membership
                   SET reason = %s, write_uid = %s, write_date = %s
                 WHERE %s AND membership.partner_id > %s AND membership.partner_id <= %s
                """,
                self._never_looked_at_text(),
                self.env.uid,
                self.env.cr.now(),
                self._named(cycle, operation),
                low,
                high,
            )
        )
        counts["named"] = self.env.cr.rowcount
        self.env["g2p.cycle.membership"].invalidate_model(flush=False)
        return counts

    def _finish(self, cycle, operation):
        self.env["g2p.fund.hold"]._settle(cycle._hold_key(operation), reference=operation.name, operation=operation)
        cycle._refresh_counters()

    def _repaired_states(self, cycle, operation):
        """(states of entitlements that are not where the cycle is, the state they come to)."""
        return {
            "draft": (("pending_validation",), "draft"),
            "to_approve": (("draft",), "pending_validation"),
            "approved": (("draft",), "pending_validation"),
            "ended": (("draft", "pending_validation"), "cancelled"),
            "cancelled": (("draft", "pending_validation", "approved"), "cancelled"),
        }.get(operation.params["state"], ((), None))

    def _named(self, cycle, operation):
        """Over `membership`: nothing can be promised to them in this cycle any more."""
        over = operation.params["state"] in ("approved", "distributed", "ended")
        return SQL("membership.cycle_id = %s AND %s AND %s", cycle.id, over, figures.never_looked_at())
