"""An approver approves what they were shown, and nothing else that took its place since."""

from lxml import etree

from odoo.exceptions import UserError
from odoo.tests import Form, tagged

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
