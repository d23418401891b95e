"""Cycle managers answer: when is the next period, and who approves it?"""

from datetime import timedelta

from dateutil import rrule
from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class CycleManager(models.Model):
    _name = "g2p.cycle.manager"
    _description = "Cycle manager reference"
    _inherit = "g2p.manager.mixin"

    @api.model
    def _selection_manager_ref_id(self):
        return [*super()._selection_manager_ref_id(), ("g2p.cycle.manager.default", "Default")]


class BaseCycleManager(models.AbstractModel):
    _name = "g2p.base.cycle.manager"
    _description = "Cycle manager"
    _inherit = "g2p.manager.source.mixin"
    _manager_reference = "g2p.cycle.manager"
    _approval_fields = ("approver_group_id", "auto_approve_entitlements")

    auto_approve_entitlements = fields.Boolean(
        help="Approving the cycle approves its entitlements too: the approver then answers for both."
    )
    approver_group_id = fields.Many2one(
        "res.groups",
        string="Approver group",
        default=lambda self: self.env.ref("g2p_programs.g2p_program_cycle_approver", raise_if_not_found=False),
        help="Whose members approve a cycle. Who prepared a cycle can't approve it.",
    )

    def write(self, vals):
        for manager in self:
            if "approver_group_id" in vals and vals["approver_group_id"] != manager.approver_group_id.id:
                manager._change_of_approvers(self.env["res.groups"].browse(vals["approver_group_id"] or []))
        return super().write(vals)

    def _change_of_approvers(self, group):
        """Who approves is settled before there is anything to approve, and a change is noted on the program."""
        # sudo: a cycle counts whether or not the user may see it, and the note is written for whoever may write here
        program = self.sudo().program_id
        if program.cycle_ids.filtered(lambda cycle: cycle.state == "to_approve"):
            raise UserError(
                self.env._(
                    "A cycle of %s waits for approval: the approver group can be changed when none does.", program.name
                )
            )
        program.message_post(
            body=self.env._(
                "The group that approves cycles was changed from “%(old)s” to “%(new)s”.",
                old=self.approver_group_id.sudo().display_name or "",
                new=group.sudo().display_name or "",
            ),
            author_id=self.env.user.partner_id.id,
        )

    def _next_period(self, after=None):
        """The period that follows a date.

        :param date after: the last day of the previous cycle; None for the first cycle, which starts today.
        :return: (first day, last day)
        """
        raise NotImplementedError  # pragma: no cover - abstract contract


class CycleRecurrenceMixin(models.AbstractModel):
    """A recurrence: every n days, weeks (on weekdays), months (by date or by n-th weekday) or years."""

    _name = "g2p.cycle.recurrence.mixin"
    _description = "Recurrence of cycles"

    _cycle_duration_positive = models.Constraint(
        "CHECK (cycle_duration > 0)", "A cycle lasts at least one day, week, month or year."
    )
    _day_of_month = models.Constraint("CHECK (day BETWEEN 1 AND 31)", "The day of the month goes from 1 to 31.")

    one_time = fields.Boolean("One-time distribution", help="The cycle starts and ends on the same day.")
    cycle_duration = fields.Integer("Repeat every", default=1, required=True)
    rrule_type = fields.Selection(
        [("daily", "Days"), ("weekly", "Weeks"), ("monthly", "Months"), ("yearly", "Years")],
        string="Recurrence",
        default="monthly",
        required=True,
    )
    mon = fields.Boolean("Monday")
    tue = fields.Boolean("Tuesday")
    wed = fields.Boolean("Wednesday")
    thu = fields.Boolean("Thursday")
    fri = fields.Boolean("Friday")
    sat = fields.Boolean("Saturday")
    sun = fields.Boolean("Sunday")
    month_by = fields.Selection([("date", "Date of month"), ("day", "Day of month")], default="date")
    day = fields.Integer("Date of month", default=1, help="In a shorter month, its last day.")
    weekday = fields.Selection(
        [
            ("MON", "Monday"),
            ("TUE", "Tuesday"),
            ("WED", "Wednesday"),
            ("THU", "Thursday"),
            ("FRI", "Friday"),
            ("SAT", "Saturday"),
            ("SUN", "Sunday"),
        ],
        default="MON",
    )
    byday = fields.Selection(
        [("1", "First"), ("2", "Second"), ("3", "Third"), ("4", "Fourth"), ("-1", "Last")],
        string="By day",
        default="1",
    )

    @api.constrains("rrule_type", "month_by", "weekday", "byday")
    def _check_recurrence(self):
        for record in self:
            if record.rrule_type == "monthly" and record.month_by == "day" and not (record.weekday and record.byday):
                raise ValidationError(self.env._("Say which weekday of the month cycles begin on."))

    def _next_occurrence(self, start):
        """The first occurrence of the recurrence after the day `start`."""
        self.ensure_one()
        if self.rrule_type == "daily":
            return start + relativedelta(days=self.cycle_duration)
        if self.rrule_type == "yearly":
            return start + relativedelta(years=self.cycle_duration)
        if self.rrule_type == "weekly":
            frequency = rrule.WEEKLY
            days = [number for number, name in enumerate(WEEKDAYS) if self[name]]
            options = {"byweekday": days or [start.weekday()]}
        else:
            frequency = rrule.MONTHLY
            if self.month_by == "day":
                options = {"byweekday": rrule.weekday(WEEKDAYS.index(self.weekday.lower()))(int(self.byday))}
            else:
                # The last of the days 28 to `day` that the month has: 31 gives 30 April, and 28 or 29 February.
                days = list(range(28, self.day + 1)) if self.day > 28 else self.day
                options = {"bymonthday": days, "bysetpos": -1}
        rule = rrule.rrule(
            frequency, dtstart=fields.Datetime.to_datetime(start), interval=self.cycle_duration, **options
        )
        return rule.after(fields.Datetime.to_datetime(start)).date()


class DefaultCycleManager(models.Model):
    _name = "g2p.cycle.manager.default"
    _description = "Cycle manager (default)"
    _inherit = ["g2p.base.cycle.manager", "g2p.cycle.recurrence.mixin"]

    def _next_period(self, after=None):
        self.ensure_one()
        start = after + timedelta(days=1) if after else fields.Date.context_today(self)
        if self.one_time:
            return start, start
        return start, self._next_occurrence(start) - timedelta(days=1)
