"""Cycle managers answer: when is the next period, and who approves it?"""

from datetime import timedelta

from dateutil import rrule
from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import format_date

# How long a period is by the program's disbursement frequency.
FREQUENCY_INTERVALS = {
    "Daily": ("daily", 1),
    "Weekly": ("weekly", 1),
    "Fortnightly": ("weekly", 2),
    "Monthly": ("monthly", 1),
    "BiMonthly": ("monthly", 2),
    "Quarterly": ("monthly", 3),
    "SemiAnnually": ("monthly", 6),
    "Annually": ("yearly", 1),
}
RECURRENCE_FIELDS = {"one_time", "rrule_type", "cycle_duration"}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class CycleManager(models.Model):
    _name = "g2p.cycle.manager"
    _description = "Cycle manager reference"
    _inherit = "g2p.manager.mixin"

    @api.model
    def _selection_manager_ref_id(self):
        return [*super()._selection_manager_ref_id(), ("g2p.cycle.manager.default", self.env._("Default"))]


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

        :param date after: the last day of the previous cycle; None for the first cycle.
        :return: (first day, last day)
        """
        raise NotImplementedError  # pragma: no cover - abstract contract

    def _full_period_days(self, start, end):
        """How many days the full period has whose last part is `start` to `end`; as many as those where it is no part."""
        return (end - start).days + 1


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
    day = fields.Integer(
        "Date of month",
        default=lambda self: fields.Date.context_today(self).day,
        help="Cycles begin on this day; in a shorter month, on its last one. The first cycle waits for it.",
    )
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

    by_weekday = fields.Boolean(compute="_compute_by_day")
    by_month = fields.Boolean(compute="_compute_by_day")
    short_first_cycle = fields.Boolean(
        "The first cycle starts at once",
        help="The first cycle starts on the day it is created and ends before the day of the rule: it is short, and pays its "
        "days' part of the amounts. Otherwise the first cycle waits for the day of the rule and pays in full.",
    )

    periods_text = fields.Char("First cycles", compute="_compute_periods_text")

    @api.constrains("rrule_type", "month_by", "weekday", "byday")
    def _check_recurrence(self):
        for record in self:
            if record.rrule_type == "monthly" and record.month_by == "day" and not (record.weekday and record.byday):
                raise ValidationError(self.env._("Say which weekday of the month cycles begin on."))

    @api.depends("one_time", "rrule_type", "cycle_duration")
    def _compute_by_day(self):
        """Which day can be chosen on which cycles begin."""
        for record in self:
            unit = record.rrule_type
            record.by_weekday = unit == "weekly" and not record.one_time
            record.by_month = unit == "monthly" and not record.one_time

    def _recurrence_words(self):
        """How often, and when: “monthly, on day 30”."""
        self.ensure_one()
        _, number = self.env._, self.cycle_duration
        if self.one_time:
            return _("once")
        often = {
            "daily": _("daily") if number == 1 else _("every %s days", number),
            "weekly": _("weekly") if number == 1 else _("every %s weeks", number),
            "monthly": _("monthly") if number == 1 else _("every %s months", number),
            "yearly": _("yearly") if number == 1 else _("every %s years", number),
        }[self.rrule_type]

        def label(name):
            return dict(self._fields[name]._description_selection(self.env))[self[name]]

        if self.rrule_type == "weekly" and (days := [name for name in WEEKDAYS if self[name]]):
            named = ", ".join(self._fields[name]._description_string(self.env) for name in days)
            return _("%(often)s, on %(days)s", often=often, days=named)
        if self.rrule_type == "monthly" and self.month_by == "day":
            return _("%(often)s, %(which)s %(weekday)s", often=often, which=label("byday"), weekday=label("weekday"))
        if self.rrule_type == "monthly":
            return _("%(often)s, on day %(day)s", often=often, day=self.day)
        return often

    def _rule(self, start, interval):
        """The days on which cycles begin, weekly or monthly, from `start` on.

        :return rrule: of midnights
        """
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
        return rrule.rrule(frequency, dtstart=fields.Datetime.to_datetime(start), interval=interval, **options)

    def _first_occurrence(self, day):
        """The first day of the rule, `day` or later. Any day is one, where periods are counted in days or years."""
        if self.rrule_type in ("daily", "yearly"):
            return day
        return self._rule(day, 1).after(fields.Datetime.to_datetime(day), inc=True).date()

    def _next_occurrence(self, start):
        """The first occurrence of the recurrence after the day `start`."""
        self.ensure_one()
        unit, number = self.rrule_type, self.cycle_duration
        if unit == "daily":
            return start + relativedelta(days=number)
        if unit == "yearly":
            return start + relativedelta(years=number)
        return self._rule(start, number).after(fields.Datetime.to_datetime(start)).date()

    def _previous_occurrence(self, day):
        """The day of the rule on which the full period began that ends before `day`, itself a day of the rule."""
        unit, number = self.rrule_type, self.cycle_duration
        if unit == "weekly":
            begin = day - relativedelta(weeks=number)
            begin -= relativedelta(days=begin.weekday())
            if not any(self[name] for name in WEEKDAYS):
                begin = day - relativedelta(weeks=number)
        else:
            begin = day - relativedelta(months=number, day=1)
        return self._rule(begin, number).before(fields.Datetime.to_datetime(day)).date()

    def _period_after(self, after=None):
        self.ensure_one()
        start = after + timedelta(days=1) if after else fields.Date.context_today(self)
        if self.one_time:
            return start, start
        if after:
            return start, self._next_occurrence(start) - timedelta(days=1)
        first = self._first_occurrence(start)
        if first > start and self.short_first_cycle:
            return start, first - timedelta(days=1)
        return first, self._next_occurrence(first) - timedelta(days=1)

    @api.depends(
        *(
            "one_time",
            "cycle_duration",
            "rrule_type",
            *WEEKDAYS,
            "month_by",
            "day",
            "weekday",
            "byday",
            "short_first_cycle",
        )
    )
    def _compute_periods_text(self):
        for record in self:
            record.periods_text = record._periods_words()

    def _periods_words(self):
        """The first two periods if the rule begins today; and, of a day that not every month has, the one of February."""
        _ = self.env._
        if not self.one_time and (not self.cycle_duration or self.cycle_duration < 1 or not 1 <= self.day <= 31):
            return False

        def told(start, end):
            days = {
                "start": format_date(self.env, start, date_format="medium"),
                "end": format_date(self.env, end, date_format="medium"),
            }
            return _("%(start)s to %(end)s", **days)

        first = self._period_after()
        if self.one_time:
            return _("One cycle, on the day it is created.")
        second = self._period_after(first[1])
        text = _(
            "If it starts today, the first cycle goes from %(first)s, the next from %(second)s.",
            first=told(*first),
            second=told(*second),
        )
        if self.rrule_type == "monthly" and self.month_by == "date" and self.day > 28:
            period = second
            for _number in range(12):
                if period[0].month == 2:
                    return f"{text} " + _("In a month without that day it begins on the last one: %s.", told(*period))
                period = self._period_after(period[1])
        return text


class DefaultCycleManager(models.Model):
    _name = "g2p.cycle.manager.default"
    _description = "Cycle manager (default)"
    _inherit = ["g2p.base.cycle.manager", "g2p.cycle.recurrence.mixin"]

    def _said(self):
        return self._recurrence_words()

    # The recurrence and the program's disbursement frequency are one fact, shown in two places: whichever is changed, the
    # other follows. A recurrence that no frequency has a name for is "on demand".

    @api.model_create_multi
    def create(self, vals_list):
        programs = self.env["g2p.program"].browse([vals.get("program_id") for vals in vals_list])
        told = [bool(RECURRENCE_FIELDS & set(vals)) for vals in vals_list]
        for program, vals, said in zip(programs, vals_list, told, strict=True):
            if not said and program:
                vals.update(self._recurrence_of(program.disbursement_frequency))
        managers = super().create(vals_list)
        for manager, said in zip(managers, told, strict=True):
            if said:
                manager._tell_frequency()
        return managers

    def write(self, vals):
        result = super().write(vals)
        if RECURRENCE_FIELDS & set(vals) and not self.env.context.get("g2p_frequency_known"):
            for manager in self:
                manager._tell_frequency()
        return result

    @api.model
    def _recurrence_of(self, frequency):
        """The values of a recurrence that a frequency stands for; none for "on demand"."""
        if frequency not in FREQUENCY_INTERVALS:
            return {}
        unit, number = FREQUENCY_INTERVALS[frequency]
        return {"one_time": False, "rrule_type": unit, "cycle_duration": number}

    def _tell_frequency(self):
        frequency = "OnDemand"
        if not self.one_time:
            intervals = {interval: name for name, interval in FREQUENCY_INTERVALS.items()}
            frequency = intervals.get((self.rrule_type, self.cycle_duration), frequency)
        if self.program_id.disbursement_frequency != frequency:
            # sudo: who may change the recurrence was checked by the write above, and this is the same fact
            self.program_id.definition_id.sudo().with_context(
                g2p_frequency_known=True
            ).disbursement_frequency = frequency

    def _next_period(self, after=None):
        return self._period_after(after)

    def _full_period_days(self, start, end):
        self.ensure_one()
        following = end + timedelta(days=1)
        if self.one_time or self._first_occurrence(start) == start or self._first_occurrence(following) != following:
            return super()._full_period_days(start, end)
        return max((following - self._previous_occurrence(following)).days, (following - start).days)
