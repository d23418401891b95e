from odoo import models
from odoo.tools import SQL

from .. import figures


class Prepare(models.AbstractModel):
    """Draft entitlements for the enrolled beneficiaries who have none. Doing it again changes nothing."""

    _name = "g2p.cycle.step.prepare"
    _inherit = "g2p.cycle.step"
    _description = "Prepare entitlements"

    _step = "prepare"
    _place = 30
    _from_states = ("draft",)
    _moves = ("g2p.entitlement",)
    _relies_on = ("copy", "verify")
    _completed_by = ("repair", "cancel_entitlements")

    _button = "prepare_entitlement"
    _groups = "g2p_programs.g2p_program_manager"
    _visible = "state == 'draft' and members_count"
    _stage = 2

    def _label(self):
        return self.env._("Prepare entitlements")

    def _help(self):
        return self.env._("Compute what each beneficiary is due")

    def _question(self, cycle):
        return self.env._(
            "What is due to each of %(members)s beneficiaries is computed. Who has an entitlement in this cycle "
            "already keeps it. Nothing is promised or paid yet; drafts can be deleted.",
            **cycle._told(),
        )

    def _next(self, cycle):
        return (
            cycle.state == "draft"
            and cycle.members_count
            and (cycle.unprepared_count or not cycle.entitlements_count)
            and 20
        )

    def _next_words(self, cycle):
        if cycle.entitlements_count and cycle.unprepared_count:
            return self.env._(
                "%s beneficiaries have neither an entitlement nor a reason why there is none: press Prepare entitlements.",
                cycle._number(cycle.unprepared_count),
            )
        return self.env._("Prepare the entitlements, then send the cycle for approval.")

    def _outcomes(self):
        _ = self.env._
        return {
            "prepared": (_("Prepared"), "done"),
            "already_prepared": (_("Prepared already"), "skipped"),
            "no_amount": (_("Nothing is due"), "skipped"),
            "data_missing": (_("Data missing: nobody can tell the amount"), "skipped"),
            "fee_too_high": (_("Fee higher than the amount"), "failed"),
        }

    def _rows(self, cycle, operation, outcome):
        """Beneficiaries: those with an entitlement by the history, the others by the reason that they carry since."""
        place = "g2p.cycle.membership"
        mine = self._mine(cycle, operation, outcome)
        made = SQL(
            "SELECT t.partner_id FROM g2p_entitlement AS t WHERE t.cycle_id = %s AND %s",
            cycle.id,
            operation._moved_rows("g2p.entitlement"),
        )
        due = SQL(
            """
            SELECT known.partner_id FROM g2p_entitlement AS known
             WHERE known.cycle_id = %s AND known.state <> 'cancelled'
            """,
            cycle.id,
        )
        reasons = cycle._entitlement_manager()._reasons_of_none()
        if outcome == "prepared":
            return place, SQL("t.cycle_id = %s AND t.partner_id IN (%s)", cycle.id, made)
        if outcome == "already_prepared":
            return place, SQL(
                "%s AND t.state = 'enrolled' AND t.partner_id IN (%s) AND t.partner_id NOT IN (%s)", mine, due, made
            )
        if outcome in reasons:
            return place, SQL("%s AND t.state = 'enrolled' AND starts_with(t.reason, %s)", mine, reasons[outcome])
        return super()._rows(cycle, operation, outcome)

    def _shortfall(self, cycle, name):
        unprepared = figures.of_set(cycle)["unprepared"]
        if not unprepared:
            return False
        told = {"count": cycle._number(unprepared), "cycle": cycle.display_name}
        if name in ("to_approve", "submit"):
            return self.env._(
                "%(count)s beneficiaries of %(cycle)s have neither an entitlement nor a reason why there is none: "
                "press Prepare entitlements, then go on.",
                **told,
            )
        return self.env._(
            "%(count)s beneficiaries of %(cycle)s were never looked at: they have neither an entitlement nor a reason "
            "why there is none. Press Repair first, which says what it does.",
            **told,
        )

    def _before(self, cycle, operation):
        # The first stays; everybody who prepared is an author.
        cycle.prepared_by = cycle.prepared_by or operation.user_id
        self.env["g2p.cycle.author"]._add(cycle, operation.user_id, "prepared")
        cycle._entitlement_manager()._check_ready()

    def _source(self, cycle, operation):
        return SQL(
            "SELECT partner_id AS key FROM g2p_cycle_membership WHERE cycle_id = %s AND state = 'enrolled'", cycle.id
        )

    def _chunk(self, cycle, operation, low, high):
        return cycle._entitlement_manager()._prepare_chunk(cycle, low, high, operation)
