from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from dateutil.relativedelta import relativedelta
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo import Command, fields
from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tests.statements import counting_statements

COLUMNS = (
    "size children children_under_5 children_6_17 adults elderly working_age women females female_headed disabled_members "
    "unknown_age_members dependency_ratio head_age head_gender"
).split()


def evaluated(household, today):
    """The row of a household by the words of the specification: persons one by one, ages by their birthdays.

    :param household: (age in years or None, days since that birthday, gender, disability, is the head) of current members
    """
    ages = [(age, gender) for age, _days, gender, _disability, _head in household if age is not None]
    dependants = sum(1 for age, _gender in ages if age < 15 or age > 64)
    working = sum(1 for age, _gender in ages if 15 <= age <= 64)
    head = next((person for person in household if person[4]), (None, None, None, None, None))
    return {
        "size": len(household),
        "children": sum(1 for age, _gender in ages if age < 18),
        "children_under_5": sum(1 for age, _gender in ages if age < 5),
        "children_6_17": sum(1 for age, _gender in ages if 6 <= age <= 17),
        "adults": sum(1 for age, _gender in ages if 18 <= age <= 64),
        "elderly": sum(1 for age, _gender in ages if age > 64),
        "working_age": working,
        "women": sum(1 for age, gender in ages if age >= 18 and gender == "female"),
        "females": sum(1 for person in household if person[2] == "female"),
        "female_headed": None if head[2] is None else head[2] == "female",
        "disabled_members": sum(1 for person in household if person[3] == "yes"),
        "unknown_age_members": len(household) - len(ages),
        "dependency_ratio": (Decimal(dependants) / working).quantize(Decimal("0.0001"), ROUND_HALF_UP)
        if working
        else None,
        "head_age": head[0],
        "head_gender": head[2],
    }


class IndicatorCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.head = cls.env.ref("g2p_registry_base.group_membership_kind_head")
        cls.env.cr.execute("SELECT (now() AT TIME ZONE 'UTC')::date")
        cls.today = cls.env.cr.fetchone()[0]

    def person(self, age=None, gender="female", disability=False, days=0, **values):
        birthdate = None if age is None else self.today - relativedelta(years=age) - timedelta(days=days)
        return self.env["res.partner"].create(
            {
                "is_registrant": True,
                "given_name": "Person",
                "birthdate": birthdate,
                "gender": gender,
                "disability": disability,
                **values,
            }
        )

    def group(self, *people, head=None):
        return self.env["res.partner"].create(
            {
                "is_registrant": True,
                "is_group": True,
                "name": "Household",
                "group_membership_ids": [
                    Command.create(
                        {"individual": person.id, "kind": [Command.link(self.head.id)] if person == head else []}
                    )
                    for person in people
                ],
            }
        )

    def row(self, group):
        self.env.flush_all()
        columns = SQL(", ").join(map(SQL.identifier, COLUMNS))
        rows = self.env.execute_query(
            SQL("SELECT %s, dependency_ratio::text FROM g2p_group_indicator WHERE group_id = %s", columns, group.id)
        )
        if not rows:
            return None
        row = dict(zip(COLUMNS, rows[0], strict=False))
        return row | {"dependency_ratio": rows[0][-1] and Decimal(rows[0][-1])}  # the cursor makes floats of numerics


