from datetime import date

from freezegun import freeze_time

from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import ProgramsCase


@tagged("post_install", "-at_install")
@freeze_time("2022-12-15")
class TestCycleRecurrence(ProgramsCase):
    """The dates of the first two cycles, for each kind of recurrence. Weekly and monthly ones wait for the rule's day."""

    def wizard(self, **values):
        wizard = (
            self.env["g2p.program.create.wizard"]
            .with_user(self.manager)
            .create({"name": "Recurrence", "amount_per_cycle": 1.0, **values})
        )
        program = self.env["g2p.program"].browse(wizard.create_program()["res_id"])
        self.agree(program)
        return program

    def periods(self, **recurrence):
        program = self.wizard(**recurrence)
        manager = program.get_manager(program.MANAGER_PROGRAM)
        first, second = manager.new_cycle(), manager.new_cycle()
        self.assertEqual([first.sequence, second.sequence], [1, 2])
        return [(first.start_date, first.end_date), (second.start_date, second.end_date)]

    def test_every_twenty_days(self):
        self.assertEqual(
            self.periods(rrule_type="daily", cycle_duration=20),
            [(date(2022, 12, 15), date(2023, 1, 3)), (date(2023, 1, 4), date(2023, 1, 23))],
        )

    def test_what_a_rule_means_is_said_in_days(self):
        wizard = self.env["g2p.program.create.wizard"].new({"rrule_type": "monthly", "month_by": "date", "day": 30})
        self.assertEqual(
            wizard.periods_text,
            "If it starts today, the first cycle goes from Dec 30, 2022 to Jan 29, 2023, the next from Jan 30, 2023 to "
            "Feb 27, 2023. In a month without that day it begins on the last one: Feb 28, 2023 to Mar 29, 2023.",
        )
        wizard.day = 10
        self.assertNotIn("without that day", wizard.periods_text)
        wizard.one_time = True
        self.assertIn("One cycle", wizard.periods_text)

    def test_managers_say_in_their_row_what_they_do(self):
        program = self.wizard(
            amount_per_cycle=40, rrule_type="monthly", month_by="date", day=30, target_type="individual"
        )
        said = {
            kind: program[field].summary
            for kind, field in (("entitlement", "entitlement_managers"), ("cycle", "cycle_managers"))
        }
        self.assertRegex(said["entitlement"], r"^Amount per cycle .*40\.00")
        self.assertEqual(said["cycle"], "monthly, on day 30")

    def test_yearly(self):
        self.assertEqual(
            self.periods(rrule_type="yearly", cycle_duration=1),
            [(date(2022, 12, 15), date(2023, 12, 14)), (date(2023, 12, 15), date(2024, 12, 14))],
        )

    def test_monthly_on_the_tenth(self):
        self.assertEqual(
            self.periods(rrule_type="monthly", cycle_duration=1, month_by="date", day=10),
            [(date(2023, 1, 10), date(2023, 2, 9)), (date(2023, 2, 10), date(2023, 3, 9))],
        )

    def test_monthly_on_the_first_monday(self):
        self.assertEqual(
            self.periods(rrule_type="monthly", cycle_duration=1, month_by="day", byday="1", weekday="MON"),
            [(date(2023, 1, 2), date(2023, 2, 5)), (date(2023, 2, 6), date(2023, 3, 5))],
        )

    def test_weekly_on_mondays(self):
        self.assertEqual(
            self.periods(rrule_type="weekly", cycle_duration=1, mon=True),
            [(date(2022, 12, 19), date(2022, 12, 25)), (date(2022, 12, 26), date(2023, 1, 1))],
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

    def test_a_first_cycle_on_the_rules_day_starts_at_once(self):
        self.assertEqual(
            self.periods(rrule_type="monthly", cycle_duration=1, month_by="date", day=15)[0],
            (date(2022, 12, 15), date(2023, 1, 14)),
        )

    def test_the_first_cycle_of_a_long_period_waits_for_the_next_day_of_the_rule(self):
        self.assertEqual(
            self.periods(rrule_type="monthly", cycle_duration=3, month_by="date", day=10),
            [(date(2023, 1, 10), date(2023, 4, 9)), (date(2023, 4, 10), date(2023, 7, 9))],
        )
        self.assertEqual(
            self.periods(name="Weeks", rrule_type="weekly", cycle_duration=2, mon=True),
            [(date(2022, 12, 19), date(2023, 1, 1)), (date(2023, 1, 2), date(2023, 1, 15))],
        )

    def test_by_default_monthly_cycles_begin_on_todays_day(self):
        self.assertEqual(
            self.periods(),
            [(date(2022, 12, 15), date(2023, 1, 14)), (date(2023, 1, 15), date(2023, 2, 14))],
        )

    # A short first period, on purpose

    def test_a_short_first_cycle_is_a_part_of_the_full_period(self):
        for expected, recurrence in (
            # 10 December to 9 January has 31 days, of which 26 are left on the 15th
            ((26, 31), {"rrule_type": "monthly", "month_by": "date", "day": 10}),
            # 10 October to 9 January
            ((26, 92), {"rrule_type": "monthly", "month_by": "date", "day": 10, "cycle_duration": 3}),
            # 31 December and, as November has no such day, 30 November
            ((16, 31), {"rrule_type": "monthly", "month_by": "date", "day": 31}),
            # 5 December, the first Monday, to 1 January
            ((18, 28), {"rrule_type": "monthly", "month_by": "day", "byday": "1", "weekday": "MON"}),
            ((4, 7), {"rrule_type": "weekly", "mon": True}),
            ((4, 14), {"rrule_type": "weekly", "mon": True, "cycle_duration": 2}),
            # Monday to Friday, and Friday to Monday: the full period is the one that the short one is the end of
            ((1, 4), {"rrule_type": "weekly", "mon": True, "fri": True}),
        ):
            with self.subTest(**recurrence):
                program = self.wizard(
                    name=f"Short {expected}", short_first_cycle=True, **{"cycle_duration": 1, **recurrence}
                )
                manager = program.get_manager(program.MANAGER_PROGRAM)
                first, second = manager.new_cycle(), manager.new_cycle()
                self.assertEqual(first.start_date, date(2022, 12, 15))
                self.assertEqual(first._part_of_period(), expected)
                self.assertEqual(second._part_of_period(), (0, 0))
                self.assertFalse(second.part_of_period)

    def test_a_short_first_cycle_pays_its_part_to_the_cent(self):
        program = self.wizard(
            rrule_type="monthly", day=10, short_first_cycle=True, amount_per_cycle=100, target_type="individual"
        )
        manager = program.get_manager(program.MANAGER_ENTITLEMENT)
        manager.write({"transfer_fee_pct": 2})
        for name in ("Abebe", "Zewditu"):
            self.member(program, self.individual(name), "enrolled")
        program.create_new_cycle()
        [cycle] = program.cycle_ids
        cycle.with_user(self.manager).prepare_entitlement()
        entitlements = cycle.entitlement_ids
        # 100 × 26 / 31 = 83.870967…, and 2 % of 83.87 is 1.6774
        self.assertEqual(entitlements.mapped("initial_amount"), [83.87, 83.87])
        self.assertEqual(entitlements.mapped("transfer_fee"), [1.68, 1.68])
        self.assertIn("for 26 of 31 days of a full period", entitlements[0].computation_text)
        self.assertIn("26 of 31 days", cycle.part_of_period)
        with self.assertRaisesRegex(UserError, "computed for its days"):
            cycle.with_user(self.manager).end_date = date(2023, 1, 8)

    # The frequency of the program and the recurrence of its cycle manager are one fact

    def test_the_frequency_is_the_recurrence_in_one_word(self):
        program = self.wizard(rrule_type="monthly", cycle_duration=3)
        manager = program.get_manager(program.MANAGER_CYCLE)
        self.assertEqual(program.disbursement_frequency, "Quarterly")
        program.disbursement_frequency = "Fortnightly"
        self.assertEqual((manager.rrule_type, manager.cycle_duration), ("weekly", 2))
        manager.cycle_duration = 3
        self.assertEqual(program.disbursement_frequency, "OnDemand", "every three weeks has no name")
        manager.write({"rrule_type": "yearly", "cycle_duration": 1})
        self.assertEqual(program.disbursement_frequency, "Annually")
        manager.one_time = True
        self.assertEqual(program.disbursement_frequency, "OnDemand")

    def test_every_frequency_drives_the_next_period(self):
        days = {"Daily": 1, "Weekly": 7, "Fortnightly": 14, "Monthly": 31, "BiMonthly": 59, "Quarterly": 90}
        days |= {"SemiAnnually": 181, "Annually": 365}
        frequencies = dict(self.env["g2p.program"]._fields["disbursement_frequency"]._description_selection(self.env))
        self.assertEqual(set(days) | {"OnDemand"}, set(frequencies))
        for frequency, length in days.items():
            with self.subTest(frequency=frequency):
                program = self.program(frequency, disbursement_frequency=frequency)
                program.get_manager(program.MANAGER_CYCLE).day = 1
                start, end = program.get_manager(program.MANAGER_CYCLE)._next_period(date(2022, 12, 31))
                self.assertEqual((end - start).days + 1, length)
                self.assertEqual(program.disbursement_frequency, frequency)
