"""An approver approves what they were shown, and nothing else that took its place since."""

import ast
import pathlib

import psycopg2
from lxml import etree

from odoo.exceptions import UserError
from odoo.tests import Form, tagged
from odoo.tools import SQL, mute_logger

from .money import MoneyCase

# What approves something, by name of the button's method
APPROVALS = ("approve", "validate_entitlement", "approve_entitlement")


@tagged("post_install", "-at_install")
class TestApproveWhatWasSeen(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deposit(1_000_000)

    def submitted(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        cycle.to_approve()
        return cycle

    def exchange(self, cycle):
        """What waits for approval is taken back, edited, and sent again: of the same total."""
        cycle.reset_draft()
        first, second = self.entitlements(cycle)[:2].with_user(self.manager)
        values = first.initial_amount + 5, second.initial_amount - 5
        for entitlement, amount in zip((first, second), values, strict=True):
            entitlement.with_context(g2p_reason="Decision of the board").initial_amount = amount
        cycle.to_approve()

    def question(self, cycle, step, seen):
        """The context that the answer to the question is pressed with."""
        action = cycle.with_context(cycle_step=step, submission=seen).action_confirm()
        return action["params"]["context"]

    def test_the_number_counts_submissions(self):
        cycle = self.submitted()
        self.assertEqual(cycle.submission, 1)
        self.exchange(cycle)
        self.assertEqual(cycle.submission, 2)

    def test_a_form_that_was_open_before_approves_nothing(self):
        cycle = self.submitted()
        mine = cycle.with_user(self.approver)
        seen = mine.submission
        asked = self.question(mine, "approve", seen)
        self.exchange(cycle)
        with self.assertRaisesRegex(UserError, "look at it again"):
            self.question(mine, "approve", seen)
        with self.assertRaisesRegex(UserError, "look at it again"):
            mine.with_context(**asked).approve()
        self.assertEqual(cycle.state, "to_approve")
        mine.with_context(**self.question(mine, "approve", mine.submission)).approve()
        self.assertEqual(cycle.state, "approved")

    def test_neither_where_one_approval_is_enough(self):
        self.grant.sudo().get_manager(self.grant.MANAGER_CYCLE).auto_approve_entitlements = True
        cycle = self.submitted()
        mine = cycle.with_user(self.approver)
        asked = self.question(mine, "approve", mine.submission)
        self.exchange(cycle)
        with self.assertRaisesRegex(UserError, "Nothing was approved"):
            mine.with_context(**asked).approve()
        self.assertEqual(self.figures()[1], 0, "no money is reserved")

    def test_a_script_that_names_nothing_approves_what_is_there(self):
        cycle = self.submitted()
        self.exchange(cycle)
        cycle.with_user(self.approver).approve()
        self.assertEqual(cycle.state, "approved")

    def test_what_was_sent_is_what_a_script_approves(self):
        """Nothing that waits becomes something else, and nothing joins it, by any way: so the last submission is known."""
        cycle = self.submitted()
        currency = (
            self.env["res.currency"]
            .with_context(active_test=False)
            .search([("id", "!=", cycle.currency_id.id)], limit=1)
        )
        first = self.entitlements(cycle)[0]
        code = self.env["g2p.benefit.codes"].create(
            {"benefit_mnemonic": "X-SEEN", "benefit_description": "Other", "measurement_unit": cycle.currency_id.name}
        )
        for approved in (False, True):
            if approved:
                cycle.with_user(self.approver).approve()
            for column, value in (
                ("initial_amount", first.initial_amount + 1),
                ("transfer_fee", 1),
                ("benefit_code_id", code.id),
                ("item_id", 7),
                ("currency_id", currency.id),
                ("is_cash_entitlement", False),
                ("settlement", "none"),
                ("quantity", 3),
                ("valid_from", "2001-01-01"),
                ("valid_until", "2199-01-01"),
            ):
                with (
                    self.subTest(column, approved=approved),
                    self.assertRaises(psycopg2.errors.CheckViolation),
                    mute_logger("odoo.sql_db"),
                    self.cr.savepoint(),
                ):
                    self.cr.execute(
                        SQL("UPDATE g2p_entitlement SET %s = %s WHERE id = %s", SQL.identifier(column), value, first.id)
                    )
            for state in ("draft", "pending_validation"):
                with (
                    self.subTest(state, approved=approved),
                    self.assertRaises(psycopg2.errors.CheckViolation),
                    mute_logger("odoo.sql_db"),
                    self.cr.savepoint(),
                ):
                    self.cr.execute(
                        """
                        INSERT INTO g2p_entitlement
                               (partner_id, cycle_id, program_id, item_id, code, state, settlement, is_cash_entitlement, currency_id,
                                initial_amount, transfer_fee, valid_from, valid_until)
                        SELECT partner_id, cycle_id, program_id, 99, gen_random_uuid(), %s, 'payment', TRUE, currency_id, 10, 0,
                               valid_from, valid_until
                          FROM g2p_entitlement WHERE id = %s
                        """,
                        [state, first.id],
                    )
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"approved"})

    def test_what_repair_sends_has_to_be_looked_at(self):
        cycle = self.submitted()
        mine = cycle.with_user(self.approver)
        asked = self.question(mine, "approve", mine.submission)
        # As in a database of before: a draft that was left behind.
        self.cr.execute("UPDATE g2p_entitlement SET state = 'draft' WHERE id = %s", [self.entitlements(cycle)[0].id])
        self.env.invalidate_all()
        cycle._refresh_counters()
        mender = self.users["manager"].copy({"login": "mender", "name": "Mender"})
        cycle.with_user(mender).action_repair()
        self.assertEqual(cycle.submission, 2)
        self.assertIn(mender, cycle.author_ids.user_id)
        with self.assertRaisesRegex(UserError, "look at it again"):
            mine.with_context(**asked).approve()
        mine.approve()

    def test_only_two_steps_send_for_approval(self):
        """Each of them raises the number: the next that moves drafts to those that wait has to, too."""
        found = set()
        for folder in pathlib.Path(__file__).parents[2].glob("g2p_*"):
            for file in (
                *folder.glob("models/**/*.py"),
                *folder.glob("wizards/**/*.py"),
                *folder.glob("tools/**/*.py"),
            ):
                for call in ast.walk(ast.parse(file.read_text())):
                    if isinstance(call, ast.Call) and getattr(call.func, "attr", "").startswith("_transition"):
                        given = [ast.unparse(argument) for argument in call.args]
                        if "'pending_validation'" in given:
                            found.add(f"{folder.name}/{file.stem}")
        self.assertEqual(found, {"g2p_programs/submit"}, "repair moves what it looks up, see _repaired_states")

    def test_entitlements_too(self):
        cycle = self.submitted()
        cycle.with_user(self.approver).approve()
        mine = cycle.with_user(self.finance)
        waiting = self.entitlements(cycle).with_user(self.finance)
        old = {"submission": mine.submission - 1}
        for attempt in (
            mine.with_context(**old).validate_entitlement,
            waiting[0].with_context(**old).approve_entitlement,
            mine.with_context(cycle_step="validate", **old).action_confirm,
        ):
            with self.assertRaisesRegex(UserError, "look at it again"):
                attempt()
        mine.with_context(**self.question(mine, "validate", mine.submission)).validate_entitlement()
        self.assertEqual(set(waiting.mapped("state")), {"approved"})

    def test_a_selection_too(self):
        cycle = self.submitted()
        waiting = self.entitlements(cycle).with_user(self.finance)
        wizard = Form(
            self.env["g2p.multi.entitlement.approval.wizard"]
            .with_user(self.finance)
            .with_context(active_model="g2p.entitlement", active_ids=waiting.ids)
        )
        self.exchange(cycle)
        cycle.with_user(self.approver).approve()
        with self.assertRaisesRegex(UserError, "look at it again"):
            wizard.save().approve_selected()
        self.assertEqual(set(waiting.mapped("state")), {"pending_validation"})

    def approving(self):
        return {step._screen_name() for step in self.env["g2p.cycle"]._steps_on_screen() if step._button in APPROVALS}

    def test_every_button_that_approves_says_what_it_showed(self):
        """The next screen can't forget: whatever its model, its button hands over the number."""
        found = set()
        for view in self.env["ir.ui.view"].search([("model", "=like", "g2p.%"), ("inherit_id", "=", False)]):
            arch = self.env[view.model].get_view(view.id, view.type)["arch"] if view.model in self.env else "<none/>"
            for button in etree.fromstring(arch).iter("button"):
                context = button.get("context") or ""
                steps = {step for step in self.approving() if f"'cycle_step': '{step}'" in context}
                if button.get("name") in APPROVALS or steps:
                    found |= steps or {button.get("name")}
                    with self.subTest(view=view.key or view.name, button=button.get("name")):
                        self.assertIn("'submission': submission", context)
        self.assertLessEqual({*self.approving(), "approve_entitlement"}, found)

    def test_every_question_about_an_approval_says_what_it_asked_about(self):
        self.assertEqual(self.approving(), {"approve", "validate"})
        for step in self.env["g2p.cycle"]._steps_on_screen():
            with self.subTest(step._step):
                self.assertEqual("submission" in step._button_context, step._button in APPROVALS)