@tagged("post_install", "-at_install")
class TestGroupIndicator(IndicatorCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # 1 baby, 1 of 5, 1 of 17, the head of 40 (disabled), a man of 64, a woman of 65, a boy and a girl of unknown age
        case = cls(methodName="setUp")
        cls.baby = case.person(0, "male")
        cls.five = case.person(5)
        cls.seventeen = case.person(17, "male", disability="no")
        cls.mother = case.person(40, disability="yes")
        cls.man = case.person(64, "male")
        cls.woman = case.person(65)
        cls.boy = case.person(None, "male", disability="yes")
        cls.girl = case.person(None)
        cls.household = case.group(
            cls.baby, cls.five, cls.seventeen, cls.mother, cls.man, cls.woman, cls.boy, cls.girl, head=cls.mother
        )

    def test_a_household_by_hand(self):
        self.assertEqual(
            self.row(self.household),
            {
                "size": 8,
                "children": 3,  # 0, 5, 17
                "children_under_5": 1,  # 0
                "children_6_17": 1,  # 17
                "adults": 2,  # 40, 64
                "elderly": 1,  # 65
                "working_age": 3,  # 17, 40, 64
                "women": 2,  # 40, 65
                "females": 4,  # 5, 40, 65, unknown
                "female_headed": True,
                "disabled_members": 2,
                "unknown_age_members": 2,
                "dependency_ratio": Decimal("1.0000"),  # 0, 5, 65 over 17, 40, 64
                "head_age": 40,
                "head_gender": "female",
            },
        )
        self.assertEqual(self.household.z_ind_grp_num_individuals, 8)
        self.assertEqual(
            self.household.read(["z_ind_grp_num_children", "z_ind_grp_is_female_headed", "z_ind_grp_dependency_ratio"])[
                0
            ],
            {
                "id": self.household.id,
                "z_ind_grp_num_children": 3,
                "z_ind_grp_is_female_headed": True,
                "z_ind_grp_dependency_ratio": 1.0,
            },
        )

    def test_birthdays_are_the_bounds(self):
        for age, before, on in (
            (5, "children_under_5", "children"),
            (6, "children", "children_6_17"),
            (18, "children_6_17", "adults"),
            (65, "adults", "elderly"),
        ):
            with self.subTest(age=age):
                person = self.person(age)
                group = self.group(person)
                self.assertEqual(self.row(group)[on], 1)
                person.birthdate += timedelta(days=1)
                row = self.row(group)
                self.assertEqual(row[before], 1)
                if on != "children":
                    self.assertEqual(row[on], 0)
        # aged 5: among the children, in neither of the two classes
        row = self.row(self.group(self.person(5, days=364)))
        self.assertEqual([row[name] for name in ("children", "children_under_5", "children_6_17")], [1, 0, 0])

    def test_an_empty_group_has_noughts_and_unknowns(self):
        group = self.group()
        row = self.row(group)
        self.assertEqual({row[name] for name in COLUMNS[:9]}, {0})
        self.assertEqual(
            [row[name] for name in ("female_headed", "dependency_ratio", "head_age", "head_gender")], [None] * 4
        )
        self.assertEqual((group.z_ind_grp_num_children, group.z_ind_grp_head_gender), (0, False))
        self.assertFalse(self.person(30).z_ind_grp_num_children)
        self.assertIsNone(self.row(self.mother))

    def test_the_head_decides_who_leads(self):
        members = self.household.group_membership_ids
        of = {member.individual: member for member in members}
        of[self.mother].kind = False
        row = self.row(self.household)
        self.assertEqual((row["female_headed"], row["head_age"], row["head_gender"]), (None, None, None))
        of[self.man].kind = self.head
        row = self.row(self.household)
        self.assertEqual((row["female_headed"], row["head_age"], row["head_gender"]), (False, 64, "male"))
        self.man.gender = False
        row = self.row(self.household)
        self.assertEqual((row["female_headed"], row["head_age"], row["head_gender"]), (None, 64, None))
        self.man.gender = "other"
        self.assertIs(self.row(self.household)["female_headed"], False)
        of[self.man].action_end()
        self.assertIsNone(self.row(self.household)["head_age"])

    def test_who_is_disabled_archived_or_gone_counts_no_more(self):
        self.mother._disable("Moved away")
        row = self.row(self.household)
        self.assertEqual((row["size"], row["female_headed"], row["disabled_members"]), (7, None, 1))
        self.assertEqual(self.household.z_ind_grp_num_individuals, 7)
        self.mother.enable_registrant()
        self.assertEqual(self.row(self.household)["size"], 8)
        self.woman.active = False
        self.assertEqual((self.household.z_ind_grp_num_elderly, self.household.z_ind_grp_num_individuals), (0, 7))
        self.woman.active = True
        self.woman.unlink()
        self.assertEqual(self.row(self.household)["elderly"], 0)
        self.household.unlink()
        self.assertIsNone(self.row(self.household))

    def test_changes_written_by_sql_are_followed(self):
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE res_partner SET birthdate = birthdate - interval '60 years', disability = 'yes' WHERE id = ANY(%s)",
            [(self.baby | self.five).ids],
        )
        row = self.row(self.household)
        self.assertEqual((row["children"], row["elderly"], row["adults"], row["disabled_members"]), (1, 2, 3, 4))

    def test_a_contact_that_becomes_a_group_has_a_row_until_it_is_one_no_more(self):
        contact = self.env["res.partner"].create({"name": "Contact"})
        self.assertIsNone(self.row(contact))
        contact.write({"is_registrant": True, "is_group": True})
        self.assertEqual(self.row(contact)["size"], 0)
        contact.is_group = False
        self.assertIsNone(self.row(contact))

    def test_other_changes_of_people_cost_nothing(self):
        """No trigger function runs, and no row is written again."""
        self.env.flush_all()
        self.env.cr.execute(
            "SELECT xmin::text, ctid::text FROM g2p_group_indicator WHERE group_id = %s", [self.household.id]
        )
        before = self.env.cr.fetchone()
        for statement in (
            "UPDATE res_partner SET income = 5 WHERE id = ANY(%s)",
            "UPDATE res_partner SET gender = gender, birthdate = birthdate WHERE id = ANY(%s)",
        ):
            self.env.cr.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {statement}", [self.mother.ids])
            plan = "\n".join(row[0] for row in self.env.cr.fetchall())
            self.assertNotIn("g2p_group_person_changed", plan)
            if "income" in statement:
                self.assertNotIn("g2p_group_", plan)
        self.env.cr.execute(
            "SELECT xmin::text, ctid::text FROM g2p_group_indicator WHERE group_id = %s", [self.household.id]
        )
        self.assertEqual(self.env.cr.fetchone(), before)

    # -- by the calendar

    def test_the_nightly_run_writes_only_what_the_calendar_changed(self):
        other = self.group(self.person(30, "male"))
        self.env.flush_all()
        # as if the baby had been counted as an adult, and nobody had noticed
        self.env.cr.execute(
            "UPDATE g2p_group_indicator SET adults = 9, children = 0 WHERE group_id = %s", [self.household.id]
        )
        self.env.cr.execute("SELECT ctid::text FROM g2p_group_indicator WHERE group_id = %s", [other.id])
        before = self.env.cr.fetchone()
        self.env["g2p.registry"]._cron_refresh_indicators()
        operation = self.env["g2p.bulk.operation"].search([("step", "=", "refresh_indicators")], limit=1)
        groups = (
            self.env["res.partner"]
            .with_context(active_test=False)
            .search_count([("is_registrant", "=", True), ("is_group", "=", True)])
        )
        self.assertEqual(
            operation.counts, {"refreshed": 1, "unchanged": groups - 1} if groups > 1 else {"refreshed": 1}
        )
        row = self.row(self.household)
        self.assertEqual((row["adults"], row["children"]), (2, 3))
        self.env.cr.execute("SELECT ctid::text FROM g2p_group_indicator WHERE group_id = %s", [other.id])
        self.assertEqual(self.env.cr.fetchone(), before)

    def test_a_chunk_is_four_statements_whatever_it_holds(self):
        """One computes; the others note which groups' figures were written, so that the count opens them."""
        self.env["res.partner"].create(
            [{"is_registrant": True, "is_group": True, "name": f"Group {number}"} for number in range(200)]
        )
        self.env.flush_all()
        registry = self.env.ref("g2p_registry_base.registry")
        operation = registry._bulk_start("refresh_indicators")
        step = registry._bulk_step("refresh_indicators")
        with counting_statements(self.env.cr) as count:
            counts = step._chunk(registry, operation, 0, 2**31 - 1)
        self.assertEqual(count.statements, 4)
        self.assertGreaterEqual(counts["unchanged"], 201)

    # -- searched

    def found(self, *condition):
        mine = [("id", "in", (self.household | self.mother | self.empty | self.led_by_man).ids)]
        return self.env["res.partner"].search([*mine, condition])

    def test_searching_never_takes_the_unknown_for_a_no(self):
        self.empty = self.group()
        man = self.person(30, "male")
        self.led_by_man = self.group(man, head=man)
        groups = self.household | self.empty | self.led_by_man
        for condition, expected in (
            (("z_ind_grp_num_children", ">=", 3), self.household),
            (("z_ind_grp_num_children", "=", 0), self.empty | self.led_by_man),
            (("z_ind_grp_num_children", "!=", 0), self.household),
            (("z_ind_grp_num_children", "<", 3), self.empty | self.led_by_man),
            (("z_ind_grp_num_children", "in", [0, 3]), groups),
            (("z_ind_grp_is_female_headed", "=", True), self.household),
            (("z_ind_grp_is_female_headed", "=", False), self.led_by_man),
            (("z_ind_grp_is_female_headed", "!=", True), self.led_by_man),
            (("z_ind_grp_head_gender", "=", "male"), self.led_by_man),
            (("z_ind_grp_head_gender", "!=", "male"), self.household),
            (("z_ind_grp_head_gender", "=", False), self.empty),
            (("z_ind_grp_head_gender", "!=", False), self.household | self.led_by_man),
            (("z_ind_grp_head_age", "<", 35), self.led_by_man),
            (("z_ind_grp_dependency_ratio", "<=", 0.5), self.led_by_man),
            (("z_ind_grp_dependency_ratio", "=", 0), self.led_by_man),
        ):
            with self.subTest(condition):
                self.assertEqual(self.found(*condition).sorted("id"), expected.sorted("id"))

    def test_a_search_is_one_semi_join(self):
        query = (
            self.env["res.partner"]
            .sudo()
            ._search([("is_registrant", "=", True), ("is_group", "=", True), ("z_ind_grp_num_children", ">", 2)])
        )
        self.env.flush_all()
        self.env.cr.execute(SQL("EXPLAIN (FORMAT JSON) %s", query.select()))
        plan = str(self.env.cr.fetchone()[0])
        # a semi-join, or a join with a table whose group_id is unique, which is the same and better
        self.assertIn("Join", plan.replace("Nested Loop", "Join"))
        self.assertNotIn("SubPlan", plan)
        self.assertEqual(plan.count("g2p_group_indicator'"), 1)

    # -- who may

    def test_who_sees_the_group_sees_its_figures_and_nobody_writes_them(self):
        role = "g2p_registry_base.group_g2p_"
        area = self.env["g2p.area"].create({"name": "North", "code": "T-IND"})
        far = self.env["g2p.area"].create({"name": "South", "code": "T-IND-S"})
        self.household.area_id = area
        officer = new_test_user(self.env, "ind_officer", groups=role + "registrar")
        officer.g2p_area_ids = far
        mine = [("group_id", "=", self.household.id)]
        for login in ("admin", "registrar", "support", "auditor"):
            user = new_test_user(self.env, f"ind_{login}", groups=role + login)
            with self.subTest(login):
                indicator = self.env["g2p.group.indicator"].with_user(user).search(mine)
                self.assertEqual(indicator.children, 3)
                self.assertEqual(self.household.with_user(user).z_ind_grp_num_children, 3)
                with self.assertRaises(AccessError):
                    indicator.write({"children": 0})
        self.assertFalse(self.env["g2p.group.indicator"].with_user(officer).search(mine))
        employee = new_test_user(self.env, "ind_employee", groups="base.group_user")
        with self.assertRaises(AccessError):
            self.env["g2p.group.indicator"].with_user(employee).search(mine)

    def test_only_an_administrator_has_all_computed_anew(self):
        role = "g2p_registry_base.group_g2p_"
        registry = self.env.ref("g2p_registry_base.registry")
        with self.assertRaises(AccessError):
            registry.with_user(new_test_user(self.env, "ind_r", groups=role + "registrar")).action_refresh_indicators()
        done = registry.with_user(new_test_user(self.env, "ind_a", groups=role + "admin")).action_refresh_indicators()
        self.assertEqual(done["params"]["type"], "success")


