import runpy
from pathlib import Path

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import SQL

from odoo.addons.g2p_entitlement_cash.hooks import uninstall_hook
from odoo.addons.g2p_programs.tests.common import ProgramsCase


@tagged("post_install", "-at_install")
class TestCashEntitlement(ProgramsCase):
    """Three people: incomes 10, 0 and unknown; two of them live in Adama."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.grant = cls.program()
        cls.grant.entitlement_managers.unlink()
        cls.number = cls.env["ir.model.fields"]._get("res.partner", "income")
        cls.earner = cls.individual("Earner", income=10, birth_place="Adama")
        cls.idle = cls.individual("Idle", income=0, birth_place="Adama")
        cls.unknown = cls.individual("Unknown")
        cls.people = cls.earner + cls.idle + cls.unknown
        for person in cls.people:
            cls.member(cls.grant, person, "enrolled")
        cls.env.flush_all()
        cls.env.cr.execute("UPDATE res_partner SET income = NULL WHERE id = %s", [cls.unknown.id])

    def cash_manager(self, *items, **values):
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

    def prepared(self):
        """{person: (amount, fee)} of a new cycle."""
        self.grant.with_user(self.manager).create_new_cycle()
        cycle = self.grant.cycle_ids.sorted("sequence")[-1].with_user(self.manager)
        cycle.prepare_entitlement()
        self.cycle = cycle
        return {
            entitlement.partner_id: (entitlement.initial_amount, entitlement.transfer_fee)
            for entitlement in self.env["g2p.entitlement"].search([("cycle_id", "=", cycle.id)])
        }

    def reason(self, person):
        return self.member_of(person).reason

    def told(self, person):
        return self.member_of(person).computation_text

    def member_of(self, person):
        members = self.cycle.cycle_membership_ids
        members.invalidate_recordset()
        return members.filtered(lambda member: member.partner_id == person)

    def test_items_add_up_where_their_condition_is_met(self):
        self.cash_manager({"amount": 50}, {"amount": 7, "condition": "[('birth_place', '=', 'Adama')]"})
        self.assertEqual(self.prepared(), {self.earner: (57, 0), self.idle: (57, 0)})
        self.assertEqual(self.reason(self.unknown), "Data missing: Birth place")

    def test_an_item_may_pay_nothing_where_data_is_missing(self):
        self.cash_manager(
            {"amount": 50}, {"amount": 7, "condition": "[('birth_place', '=', 'Adama')]", "if_missing": "nothing"}
        )
        self.assertEqual(self.prepared(), {self.earner: (57, 0), self.idle: (57, 0), self.unknown: (50, 0)})

    def test_items_of_several_codes_are_several_entitlements_under_one_maximum(self):
        codes = self.env["g2p.benefit.codes"].create(
            [
                {"benefit_mnemonic": name, "measurement_unit": self.grant.currency_id.name, "decimal_places": places}
                for name, places in (("FOOD", 2), ("RENT", 0))
            ]
        )
        self.grant.benefit_code_line_ids = [(0, 0, {"benefit_code_id": code.id}) for code in codes]
        food, rent = codes
        self.cash_manager(
            {"amount": 10.25},
            {"amount": 20.5, "benefit_code_id": rent.id, "condition": "[('birth_place', '=', 'Adama')]"},
            {"amount": 5, "benefit_code_id": food.id},
            max_amount=30,
        )
        self.prepared()
        amounts = {
            (entitlement.partner_id, entitlement.benefit_code_id): entitlement.initial_amount
            for entitlement in self.cycle.entitlement_ids
        }
        self.assertEqual(
            amounts,
            {
                (self.earner, food): 15.25,
                (self.earner, rent): 14,  # 14.75 are left of 30, and this code has no decimals
                (self.idle, food): 15.25,
                (self.idle, rent): 14,
                # Of whom nobody knows where they live, nobody can tell what they are due: they wait, with both benefits.
            },
        )

    def test_the_first_match_is_the_only_one(self):
        self.cash_manager(
            {"amount": 7, "condition": "[('birth_place', '=', 'Adama')]", "sequence": 1},
            {"amount": 50, "sequence": 2},
            evaluate_one_item=True,
        )
        self.assertEqual(self.prepared(), {self.earner: (7, 0), self.idle: (7, 0)})
        self.assertEqual(self.reason(self.unknown), "Data missing: Birth place", "the second item is not tried instead")

    def test_a_number_that_is_zero_pays_nothing_and_one_that_is_missing_is_told(self):
        self.cash_manager({"amount": 3, "multiplier": "registrant:income", "max_multiplier": 4})
        self.assertEqual(self.prepared(), {self.earner: (12, 0)})
        self.assertEqual(
            self.operation(self.cycle, "prepare").counts, {"prepared": 1, "no_amount": 1, "data_missing": 1}
        )
        self.assertEqual(self.reason(self.unknown), "Data missing: Income")
        self.assertEqual(self.reason(self.idle), "Nothing is due")
        self.assertEqual(self.told(self.idle), "Nothing is due: 0 × 3 (income) = 0")
        # Known the next time: the reason goes
        self.unknown.income = 2
        self.env.flush_all()
        self.cycle.prepare_entitlement()
        member = self.cycle.cycle_membership_ids.filtered(lambda member: member.partner_id == self.unknown)
        self.assertFalse(member.reason or member.computation)
        entitlement = self.env["g2p.entitlement"].search([("cycle_id", "=", self.cycle.id), ("initial_amount", "=", 6)])
        self.assertEqual(entitlement.partner_id, self.unknown)

    def test_without_a_maximum_the_number_counts_as_it_is(self):
        self.cash_manager({"amount": 3, "multiplier_field": self.number.id})
        self.assertEqual(self.prepared(), {self.earner: (30, 0)})

    def test_the_maximum_is_a_cap_and_raises_nobody(self):
        self.cash_manager(
            {"amount": 50},
            {"amount": 7, "condition": "[('birth_place', '=', 'Adama')]", "if_missing": "nothing"},
            max_amount=52,
            transfer_fee_pct=2,
        )
        self.assertEqual(self.prepared(), {self.earner: (52, 1.04), self.idle: (52, 1.04), self.unknown: (50, 1)})

    def test_a_fixed_fee_is_part_of_the_amount(self):
        self.cash_manager({"amount": 50}, transfer_fee_amt=5)
        self.assertEqual(self.prepared(), dict.fromkeys(self.people, (50, 5)))

    def test_who_meets_no_condition_is_due_nothing(self):
        self.cash_manager({"amount": 50, "condition": "[('birth_place', '=', 'Nowhere')]", "name": "From Nowhere"})
        self.assertEqual(self.prepared(), {})
        self.assertEqual(self.operation(self.cycle, "prepare").counts, {"no_amount": 2, "data_missing": 1})
        self.assertEqual(self.told(self.earner), "Nothing is due: none of these applies: From Nowhere")

    def test_the_terms_are_kept_with_the_entitlement(self):
        self.cash_manager({"amount": 3, "multiplier_field": self.number.id, "max_multiplier": 4, "name": "Per birr"})
        self.prepared()
        entitlement = self.env["g2p.entitlement"].search([("cycle_id", "=", self.cycle.id)])
        self.assertEqual(
            entitlement.computation,
            {"items": [{"item": "Per birr", "amount": 3, "multiplier": 4, "of": "registrant:income"}]},
        )
        self.assertEqual(entitlement.computation_text, "4 × 3 (income) = 12")

    def test_settings_that_cannot_work_are_refused(self):
        with self.assertRaisesRegex(ValidationError, "can't be used"):
            self.cash_manager({"amount": 1, "condition": "[('nothing', '=', 1)]"})
        for name in ("name", "color"):
            with self.assertRaisesRegex(ValidationError, "no number"):
                self.cash_manager(
                    {"amount": 1, "multiplier_field": self.env["ir.model.fields"]._get("res.partner", name).id}
                )
        with self.assertRaisesRegex(ValidationError, "has no figure “Household: Children”"):
            self.cash_manager({"amount": 1, "multiplier": "household:children"})
        manager = self.cash_manager({"amount": 1})
        with self.assertRaisesRegex(ValidationError, "at least one item"):
            manager.entitlement_item_ids = [Command.clear()]

    def test_a_manager_without_items_prepares_nothing(self):
        self.env["g2p.program.entitlement.manager.cash"].create({"name": "Bare", "program_id": self.grant.id})
        with self.assertRaisesRegex(UserError, "no items"):
            self.grant.get_manager(self.grant.MANAGER_ENTITLEMENT)._entitlement_lines(
                SQL("SELECT 1 AS registrant_id"), None, None
            )

    def test_statements_do_not_grow_with_the_items_matched(self):
        self.cash_manager(*[{"amount": number, "condition": "[('birth_place', '!=', 'x')]"} for number in range(1, 6)])
        self.assertEqual(self.prepared()[self.earner], (15, 0))

    def test_the_wizard_makes_the_manager(self):
        wizard = (
            self.env["g2p.program.create.wizard"]
            .with_user(self.manager)
            .create({"name": "Cash by wizard", "target_type": "individual", "entitlement_kind": "cash"})
        )
        with self.assertRaisesRegex(UserError, "at least one item"):
            wizard.create_program()
        wizard.write({"max_amount": 90, "cash_item_ids": [Command.create({"name": "All", "amount": 40})]})
        program = self.env["g2p.program"].browse(wizard.create_program()["res_id"])
        manager = program.get_manager(program.MANAGER_ENTITLEMENT)
        self.assertEqual(manager._name, "g2p.program.entitlement.manager.cash")
        self.assertEqual((manager.max_amount, manager.entitlement_item_ids.amount), (90, 40))
        self.assertEqual(len(program.entitlement_managers), 1)

    def test_the_wizard_gives_items_benefit_codes_of_their_own(self):
        currency = self.env.company.currency_id
        codes = self.env["g2p.benefit.codes"].create(
            [{"benefit_mnemonic": f"{currency.name}-{name}", "measurement_unit": currency.name} for name in ("A", "B")]
        )
        wizard = (
            self.env["g2p.program.create.wizard"]
            .with_user(self.manager)
            .create(
                {
                    "name": "Two codes",
                    "target_type": "individual",
                    "entitlement_kind": "cash",
                    "benefit_code_id": codes[0].id,
                    "cash_item_ids": [
                        Command.create({"name": "All", "amount": 40}),
                        Command.create({"name": "Meals", "amount": 10, "benefit_code_id": codes[1].id}),
                    ],
                }
            )
        )
        program = self.env["g2p.program"].browse(wizard.create_program()["res_id"])
        self.assertEqual(program.benefit_code_line_ids.benefit_code_id, codes)
        items = program.get_manager(program.MANAGER_ENTITLEMENT).entitlement_item_ids
        self.assertEqual([item.benefit_code_id.id for item in items], [False, codes[1].id])

    def test_a_program_manager_opens_the_settings(self):
        """The list of numbers to choose from needs no right to read what fields there are."""
        manager = self.cash_manager({"amount": 3, "multiplier_field": self.number.id})
        item = manager.entitlement_item_ids.with_user(self.manager)
        [values] = item.read()
        self.assertEqual(values["multiplier"], "registrant:income")
        self.assertEqual(values["multiplier_field"][0], self.number.id)
        self.assertIn("registrant:age", values["allowed_figures"])
        self.assertNotIn("household:children", values["allowed_figures"])
        with Form(manager.with_user(self.manager)) as form, form.entitlement_item_ids.edit(0) as line:
            line.multiplier = "registrant:age"
        self.assertEqual(item.multiplier_field.sudo().name, "age_in_years")

    def test_the_preview_gives_what_the_step_gives(self):
        manager = self.cash_manager(
            {"amount": 50}, {"amount": 3, "multiplier": "registrant:income"}, transfer_fee_pct=2
        )
        action = manager.with_user(self.manager).action_preview_amounts()
        preview = self.env["g2p.entitlement.preview"].with_user(self.manager).browse(action["res_id"])
        self.assertEqual((preview.members, preview.given, preview.missing, preview.nothing), (3, 2, 1, 0))
        self.assertEqual((preview.amount, preview.missing_words), (130, "Income"))
        self.assertIn("50 (Item) + 10 × 3 (income) = 80, less 2 % fee (1.60): 78.40 is paid out", preview.sample_html)
        self.assertIn("Data missing: Income", preview.sample_html)
        self.assertEqual(self.prepared(), {self.earner: (80, 1.6), self.idle: (50, 1)})
        for role in ("validator", "finance", "registrar", "auditor"):
            with self.assertRaises(AccessError):
                manager.with_user(self.users[role]).action_preview_amounts()

    def test_items_of_before_keep_their_number(self):
        """A multiplier that was a column of the registrants is the same figure of the catalogue after the upgrade."""
        item = self.cash_manager({"amount": 3}).entitlement_item_ids
        table = SQL.identifier(item._table)
        path = Path(__file__).parents[1] / "migrations/19.0.1.1.0/post-multiplier.py"
        upgrade = runpy.run_path(str(path))["migrate"]
        fields_ = self.env["ir.model.fields"]
        for name, key in (
            ("income", "registrant:income"),
            ("z_ind_grp_num_individuals", "household:size"),
            ("color", "registrant:color"),
        ):
            self.env.flush_all()
            self.env.cr.execute(SQL("ALTER TABLE %s ADD COLUMN multiplier_field integer", table))
            self.env.cr.execute(
                SQL(
                    "UPDATE %s SET multiplier_field = %s, multiplier = NULL WHERE id = %s",
                    table,
                    fields_._get("res.partner", name).id,
                    item.id,
                )
            )
            upgrade(self.env.cr, "19.0.1.0.0")
            upgrade(self.env.cr, "19.0.1.0.0")  # there is nothing left to do
            item.invalidate_recordset()
            self.assertEqual(item.multiplier, key)
        with self.assertRaisesRegex(UserError, "color.*not there any more"):
            item._figure("multiplier")
        self.assertTrue(item.read())

    def test_a_copied_program_has_its_own_items(self):
        manager = self.cash_manager({"amount": 3})
        copied = self.grant.with_user(self.manager).copy()
        other = copied.get_manager(copied.MANAGER_ENTITLEMENT)
        self.assertNotEqual(other, manager)
        self.assertEqual(other.entitlement_item_ids.amount, 3)

    def test_uninstalling_leaves_no_dangling_manager(self):
        self.cash_manager({"amount": 3})
        self.assertTrue(self.grant.entitlement_managers)
        uninstall_hook(self.env)
        self.grant.invalidate_recordset()
        self.assertFalse(self.grant.entitlement_managers)

    def test_items_of_a_running_program_are_changed_by_a_proposal(self):
        manager = self.cash_manager({"amount": 10})
        self.prepared()
        self.cycle.to_approve()
        self.env["g2p.approval.kind"].search([("code", "=", "program_amounts")]).off_company_ids = False
        item = manager.entitlement_item_ids
        for act in (
            lambda: item.write({"amount": 90}),
            lambda: item.unlink(),
            lambda: item.copy({"entitlement_id": manager.id}),
            lambda: manager.write({"entitlement_item_ids": [Command.update(item.id, {"amount": 90})]}),
        ):
            with self.assertRaisesRegex(UserError, "in use"), self.cr.savepoint():
                act()
        lines = [Command.update(item.id, {"amount": 90}), [0, "virtual_1", {"name": "Extra", "amount": 5}]]
        manager.web_save({"entitlement_item_ids": lines, "max_amount": 95}, {"entitlement_item_ids": {}})
        self.assertEqual((manager.entitlement_item_ids, item.amount), (item, 10))
        proposal = self.env["g2p.approval.proposal"].search([("res_id", "=", manager.id)])
        self.assertEqual([line["label"] for line in proposal.lines], ["Items", "Maximum amount"])
        self.assertIn("Amount $\xa090.00", proposal.lines[0]["after"])
        self.assertIn("Extra", proposal.lines[0]["after"])
        request = proposal.sudo().approval_request_ids.with_user(self.users["approver"])
        request.action_approve(None, request.digest)
        self.assertEqual(manager.entitlement_item_ids.mapped("amount"), [90, 5])
        self.assertEqual(manager.max_amount, 95)
        item.sudo().amount = 20
        manager.action_propose({"max_amount": 100})
        item.sudo().amount = 30
        request = self.env["g2p.approval.proposal"].search([("state", "=", "proposed")]).sudo().approval_request_ids
        self.assertTrue(request.is_changed, "its items are part of what is agreed to")

    def test_a_proposal_reaches_no_line_of_another_program(self):
        """What others are shown and agree to is of this manager, and all of it."""
        other = self.program("Other Cash", "group")
        other.entitlement_managers.sudo().unlink()
        foreign = self.env["g2p.program.entitlement.manager.cash"].create(
            {
                "name": "Other",
                "program_id": other.id,
                "entitlement_item_ids": [Command.create({"name": "Theirs", "amount": 50})],
            }
        )
        manager = self.cash_manager({"amount": 10})
        self.prepared()
        self.cycle.to_approve()
        self.env["g2p.approval.kind"].search([("code", "=", "program_amounts")]).off_company_ids = False
        [theirs], [own] = foreign.entitlement_item_ids, manager.entitlement_item_ids
        for command in (
            Command.update(theirs.id, {"amount": 9999}),
            Command.delete(theirs.id),
            Command.unlink(theirs.id),
            Command.link(theirs.id),
            Command.set((own + theirs).ids),
        ):
            with self.subTest(command), self.assertRaisesRegex(UserError, "something else"), self.cr.savepoint():
                manager.action_propose({"max_amount": 700, "entitlement_item_ids": [command]})
        code = self.env["g2p.benefit.codes"].create(
            {"benefit_mnemonic": "LINK-1", "measurement_unit": other.currency_id.name}
        )
        self.grant.sudo().benefit_code_line_ids = [Command.create({"benefit_code_id": code.id})]
        manager.action_propose({"entitlement_item_ids": [Command.update(own.id, {"benefit_code_id": code.id})]})
        proposal = self.env["g2p.approval.proposal"].search([("res_id", "=", manager.id), ("state", "=", "proposed")])
        self.assertIn("LINK-1", proposal.lines[0]["after"])

    def test_the_order_of_items_is_agreed_to(self):
        """Where the first match counts, the order decides what is paid."""
        manager = self.cash_manager({"amount": 10}, {"amount": 500})
        self.prepared()
        self.cycle.to_approve()
        self.env["g2p.approval.kind"].search([("code", "=", "program_amounts")]).off_company_ids = False
        with self.assertRaisesRegex(UserError, "Sequence"):
            manager.entitlement_item_ids[1].sequence = 0
