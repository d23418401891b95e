from datetime import date

from freezegun import freeze_time

from odoo.tests import tagged

from .common import ProgramsCase


@tagged("post_install", "-at_install")
@freeze_time("2022-12-15")
class TestCycleRecurrence(ProgramsCase):
    """The dates of the first two cycles, for each kind of recurrence."""

    def periods(self, **recurrence):
        wizard = (
            self.env["g2p.program.create.wizard"]
            .with_user(self.manager)
            .create({"name": "Recurrence", "amount_per_cycle": 1.0, **recurrence})
        )
        program = self.env["g2p.program"].browse(wizard.create_program()["res_id"])
        manager = program.get_manager(program.MANAGER_PROGRAM)
        first, second = manager.new_cycle(), manager.new_cycle()
        self.assertEqual([first.sequence, second.sequence], [1, 2])
        return [(first.start_date, first.end_date), (second.start_date, second.end_date)]

    def test_every_twenty_days(self):
        self.assertEqual(
            self.periods(rrule_type="daily", cycle_duration=20),
            [(date(2022, 12, 15), date(2023, 1, 3)), (date(2023, 1, 4), date(2023, 1, 23))],
        )

    def test_yearly(self):
        self.assertEqual(
            self.periods(rrule_type="yearly", cycle_duration=1),
            [(date(2022, 12, 15), date(2023, 12, 14)), (date(2023, 12, 15), date(2024, 12, 14))],
        )

    def test_monthly_on_the_tenth(self):
        self.assertEqual(
            self.periods(rrule_type="monthly", cycle_duration=1, month_by="date", day=10),
            [(date(2022, 12, 15), date(2023, 1, 9)), (date(2023, 1, 10), date(2023, 2, 9))],
        )

    def test_monthly_on_the_first_monday(self):
        self.assertEqual(
            self.periods(rrule_type="monthly", cycle_duration=1, month_by="day", byday="1", weekday="MON"),
            [(date(2022, 12, 15), date(2023, 1, 1)), (date(2023, 1, 2), date(2023, 2, 5))],
        )

    def test_weekly_on_mondays(self):
        self.assertEqual(
            self.periods(rrule_type="weekly", cycle_duration=1, mon=True),
            [(date(2022, 12, 15), date(2022, 12, 18)), (date(2022, 12, 19), date(2022, 12, 25))],
        )

    def test_the_thirty_first_is_the_last_day_of_a_shorter_month(self):
        with freeze_time("2023-01-31"):
            self.assertEqual(
                self.periods(rrule_type="monthly", cycle_duration=1, month_by="date", day=31),
                [(date(2023, 1, 31), date(2023, 2, 27)), (date(2023, 2, 28), date(2023, 3, 30))],
            )

    def test_a_year_from_the_leap_day(self):
        with freeze_time("2024-02-29"):
            self.assertEqual(
                self.periods(rrule_type="yearly", cycle_duration=1)[0], (date(2024, 2, 29), date(2025, 2, 27))
            )

    def test_one_time(self):
        self.assertEqual(self.periods(one_time=True)[0], (date(2022, 12, 15), date(2022, 12, 15)))