ages = st.sampled_from([None, 0, 4, 5, 6, 14, 15, 17, 18, 40, 64, 65, 80])
genders = st.sampled_from(["female", "male", "other", False])
facts = st.tuples(ages, st.sampled_from([0, 1, 200]), genders, st.sampled_from(["yes", "no", False]))
people = st.lists(facts, min_size=3, max_size=5)
changes = st.lists(
    st.tuples(st.sampled_from(["facts", "disable", "enable", "archive", "end", "head", "nobody", "leave", "join"]),
              st.integers(0, 4), facts),
    max_size=8,
)  # fmt: skip


@tagged("post_install", "-at_install")
class TestIndicatorsAgainstPython(IndicatorCase):
    """Whatever happens to a household, its row is what Python makes of its members, one by one."""

    @settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(people, changes)
    def test_any_sequence_of_changes(self, world, sequence):
        with self.env.cr.savepoint() as savepoint:
            self.clock = fields.Datetime.now() - timedelta(days=10)
            persons = [self.person(age, gender, disability, days) for age, days, gender, disability in world]
            state = [
                {"facts": fact, "active": True, "disabled": False, "member": True, "head": False} for fact in world
            ]
            group = self.group(*persons)
            group.group_membership_ids.write({"start_date": self.clock})
            membership = {
                person: group.group_membership_ids.filtered(lambda m, p=person: m.individual == p) for person in persons
            }
            for change, number, fact in sequence:
                number %= len(persons)
                self.change(change, persons[number], state[number], fact, membership, group, state)
            expected = evaluated(
                [
                    (s["facts"][0], s["facts"][1], s["facts"][2] or None, s["facts"][3], s["head"])
                    for s in state
                    if s["active"] and not s["disabled"] and s["member"]
                ],
                self.today,
            )
            got = self.row(group)
            shown = group.z_ind_grp_num_children, group.z_ind_grp_num_individuals
            savepoint.rollback()
        self.env.invalidate_all()
        self.assertEqual(got, expected)
        self.assertEqual(shown, (expected["children"], expected["size"]))

    def change(self, change, person, state, fact, membership, group, states):
        if change == "facts":
            age, days, gender, disability = fact
            birthdate = False if age is None else self.today - relativedelta(years=age) - timedelta(days=days)
            person.write({"birthdate": birthdate, "gender": gender, "disability": disability})
            state["facts"] = fact
        elif change == "disable":
            person._disable("Test")
            state["disabled"] = True
        elif change == "enable":
            person.enable_registrant()
            person.active = True
            state.update(disabled=False, active=True)
        elif change == "archive":
            person.active = False
            state["active"] = False
        elif change == "end" and state["member"]:
            self.clock += timedelta(hours=1)
            membership[person].ended_date = self.clock
            state["member"] = state["head"] = False
        elif change == "leave" and state["member"]:
            membership[person].unlink()
            state["member"] = state["head"] = False
        elif change == "join" and not state["member"]:
            membership[person] = self.env["g2p.group.membership"].create(
                {"group": group.id, "individual": person.id, "start_date": self.clock}
            )
            state["member"] = True
        elif change in ("head", "nobody") and state["member"]:
            for other in states:
                other["head"] = False
            # the roles of all in one save, whatever the order
            current = self.env["g2p.group.membership"].search([("group", "=", group.id), ("is_ended", "=", False)])
            group.write(
                {
                    "group_membership_ids": [
                        Command.update(
                            member.id,
                            {
                                "kind": [
                                    Command.set(
                                        self.head.ids if change == "head" and member.individual == person else []
                                    )
                                ]
                            },
                        )
                        for member in current
                    ]
                }
            )
            state["head"] = change == "head"
