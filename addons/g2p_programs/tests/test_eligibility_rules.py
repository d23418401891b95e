"""The rules manager: sets folded left to right, also over a registry that another module adds."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo import fields, models
from odoo.exceptions import AccessError, ValidationError
from odoo.orm.model_classes import add_to_registry
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import ProgramsCase


class Farmer(models.Model):
    """What a country's module adds: one model."""

    _name = "g2p.test.farmer"
    _inherit = ["g2p.registry.mixin"]
    _description = "Test farmers"
    _module = "g2p_programs"

    hectares = fields.Float()
    crop = fields.Char()


rules = st.lists(
    st.tuples(
        st.sampled_from(["union", "intersect", "except"]),
        st.sets(st.integers(0, 5)),  # who is certainly in the rule's set
        st.sets(st.integers(0, 5)),  # of whom nobody can tell
    ),
    min_size=1,
    max_size=4,
)


@tagged("post_install", "-at_install")
class TestEligibilityRules(ProgramsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.addClassCleanup(cls._forget_models)
        add_to_registry(cls.registry, Farmer)
        cls.registry._setup_models__(cls.cr, [])
        with mute_logger("odoo.registry"):
            cls.registry.init_models(cls.cr, ["g2p.test.farmer"], {"module": "g2p_programs"})
        cls.people = cls.env["res.partner"]
        for number in range(6):
            cls.people |= cls.individual(f"P{number}", ref=f"R{number}")
        cls.grant = cls.program()
        cls.grant.eligibility_managers.unlink()
        cls.manager_record = cls.env["g2p.program_membership.manager.rules"].create(
            {"name": "Rules", "program_id": cls.grant.id}
        )

    @classmethod
    def _forget_models(cls):
        del cls.registry["g2p.test.farmer"]
        with cls.registry.cursor() as cr:
            cls.registry._setup_models__(cr)

    def set_rules(self, *rule_list):
        """(operator, domain[, registry]) in order."""
        self.manager_record.rule_ids.unlink()
        self.manager_record.rule_ids = [
            (
                0,
                0,
                {
                    "mnemonic": f"T-{number}",
                    "rule_number": number,
                    "set_operator": operator,
                    "domain": repr(domain),
                    "target_registry": registry[0] if registry else "res.partner",
                },
            )
            for number, (operator, domain, *registry) in enumerate(rule_list, 1)
        ]
        self.env.flush_all()

    def sets(self):
        found = []
        for query in (self.manager_record._eligible_registrants(), self.manager_record._unknown_registrants()):
            rows = self.env.execute_query(query)
            self.assertEqual(len(rows), len(set(rows)))
            found.append({self.people.ids.index(row[0]) for row in rows if row[0] in self.people.ids})
        return tuple(found)

    def refs(self, *numbers):
        return [("ref", "in", [f"R{number}" for number in numbers])]

    def test_left_to_right_whatever_sql_binds_tighter(self):
        """By hand: ({0,1} ∪ {1,2,3}) ∩ {1,3,5} = {1,3}; SQL's own precedence would give {0,1} ∪ {1,3} = {0,1,3}."""
        self.set_rules(("union", self.refs(0, 1)), ("union", self.refs(1, 2, 3)), ("intersect", self.refs(1, 3, 5)))
        self.assertEqual(self.sets(), ({1, 3}, set()))
        rules = self.manager_record.rule_ids.sorted("rule_number")
        self.assertEqual(rules.mapped("matching_count"), [2, 3, 3])
        self.assertEqual(rules.mapped("running_count"), [2, 4, 2])

    def test_truth_table_of_three_operators(self):
        self.set_rules(("union", self.refs(0, 1, 2)), ("except", self.refs(1)), ("union", self.refs(1, 5)))
        self.assertEqual(self.sets()[0], {0, 1, 2, 5})
        self.set_rules(("union", self.refs(0, 1, 2)), ("union", self.refs(1, 5)), ("except", self.refs(1)))
        self.assertEqual(self.sets()[0], {0, 2, 5})
        self.set_rules(("except", self.refs(0)))
        self.assertEqual(self.sets()[0], {0}, "the first rule is where it starts from, whatever its operator")
        self.manager_record.rule_ids.unlink()
        self.assertEqual(self.sets(), (set(), set()), "without a rule nobody is eligible")

    def test_missing_data_goes_through_the_fold(self):
        """Person 0 has no place of birth: not certainly in the second set, and not certainly out of it."""
        self.people[1].birth_place = "Adama"
        self.people[2].birth_place = "Gondar"
        adama = [("birth_place", "=", "Adama")]
        self.set_rules(("union", self.refs(0, 1, 2)), ("intersect", adama))
        self.assertEqual(self.sets(), ({1}, {0}))
        self.set_rules(("union", self.refs(0, 1, 2)), ("except", adama))
        self.assertEqual(self.sets(), ({2}, {0}))
        self.set_rules(("union", adama), ("union", self.refs(0)))
        self.assertEqual(self.sets(), ({0, 1}, {3, 4, 5}))

    def test_a_registry_of_its_own(self):
        farmer = self.env["g2p.test.farmer"]
        farmer.create(
            [
                {"registrant_id": self.people[0].id, "hectares": 0.5, "crop": "teff"},
                {"registrant_id": self.people[0].id, "hectares": 3, "crop": "coffee"},
                {"registrant_id": self.people[1].id, "hectares": 4, "crop": "teff"},
                {"registrant_id": self.people[2].id, "crop": "teff"},
            ]
        )
        self.env.flush_all()
        self.env.cr.execute("UPDATE g2p_test_farmer SET hectares = NULL WHERE registrant_id = %s", [self.people[2].id])
        self.set_rules(("union", [("hectares", "<", 2)], "g2p.test.farmer"))
        self.assertEqual(self.sets(), ({0}, {2}), "no farmer, no smallholder; a farm of unknown size: nobody can tell")
        self.set_rules(
            ("union", [("crop", "=", "teff")], "g2p.test.farmer"),
            ("except", [("hectares", ">=", 2)], "g2p.test.farmer"),
            ("union", self.refs(5)),
        )
        self.assertEqual(self.sets(), ({5}, {2}))
        told = self.manager_record._explain_registrants(self.people.ids)
        self.assertEqual(
            [told[person.id]["verdict"] for person in self.people], ["no", "no", "unknown", "no", "no", "yes"]
        )
        facts = told[self.people[1].id]["facts"]
        self.assertEqual(
            [line["text"] for line in facts],
            [
                "T-1: yes. So far: yes",
                "Crop: teff; needed: teff",
                "EXCEPT T-2: yes. So far: no",
                "Hectares: 4.00; needed at least 2",
                "UNION T-3: no. So far: no",
                "Reference: R1; needed: R5",
            ],
        )
        self.assertIn("no record", told[self.people[3].id]["facts"][1]["text"])
        self.assertIn(
            ("g2p.test.farmer", "Test farmers"),
            self.env["g2p.eligibility.rule.definition"]._selection_target_registry(),
        )

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(rules)
    def test_folding_equals_set_operations(self, rule_list):
        """Certain and possible sets of Python against the SQL. A place of birth that is missing makes the doubt."""
        certain, possible = None, None
        made = []
        for operator, sure, doubt in rule_list:
            doubt = doubt - sure
            maybe = sure | doubt
            if certain is None:
                certain, possible = sure, maybe
            elif operator == "union":
                certain, possible = certain | sure, possible | maybe
            elif operator == "intersect":
                certain, possible = certain & sure, possible & maybe
            else:
                certain, possible = certain - maybe, possible - sure
            # Everybody's place of birth is missing here, so a condition on it is in doubt for whom it is asked.
            domain = ["|", *self.refs(*sure), "&", *self.refs(*doubt), ("birth_place", "=", "Adama")]
            made.append((operator, domain))
        self.set_rules(*made)
        self.assertEqual(self.sets(), (certain, possible - certain))
        told = self.manager_record._explain_registrants(self.people.ids)
        for number, person in enumerate(self.people):
            expected = "yes" if number in certain else "unknown" if number in possible else "no"
            self.assertEqual(told[person.id]["verdict"], expected)
            last = [line for line in told[person.id]["facts"] if line["code"] == "rule"][-1]
            self.assertEqual(last["so_far"], expected, "the rules explained one by one come to the same verdict")

    def test_rules_change_places_in_one_save(self):
        self.set_rules(("union", self.refs(0)), ("except", self.refs(1)))
        first, second = self.manager_record.rule_ids.sorted("rule_number")
        self.manager_record.write({"rule_ids": [(1, first.id, {"rule_number": 2}), (1, second.id, {"rule_number": 1})]})
        self.env.flush_all()
        self.assertEqual(self.sets()[0], {0, 1}, "now it starts from the second rule, to which the first is added")

    def test_bad_rules_are_refused(self):
        with self.assertRaises(ValidationError):
            self.set_rules(("union", [("nothing", "=", 1)]))
        with self.assertRaises(ValidationError):
            self.set_rules(("union", [("ref", "=", "x")], "g2p.test.farmer"))

    def test_roles(self):
        self.set_rules(("union", self.refs(0)))
        rule = self.manager_record.rule_ids
        for role in ("registrar", "validator", "support", "auditor", "finance"):
            with self.subTest(role):
                self.assertEqual(rule.with_user(self.users[role]).mnemonic, "T-1")
                with self.assertRaises(AccessError):
                    rule.with_user(self.users[role]).write({"domain": "[]"})
        rule.with_user(self.manager).write({"description": "The poorest"})

    def test_a_copied_program_has_the_rules_under_new_mnemonics(self):
        self.set_rules(("union", self.refs(0)), ("union", self.refs(2)))
        copied = self.grant.copy().get_managers(self.grant.MANAGER_ELIGIBILITY)[0]
        self.assertEqual(copied.rule_ids.sorted("rule_number").mapped("mnemonic"), ["T-1-2", "T-2-2"])
        self.assertEqual(copied.matching_count, 2)
