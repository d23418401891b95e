"""Who agrees by pressing a button agrees to what the screen showed: the button says so, and what was exchanged meanwhile is refused."""

import ast
from pathlib import Path

from lxml import etree

from odoo import modules
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.service.model import call_kw
from odoo.tests import new_test_user, tagged

from odoo.addons.g2p_programs.tests.money import MoneyCase


def presses():
    """{(model, public method)} that ask for an agreement, or give it, and {(model, method)} that a question hands a digest on
    to; read from the sources of the suite."""
    found, asked = set(), set()
    for addon in sorted(Path(modules.get_module_path("g2p_pbms")).parent.glob("g2p_*")):
        for path in addon.glob("models/**/*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.ClassDef):
                    continue
                names = {
                    value.value if isinstance(value, ast.Constant) else None
                    for statement in node.body
                    if isinstance(statement, ast.Assign) and statement.targets[0].id in ("_name", "_inherit")
                    for value in [statement.value]
                } - {None}
                for method in node.body:
                    if not isinstance(method, ast.FunctionDef):
                        continue
                    for call in ast.walk(method):
                        if not isinstance(call, ast.Call):
                            continue
                        called = getattr(call.func, "attr", getattr(call.func, "id", ""))
                        if called == "_approval_submit" and not method.name.startswith("_") and method.name != "create":
                            found |= {(name, method.name) for name in names}
                        if called == "question" and any(
                            keyword.arg is None and "_approval_seen" in ast.unparse(keyword.value)
                            for keyword in call.keywords
                        ):
                            asked |= {(name, call.args[1].value) for name in names}
    return found, asked


@tagged("post_install", "-at_install")
class TestApprovalPresses(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.chief = new_test_user(
            cls.env,
            login="presses chief",
            groups="base.group_system,g2p_registry_base.group_g2p_admin,g2p_registry_base.group_g2p_registrar,"
            "g2p_programs.g2p_program_manager,g2p_programs.g2p_finance_validator,g2p_programs.g2p_program_cycle_approver",
        )

    def test_every_press_says_what_was_shown(self):
        found, asked = presses()
        self.assertGreaterEqual(len(found), 6, found)
        buttons = 0
        for name, method in sorted(found):
            with self.subTest(model=name, method=method):
                model = self.env[name].with_user(self.chief)
                self.assertTrue(method in model._approval_presses or (name, method) in asked)
                arch = model.get_view(view_type="form")["arch"]
                for button in self.buttons(arch, method):
                    buttons += 1
                    self.assertIn("'approval_digest': approval_seen", button.get("context") or "")
        self.assertGreaterEqual(buttons, 4)

    def buttons(self, arch, method):
        return etree.fromstring(arch).findall(f".//button[@name='{method}']")

    def press(self, user, record, method, digest):
        """As the web client presses a button of a form, or answers a question."""
        kwargs = {"context": {"approval_digest": digest}} if digest else {}
        with self.cr.savepoint():
            return call_kw(self.env(user=user)[record._name], method, [record.ids], kwargs)

    def test_a_deposit_that_was_exchanged_is_not_posted(self):
        fund = self.env["g2p.program.fund"].with_user(self.manager).create({"program_id": self.grant.id, "amount": 10})
        change = {"amount": 4321}, {"remarks": "Of somebody else"}, {"kind": "withdrawal"}
        for values in change:
            asked = fund.with_user(self.finance).action_confirm_post()["params"]
            digest = asked["context"]["approval_digest"]
            fund.with_user(self.manager).write(values)
            with self.assertRaisesRegex(UserError, "not what you saw"):
                self.press(self.finance, fund, asked["method"], digest)
            self.assertEqual(fund.state, "draft")
        fund.with_user(self.manager).kind = "deposit"
        # Also where a department does without a second person, and where others were asked meanwhile.
        asked = fund.with_user(self.finance).action_confirm_post()["params"]
        self.env.ref("g2p_programs.approval_kind_fund_deposit").off_company_ids = self.env.company
        fund.with_user(self.manager).amount = 4322
        with self.assertRaisesRegex(UserError, "not what you saw"):
            self.press(self.finance, fund, asked["method"], asked["context"]["approval_digest"])
        self.env.ref("g2p_programs.approval_kind_fund_deposit").off_company_ids = False
        fund.with_user(self.manager).ask_post()
        with self.assertRaisesRegex(UserError, "not what you saw"):
            self.press(self.finance, fund, asked["method"], asked["context"]["approval_digest"])
        # What is shown is posted.
        asked = fund.with_user(self.finance).action_confirm_post()["params"]
        self.press(self.finance, fund, asked["method"], asked["context"]["approval_digest"])
        self.assertEqual((fund.state, fund.amount, fund.posted_by), ("posted", 4322, self.finance))

    def test_a_merge_that_was_turned_round_is_not_agreed_to(self):
        registrar = self.users["registrar"]
        stays, goes = self.individual("Tadesse", "Akinyi"), self.individual("Tadesse", "Akinyii")
        merge = self.env["g2p.registrant.merge"].with_user(registrar)
        merge = merge.create({"survivor_id": stays.id, "merged_id": goes.id, "reason": "Seen together"})
        merge.action_propose()
        shown = merge.with_user(self.manager).approval_seen
        self.assertTrue(shown)
        merge.action_reset_to_draft()
        merge.action_swap()
        merge.action_propose()
        with self.assertRaisesRegex(UserError, "not what you saw"):
            self.press(self.manager, merge, "action_merge", shown)
        self.env.invalidate_all()
        self.press(self.manager, merge, "action_merge", merge.with_user(self.manager).approval_seen)
        self.assertEqual((merge.state, merge.survivor_id), ("merged", goes))

    def test_a_correction_is_confirmed_as_it_is_shown(self):
        cycle = self.paid_out()
        payment = self.payments(cycle)[:1]
        self.env["g2p.payment.mark.wizard"].with_user(self.finance).create(
            {"payment_ids": [Command.set(payment.ids)], "status": "paid"}
        ).mark()
        ask = self.env["g2p.payment.correction"].with_user(self.finance)
        correction = ask.create(
            {"payment_ids": [Command.set(payment.ids)], "reason": "Came back", "evidence": "Letter 1"}
        )
        shown = correction.with_user(self.chief).approval_seen
        with self.assertRaisesRegex(UserError, "not what you saw"):
            self.press(self.chief, correction, "confirm", "of something else")
        self.press(self.chief, correction, "confirm", shown)
        self.assertEqual(correction.state, "done")
