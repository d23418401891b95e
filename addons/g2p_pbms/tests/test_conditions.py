"""Whatever holds conditions refuses what conditions may not ask: every such field of the suite, found in the registry and
in the screens, so that the next one can't be forgotten."""

import re

from lxml import etree

from odoo.exceptions import ValidationError
from odoo.tests import Form, tagged

from .test_attacks import AttackCase

FOREIGN = "[('email', '=like', 'a%')]"
FOREIGN_ENTITLEMENT = "[('partner_id.email', '=like', 'a%')]"
WIDGETS = ("domain", "g2p_conditions")
MIXINS_OWN = ("conditions_problem", "conditions_target")
# Called so, but what they hold is never searched by
NO_CONDITIONS = {("g2p.export.log", "domain")}  # evidence: how the list was filtered that somebody exported


@tagged("post_install", "-at_install")
class TestConditionsEverywhere(AttackCase):
    def suite_models(self):
        return [
            self.env[name] for name, cls in self.env.registry.items() if name.startswith("g2p.") and not cls._abstract
        ]

    def holders(self):
        """{(model, field)} that hold conditions: by the name of the field, by its widget, and by what the model says."""
        found = set()
        for model in self.suite_models():
            for name, field in model._fields.items():
                if field.type in ("char", "text") and not field.related and name not in MIXINS_OWN:
                    if re.search(r"(^|_)(domain|condition)s?($|_)", name):
                        found.add((model._name, name))
            if hasattr(model, "_condition_fields"):
                found |= {(model._name, name) for name in model._condition_fields()}
        for view in self.env["ir.ui.view"].search([("model", "=like", "g2p.%"), ("type", "in", ("form", "list"))]):
            arch = etree.fromstring(view.with_context(check_view_ids=[]).get_combined_arch())
            for node in arch.xpath("//field[@widget]"):
                if node.get("widget") in WIDGETS:
                    self.assertEqual(node.get("widget"), "g2p_conditions", f"{view.xml_id}: {node.get('name')}")
                    found.add((self.model_of(node, view.model), node.get("name")))
        return found - NO_CONDITIONS

    def model_of(self, node, model):
        """The model of a field's node, which may stand in the list of another field."""
        path = [parent.get("name") for parent in node.iterancestors("field")]
        for name in reversed(path):
            model = self.env[model]._fields[name].comodel_name
        return model

    def test_every_holder_refuses_a_foreign_field(self):
        holders = self.holders()
        self.assertGreaterEqual(
            holders,
            {
                ("g2p.program_membership.manager.default", "eligibility_domain"),
                ("g2p.eligibility.rule.definition", "domain"),
                ("g2p.program", "auto_enrol_domain"),
                ("g2p.payment.batch.tag", "domain"),
                ("g2p.program.scenario", "benchmark_domain"),
                ("g2p.program.entitlement.manager.cash.item", "condition"),
                ("g2p.program.create.wizard", "eligibility_domain"),
                ("g2p.program.create.wizard.cash.item", "condition"),
            },
        )
        for name, field in sorted(holders):
            with self.subTest(model=name, field=field):
                model = self.env[name].with_user(self.users["manager"])
                about = model._condition_model(field)
                foreign = FOREIGN_ENTITLEMENT if about == "g2p.entitlement" else FOREIGN
                # before anything is stored, also where code has the rights of a superuser
                for holder in (model, model.sudo()):
                    with self.assertRaisesRegex(ValidationError, "can't be used in conditions"):
                        holder.create({field: foreign})
                    with self.assertRaisesRegex(ValidationError, "can't be used in conditions"):
                        holder.with_context(**{f"default_{field}": foreign}).create({})
                    for record in holder.search([], limit=1) or holder.browse():
                        with self.assertRaisesRegex(ValidationError, "can't be used in conditions"):
                            record.write({field: foreign})
                # what came into the database otherwise is refused where it is read
                record = model.new({field: foreign})
                self.assertIn("can't be used in conditions", record.conditions_problem)
                with self.assertRaisesRegex(ValidationError, "can't be used in conditions"):
                    record._conditions(field)

    def test_a_registry_is_one_of_the_known(self):
        rules = self.env["g2p.program_membership.manager.rules"].create({"name": "R", "program_id": self.grant.id})
        vals = {"manager_id": rules.id, "mnemonic": "users", "target_registry": "res.users", "domain": "[]"}
        with self.assertRaisesRegex(ValidationError, "no registry"):
            self.env["g2p.eligibility.rule.definition"].create(vals)


