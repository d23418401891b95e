from dateutil.relativedelta import relativedelta

from odoo import Command, fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tests.statements import counting_statements
from odoo.addons.g2p_programs.tests.common import ProgramsCase


@tagged("post_install", "-at_install")
class TestHouseholds(ProgramsCase):
    """A cash amount per child, and by everything else that is known of households."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.grant = cls.program(target_type="group")
        cls.grant.entitlement_managers.unlink()
        today = fields.Date.context_today(cls.env.user)
        child, adult = today - relativedelta(years=7), today - relativedelta(years=40)
        people = [
            cls.individual(f"Person {number}", birthdate=birthdate)
            for number, birthdate in enumerate([adult, child, child, child, adult, None])
        ]
        cls.three = cls.household("Three children", people[:4])
        cls.none = cls.household("No child", people[4:5])
        cls.families = cls.three + cls.none
        for family in cls.families:
            cls.member(cls.grant, family, "enrolled")
        schema = cls.env["g2p.registrant.schema"].search([("target_type", "=", "group")], limit=1)
        schema = schema or schema.create({"target_type": "group"})
        schema.attributes_definition = [
            *schema.attributes_definition,
            {"name": "goats", "string": "Number of goats", "type": "integer"},
        ]
        cls.three.registrant_attributes = {"goats": 2}
        cls.env.flush_all()

    def cash(self, *items, **values):
        return (
            self.env["g2p.program.entitlement.manager.cash"]
            .with_user(self.manager)
            .create(
                {
                    "name": "Cash",
                    "program_id": self.grant.id,
                    "entitlement_item_ids": [Command.create({"name": "Item", **item}) for item in items],
                    **values,
                }
            )
        )

    def default(self, **values):
        return (
            self.env["g2p.program.entitlement.manager.default"]
            .with_user(self.manager)
            .create({"name": "Default", "program_id": self.grant.id, **values})
        )

    def prepared(self):
        self.grant.with_user(self.manager).create_new_cycle()
        cycle = self.grant.cycle_ids.sorted("sequence")[-1].with_user(self.manager)
        cycle.prepare_entitlement()
        found = self.env["g2p.entitlement"].search([("cycle_id", "=", cycle.id)])
        members = cycle.cycle_membership_ids.sudo()
        return (
            {
                entitlement.partner_id: (entitlement.initial_amount, entitlement.computation_text)
                for entitlement in found
            },
            {member.partner_id: (member.reason, member.computation_text) for member in members if member.reason},
        )

    def test_an_amount_per_child(self):
        self.cash(
            {"amount": 100, "name": "household"}, {"amount": 20, "multiplier": "household:children"}, transfer_fee_pct=2
        )
        paid, left_out = self.prepared()
        self.assertEqual(
            paid[self.three], (160, "100 (household) + 3 children × 20 = 160, less 2 % fee (3.20): 156.80 is paid out")
        )
        self.assertEqual(
            paid[self.none], (100, "100 (household) + 0 children × 20 = 100, less 2 % fee (2): 98 is paid out")
        )
        self.assertFalse(left_out)

    def test_zero_is_told_too(self):
        self.cash({"amount": 20, "multiplier": "household:children"})
        paid, left_out = self.prepared()
        self.assertEqual(paid, {self.three: (60, "3 children × 20 = 60")})
        self.assertEqual(left_out, {self.none: ("Nothing is due", "Nothing is due: 0 children × 20 = 0")})

    def test_the_default_manager_counts_whatever_is_known(self):
        self.default(
            amount_per_cycle=100,
            amount_per_individual_in_group=20,
            multiplier="household:children",
            max_individual_in_group=2,
        )
        paid, _left_out = self.prepared()
        self.assertEqual(
            paid,
            {
                self.three: (140, "100 for the household + 2 children × 20 (of 3, at most 2 count) = 140"),
                self.none: (100, "100 for the household + 0 children × 20 = 100"),
            },
        )

    def test_members_of_the_household_as_before(self):
        self.default(amount_per_cycle=100, amount_per_individual_in_group=20)
        paid, _left_out = self.prepared()
        self.assertEqual(paid[self.three], (180, "100 for the household + 4 members × 20 = 180"))
        self.assertEqual(paid[self.none], (120, "100 for the household + 1 × 20 (members) = 120"))

    def test_an_attribute_multiplies_and_its_lack_is_a_reason(self):
        for manager in ("cash", "default"):
            self.grant.entitlement_managers.unlink()
            if manager == "cash":
                self.cash({"amount": 5, "multiplier": "attribute:goats"})
            else:
                self.grant.cycle_ids.sudo()._transition("cancelled")
                self.default(amount_per_individual_in_group=5, multiplier="attribute:goats")
            paid, left_out = self.prepared()
            self.assertEqual(paid, {self.three: (10, "2 × 5 (number of goats) = 10")})
            self.assertEqual(left_out[self.none][0], "Data missing: Number of goats")

    def test_conditions_ask_figures(self):
        self.cash({"amount": 30, "condition": "[('z_ind_grp_num_children', '>=', 3)]", "name": "Many children"})
        paid, left_out = self.prepared()
        self.assertEqual(paid, {self.three: (30, "30 (Many children)")})
        self.assertEqual(
            left_out[self.none], ("Nothing is due", "Nothing is due: none of these applies: Many children")
        )

    def test_conditions_on_attributes_are_three_valued(self):
        self.cash({"amount": 30, "condition": "[('registrant_attributes.goats', '<', 5)]"})
        paid, left_out = self.prepared()
        self.assertEqual(list(paid), [self.three])
        self.assertEqual(left_out[self.none][0], "Data missing: Number of goats")

    def test_the_order_of_priority_goes_by_any_figure(self):
        manager = self.cash({"amount": 30})
        with self.assertRaisesRegex(ValidationError, "by which number"):
            manager.write({"shortage_policy": "priority", "priority_order": "figure_desc"})
        self.prepared()
        for figure in ("household:children", "attribute:goats"):
            for order, first in (("figure_desc", self.three), ("figure_asc", self.none)):
                manager.write({"shortage_policy": "priority", "priority_order": order, "priority_figure": figure})
                self.env.flush_all()
                [ids] = zip(
                    *self.env.execute_query(
                        SQL(
                            "SELECT t.partner_id FROM g2p_entitlement AS t WHERE t.program_id = %s ORDER BY %s",
                            self.grant.id,
                            manager._priority_sql(),
                        )
                    ),
                    strict=True,
                )
                expected = self.three if figure == "attribute:goats" else first  # not known comes last
                self.assertEqual(ids[0], expected.id, (figure, order))

    def test_a_question_that_is_gone_is_told(self):
        manager = self.cash({"amount": 5, "multiplier": "attribute:goats"})
        schema = self.env["g2p.registrant.schema"].search([("target_type", "=", "group")], limit=1)
        schema.attributes_definition = [
            question for question in schema.attributes_definition if question["name"] != "goats"
        ]
        with self.assertRaisesRegex(UserError, "not there any more"):
            self.prepared()
        self.assertTrue(manager.entitlement_item_ids.read())

    def test_statements_do_not_grow_with_households_or_items(self):
        self.cash(
            *[
                {
                    "amount": number,
                    "multiplier": "household:children",
                    "condition": "[('z_ind_grp_num_children', '>', 0), ('registrant_attributes.goats', '<', 5)]",
                }
                for number in range(1, 5)
            ]
        )
        manager = self.grant.get_manager(self.grant.MANAGER_ENTITLEMENT)
        self.grant.with_user(self.manager).create_new_cycle()
        cycle = self.grant.cycle_ids
        counts = []
        manager._prepare_chunk([manager], cycle, 0, 2**31 - 1, self.env["g2p.bulk.operation"])
        for extra in (1, 30):
            for number in range(extra):
                household = self.household(f"More {number}")
                self.member(self.grant, household, "enrolled")
                self.env["g2p.cycle.membership"].create({"cycle_id": cycle.id, "partner_id": household.id})
            self.env["g2p.cycle.membership"].search([("cycle_id", "=", cycle.id), ("state", "=", "draft")])._transition(
                "enrolled"
            )
            self.env.flush_all()
            manager._entitlement_lines(SQL("SELECT 1 AS registrant_id"), 0, 1)  # what the settings say is known by now
            with counting_statements(self.env.cr) as counted:
                manager._prepare_chunk([manager], cycle, 0, 2**31 - 1, self.env["g2p.bulk.operation"])
            counts.append(counted.statements)
        self.assertEqual(*counts)

    def test_figures_that_are_not_known_are_no_answer(self):
        """Nobody knows whether a woman heads a household without a head: neither yes nor no."""
        head = self.env.ref("g2p_registry_base.group_membership_kind_head")
        first = self.three.group_membership_ids[:1]
        first.individual.gender = "female"
        first.kind = head
        self.env.flush_all()
        for condition, paid_to in (
            ("[('z_ind_grp_is_female_headed', '=', True)]", [self.three]),
            ("[('z_ind_grp_is_female_headed', '=', False)]", []),
            ("[('z_ind_grp_head_age', '>=', 18)]", [self.three]),
            ("['!', ('z_ind_grp_head_age', '<', 18)]", [self.three]),
            ("[('z_ind_grp_head_gender', '!=', 'male')]", [self.three]),
        ):
            with self.subTest(condition):
                self.grant.entitlement_managers.unlink()
                for cycle in self.grant.cycle_ids.filtered(lambda cycle: cycle.state == "draft"):
                    cycle.sudo()._transition("cancelled")
                self.cash({"amount": 30, "condition": condition})
                paid, left_out = self.prepared()
                self.assertEqual(list(paid), paid_to)
                self.assertIn("Data missing: ", left_out[self.none][0])
