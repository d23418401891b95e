from lxml import etree

from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import ProgramsCase


@tagged("post_install", "-at_install")
class TestScreens(ProgramsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.grant = cls.program()
        cls.people = [cls.individual(f"Person {number}") for number in range(3)]
        for person in cls.people:
            cls.member(cls.grant, person, "enrolled")
        cls.grant.get_manager(cls.grant.MANAGER_ENTITLEMENT).amount_per_cycle = 100
        cls.grant.create_new_cycle()
        cls.cycle = cls.grant.cycle_ids.with_user(cls.manager)

    def question(self, record, **context):
        return record.with_context(**context).action_confirm()["params"]

    def test_every_button_calls_a_public_method(self):
        views = self.env["ir.model.data"].search([("module", "=", "g2p_programs"), ("model", "=", "ir.ui.view")])
        for view in self.env["ir.ui.view"].browse(views.mapped("res_id")):
            for button in etree.fromstring(view.arch_db).iter("button"):
                # A button of a list inside a form belongs to the model of the list's field.
                field = next((node.get("name") for node in button.iterancestors("field") if node.get("name")), None)
                model = self.env[view.model]
                if field:
                    model = self.env[model._fields[field].comodel_name]
                if button.get("type") == "object":
                    with self.subTest(view=view.xml_id, button=button.get("name")):
                        self.assertTrue(callable(getattr(model, button.get("name"), None)))

    def test_logs_and_proposals_read_as_sentences(self):
        """Odoo writes “None” for what was empty, and titles of fields that were not named."""
        source = self.env.registry["g2p.approval.proposal.mixin"]
        for model in self.env.values():
            if not model._name.startswith("g2p.") or model._abstract:
                continue
            names = model._track_get_fields() if hasattr(model, "_track_get_fields") else ()
            tracked = [model._fields[name] for name in sorted(names)]
            for field in tracked:
                with self.subTest(str(field)):
                    empty = field.type not in ("boolean", "integer", "float", "monetary") and not field.required
                    self.assertFalse(empty, f"{field}: what may be empty says in a message of its own what it became")
            terms = model._proposal_terms() if isinstance(model, source) else []
            for field in [*tracked, *(model._fields[name] for name in terms)]:
                with self.subTest(str(field)):
                    label = field._description_string(self.env)
                    self.assertNotRegex(label, r"^[A-Z][a-z]+( [A-Z][a-z]+| [a-z]+)* [A-Z][a-z]{2,}")

    def test_nobody_sees_a_menu_that_refuses(self):
        for role, user in self.users.items():
            menus = self.env["ir.ui.menu"].with_user(user).load_menus(False)
            for key, menu in menus.items():
                if key == "root" or not (menu.get("xmlid") or "").startswith("g2p_"):
                    continue
                if menu["action_model"] == "ir.actions.act_window":
                    model = self.env["ir.actions.act_window"].browse(menu["action_id"]).res_model
                    with self.subTest(role=role, menu=menu["xmlid"]):
                        self.assertTrue(self.env[model].with_user(user).has_access("read"))

    def test_what_settling_a_contradiction_needs_is_marked(self):
        form = etree.fromstring(self.env.ref("g2p_programs.g2p_payment_contradiction_view_form").arch)
        for name in ("settlement", "remark"):
            [node] = form.xpath(f"//field[@name='{name}']")
            self.assertIn("o_required_modifier", node.get("class").split())

    def test_a_step_is_asked_about_with_counts_and_amounts(self):
        self.assertIn("3", self.question(self.cycle, cycle_step="prepare")["message"])
        self.cycle.prepare_entitlement()
        question = self.question(self.cycle, cycle_step="submit")
        self.assertEqual(question["method"], "to_approve")
        self.assertRegex(question["message"], r"3 entitlements of .*300\.00")

    def test_the_question_knows_what_the_fund_lacks(self):
        self.cycle.prepare_entitlement()
        self.cycle.to_approve()
        self.cycle.with_user(self.users["approver"]).approve()
        finance = self.cycle.with_user(self.users["finance"])
        self.assertRegex(self.question(finance, cycle_step="validate")["message"], r"300\.00 too little .* nothing")

    def test_an_approver_is_asked_without_seeing_the_fund(self):
        self.cycle.prepare_entitlement()
        self.cycle.to_approve()
        approver = self.cycle.with_user(self.users["approver"])
        self.assertNotIn("fund", self.question(approver, cycle_step="approve")["message"])
        self.assertIn("approve the cycle", approver.next_step)

    def test_the_question_asks_about_known_steps_only(self):
        for record, key in ((self.cycle, "cycle_step"), (self.grant, "program_step")):
            with self.assertRaises(UserError):
                self.question(record, **{key: "unlink"})

    def test_an_import_says_how_many_come_in(self):
        self.individual("Newcomer")
        program = self.grant.with_user(self.manager)
        expected = self.env.execute_query(program._bulk_step("import_eligible")._source(program, None))
        message = self.question(program, program_step="import")["message"]
        self.assertIn(f"{len(expected):,} registrants", message)

    def test_the_pipeline_follows_the_next_action(self):
        self.assertEqual(self.cycle.next_action, "prepare")
        self.assertEqual([step["state"] for step in self.cycle.pipeline], ["done", "now", "todo", "todo", "todo"])
        self.cycle.prepare_entitlement()
        self.assertEqual(self.cycle.next_action, "submit")
        self.cycle.to_approve()
        self.assertEqual(self.cycle.next_action, "approve")
        self.assertEqual([step["state"] for step in self.cycle.pipeline], ["done", "done", "now", "todo", "todo"])