@tagged("post_install", "-at_install")
class TestCountsTellNoSecrets(AttackCase):
    """A manager limited to one area asks, by conditions that are not even saved, about people of another."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.north, cls.south = cls.env["g2p.area"].create([{"name": "North"}, {"name": "South"}])
        cls.secret = cls.individual("Secret", "Person", area_id=cls.south.id, birth_place="Hidden")
        cls.env["g2p.phone.number"].create({"partner_id": cls.secret.id, "phone_no": "+254712345678"})
        cls.near = [cls.individual(f"Near {number}", area_id=cls.north.id, birth_place="Here") for number in range(6)]
        cls.people = cls.program("People", target_type="individual")
        cls.limited = cls.users["manager"]
        cls.limited.g2p_area_ids = cls.north
        cls.rule = cls.people.get_manager(cls.people.MANAGER_ELIGIBILITY)

    def asked(self, domain, user=None):
        """What the form tells while the conditions are being typed."""
        answer = self.rpc(
            user or self.limited,
            self.rule,
            "onchange",
            {"eligibility_domain": domain},
            ["eligibility_domain"],
            {
                "eligibility_domain": {},
                "matching_count": {},
                "matching_told": {},
                "unknown_count": {},
                "unknown_told": {},
                "conditions_problem": {},
            },
        )["value"]
        before = self.rule.with_user(user or self.limited)
        names = ("matching_count", "matching_told", "unknown_count", "unknown_told", "conditions_problem")
        return {name: answer.get(name, before[name]) for name in names}

    def test_a_phone_number_cannot_be_spelled_out(self):
        told = [
            self.asked(f"[('phone_number_ids.{field}', '=like', '+254{digit}%')]")
            for field in ("phone_no", "phone_sanitized")
            for digit in range(10)
        ]
        self.assertEqual({answer["matching_count"] for answer in told}, {0})
        for answer in told:
            self.assertIn("can't be used in conditions", answer["conditions_problem"])

    def test_a_name_elsewhere_cannot_be_spelled_out(self):
        for letter in ("A", "S"):
            for domain in (
                f"[('family_name', '=ilike', '{letter}ecret%')]",
                f"['|', ('birth_place', '=', 'Here'), ('family_name', '=ilike', '{letter}ecret%')]",
                f"[('birth_place', '=', 'Hidden'), ('family_name', '!=', '{letter}ecret')]",
            ):
                answer = self.asked(domain)
                self.assertIn(answer["matching_count"], (0, 6), "never one more for the person elsewhere")
                self.assertIn(answer["matching_told"], ("fewer than 5", "6"))
                self.assertFalse(answer["conditions_problem"])

    def test_unknown_data_elsewhere_is_not_told(self):
        answers = {self.asked(f"[('income', '>', {income})]")["unknown_count"] for income in (1, 2)}
        self.assertEqual(len(answers), 1)
        of_one = f"[('id', '=', {self.secret.id}), ('birthdate', '<', '2000-01-01')]"
        self.assertEqual(self.asked(of_one)["unknown_told"], "fewer than 5")

    def test_small_counts_are_as_the_setting_says(self):
        text = f"[('id', 'in', {[person.id for person in self.near[:3]]})]"
        self.assertEqual(self.asked(text)["matching_told"], "fewer than 5")
        self.env["ir.config_parameter"].set_param("g2p_registry_base.least_told", "2")
        self.assertEqual(self.asked(text)["matching_told"], "3")

    def test_who_sees_everybody_is_told_the_number(self):
        text = "[('birth_place', '=', 'Hidden')]"
        self.assertEqual(self.asked(text)["matching_told"], "fewer than 5")
        self.limited.g2p_area_ids = False
        answer = self.asked(text)
        self.assertEqual((answer["matching_count"], answer["matching_told"]), (1, "1"))

    def test_the_wizard_and_rules_tell_no_more(self):
        self.rule.write({"eligibility_domain": "[('birth_place', '=', 'Hidden')]"})
        with Form(self.env["g2p.program.create.wizard"].with_user(self.limited)) as form:
            form.name = "Probe"
            form.target_type = "individual"
            form.eligibility_domain = "[('birth_place', '=', 'Hidden')]"
            self.assertEqual(form.matching_told, "fewer than 5")
        rules = self.env["g2p.program_membership.manager.rules"].create({"name": "R", "program_id": self.people.id})
        rule = self.env["g2p.eligibility.rule.definition"].create(
            {"manager_id": rules.id, "mnemonic": "hidden", "domain": "[('birth_place', '=', 'Hidden')]"}
        )
        mine = rule.with_user(self.limited)
        self.assertEqual({mine.matching_told, mine.running_told, mine.unknown_told}, {"fewer than 5"})
        self.assertEqual(rule.matching_count, 1)

    def test_a_preview_counts_the_own_areas_and_a_simulation_is_not_theirs(self):
        self.rule.write({"eligibility_domain": "[('birth_place', 'in', ['Here', 'Hidden'])]"})
        action = self.rpc(self.limited, self.people, "action_preview_eligibility")
        preview = self.env["g2p.eligibility.preview"].browse(action["res_id"])
        self.assertEqual((preview.eligible, preview.is_limited, preview.estimated_rows), (6, True, 0))
        scenario = self.env["g2p.program.scenario"].create({"name": "What if", "program_id": self.people.id})
        self.refused(self.limited, scenario, "action_simulate")

    def test_a_preview_of_amounts_counts_the_own_areas(self):
        for person in (self.secret, *self.near):
            self.member(self.people, person, "enrolled")
        manager = self.people.get_manager(self.people.MANAGER_ENTITLEMENT)
        manager.amount_per_cycle = 5
        action = self.rpc(self.limited, manager, "action_preview_amounts")
        preview = self.env["g2p.entitlement.preview"].browse(action["res_id"])
        self.assertEqual((preview.members, preview.amount, preview.is_limited), (6, 30, True))
        self.assertNotIn("SECRET", preview.sample_html.upper())
        self.refused(self.colleague, preview, "read", ["sample_html"])

    def test_results_of_others_simulations_tell_of_no_small_group(self):
        self.limited.g2p_area_ids = False
        scenario = self.env["g2p.program.scenario"].create({"name": "What if", "program_id": self.people.id})
        result = self.env["g2p.program.scenario.result"].sudo()
        for key, count in (("female", 3), ("male", 40), ("other", 0)):
            result.create({"scenario_id": scenario.id, "dimension": "sex", "key": key, "beneficiaries": count})
        mine = self.env["g2p.program.scenario.result"].with_user(self.limited)
        self.assertEqual(mine.search([("scenario_id", "=", scenario.id)]).mapped("beneficiaries"), [3, 40, 0])
        self.limited.g2p_area_ids = self.north
        self.assertEqual(sorted(mine.search([("scenario_id", "=", scenario.id)]).mapped("beneficiaries")), [0, 40])
