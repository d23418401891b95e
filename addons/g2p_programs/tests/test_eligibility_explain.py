"""Preview and explanation say what the real run does."""

import contextlib
import json

from lxml import etree

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tests.statements import counting_statements

from .common import ProgramsCase


@tagged("post_install", "-at_install")
class TestEligibilityExplain(ProgramsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.region = cls.env["g2p.area"].create({"name": "Region", "code": "X-R"})
        cls.east = cls.env["g2p.area"].create({"name": "East", "code": "X-E", "parent_id": cls.region.id})
        cls.west = cls.env["g2p.area"].create({"name": "West", "code": "X-W", "parent_id": cls.region.id})
        # Nobody but these people is of this company.
        cls.company = cls.env["res.company"].create({"name": "Ministry of tests"})
        cls.manager.company_ids |= cls.company
        for user in cls.users.values():
            user.company_ids |= cls.company
            user.company_id = cls.company
        values = {"company_id": cls.company.id}
        cls.poor = cls.individual("Poor", income=50, birth_place="Adama", area_id=cls.east.id, **values)
        cls.poor_west = cls.individual("Poor west", income=60, birth_place="Adama", area_id=cls.west.id, **values)
        cls.rich = cls.individual("Rich", income=500, birth_place="Adama", area_id=cls.east.id, **values)
        cls.rich_away = cls.individual("Rich away", income=500, birth_place="Gondar", area_id=cls.west.id, **values)
        cls.silent = cls.individual("Silent", income=50, area_id=cls.west.id, **values)
        cls.people = cls.poor | cls.poor_west | cls.rich | cls.rich_away | cls.silent
        cls.grant = (
            cls.env["g2p.program"]
            .with_user(cls.manager)
            .with_company(cls.company)
            .create({"name": "Explained", "target_type": "individual", "company_id": cls.company.id})
        )
        cls.grant.sudo().action_activate()
        cls.by_income = cls.grant.get_managers(cls.grant.MANAGER_ELIGIBILITY)[0]
        cls.by_income.write({"name": "Income", "eligibility_domain": "[('income', '<=', 100)]"})
        cls.env["g2p.program_membership.manager.default"].create(
            {"name": "Place", "program_id": cls.grant.id, "eligibility_domain": "[('birth_place', '=', 'Adama')]"}
        )

    def program_as(self, role):
        return self.grant.with_user(self.users[role]).with_company(self.company)

    def preview(self, role="validator"):
        action = self.program_as(role).action_preview_eligibility()
        return self.env[action["res_model"]].with_user(self.users[role]).browse(action["res_id"])

    # Preview

    def test_counts_by_hand(self):
        self.member(self.grant, self.poor, "enrolled")
        self.member(self.grant, self.rich)
        preview = self.preview()
        # Eligible: the two poor ones; not: the two rich; Silent has no place of birth. One of the eligible is a member.
        base = self.grant._base_registrants()
        self.assertEqual(preview.registrants, len(self.env.execute_query(base)))
        elsewhere = self.env["res.partner"].browse(row[0] for row in self.env.execute_query(base)) - self.people
        self.assertEqual(
            (preview.eligible, preview.eligible_new, preview.eligible_members),
            (2, 1, 1),
            f"besides {len(elsewhere)} registrants of no company",
        )
        self.assertEqual((preview.members_enrolled, preview.members_already), (0, 1))
        self.assertEqual((preview.members_not_eligible, preview.members_unknown), (1, 0))
        reasons = {line.reason: line.registrants for line in preview.reason_ids}
        self.assertEqual(reasons["Data missing: Birth place (Place)"], 1 + preview.unknown - 1)
        self.assertEqual(reasons["Does not meet the conditions of “Income”"], 2)
        self.assertEqual(preview.sample_ids, self.poor_west)
        self.assertGreater(preview.estimated_cost, 0)
        areas = {
            line.area_id: (line.registrants, line.eligible, line.not_eligible, line.unknown)
            for line in preview.area_ids
        }
        self.assertEqual(areas[self.region], (5, 2, 2, 1))
        self.assertEqual(areas[self.east], (2, 1, 1, 0))
        self.assertEqual(areas[self.west], (3, 1, 1, 1))
        self.assertEqual(preview.top_area_ids.area_id, self.east | self.west, "one bar for all would say nothing")

    def test_of_several_conditions_the_first_that_is_not_met_is_named(self):
        self.by_income.eligibility_domain = "[('income', '<=', 100), ('birth_place', '=', 'Gondar')]"
        self.grant.get_managers(self.grant.MANAGER_ELIGIBILITY)[1].unlink()
        reasons = {line.reason: line.registrants for line in self.preview().reason_ids}
        self.assertEqual(
            reasons,
            {
                "Income needed at most 100 (Income)": 2,
                "Birth place needed: Gondar (Income)": 2,
                "Data missing: Income, Birth place (Income)": reasons["Data missing: Income, Birth place (Income)"],
            },
        )

    def test_the_plan_of_the_query_is_for_administrators_in_developer_mode(self):
        def pages(user, debug):
            with self.debug_mode() if debug else contextlib.nullcontext():
                arch = self.env["g2p.eligibility.preview"].with_user(user).get_view(view_type="form")["arch"]
            return etree.fromstring(arch).xpath("//group[not(@invisible)]/@name")

        administrator = new_test_user(self.env, "plan_admin", "g2p_registry_base.group_g2p_admin")
        self.assertIn("plan", pages(administrator, debug=True))
        self.assertNotIn("plan", pages(administrator, debug=False))
        self.assertNotIn("plan", pages(self.manager, debug=True))

    def test_the_real_run_does_what_the_preview_said(self):
        for mode in ("all", "any"):
            program = self.grant.copy({"name": f"Run {mode}"})
            program.eligibility_mode = mode
            program.sudo().action_activate()
            for partner in (self.rich, self.silent, self.rich_away):
                self.member(program, partner)
            self.grant = program
            before = self.preview()
            program.import_eligible_registrants("draft")
            self.assertEqual(self.operation(program, "import_eligible").counts.get("imported", 0), before.eligible_new)
            before = self.preview()
            program.enroll_eligible_registrants()
            counts = self.operation(program, "enroll").counts
            self.assertEqual(
                [counts.get(name, 0) for name in ("enrolled", "already", "not_eligible", "unknown")],
                [before.members_enrolled, before.members_already, before.members_not_eligible, before.members_unknown],
                mode,
            )

    def test_a_preview_changes_nothing_and_belongs_to_who_asked(self):
        self.member(self.grant, self.rich)
        history = self.env["g2p.state.history"].search_count([])
        preview = self.preview()
        self.assertEqual(self.env["g2p.state.history"].search_count([]), history)
        self.assertEqual(self.states(self.grant), {self.rich: "draft"})
        with self.assertRaises(AccessError):
            preview.with_user(self.manager).read(["eligible"])
        for role in ("registrar", "support", "auditor", "finance"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.preview(role)

    def test_an_officer_sees_their_district_only(self):
        officer = self.users["validator"]
        officer.g2p_area_ids = self.west
        preview = self.preview()
        self.assertEqual(preview.area_ids.area_id, self.west)
        self.assertEqual(preview.sample_ids, self.poor_west)
        self.assertEqual((preview.eligible, preview.is_limited), (1, True), "the totals are of their district")

    # Explanation

    def test_explanation_equals_the_verdict_of_the_real_run(self):
        self.rich_away.active = False
        for mode in ("all", "any"):
            self.grant.eligibility_mode = mode
            self.env.flush_all()
            told = self.grant.explain_eligibility(self.people.ids)["registrants"]
            candidates = SQL(
                "SELECT id, id AS partner_id, 'draft' AS state FROM res_partner WHERE id = ANY(%s)", self.people.ids
            )
            low, high = min(self.people.ids) - 1, max(self.people.ids)
            verdicts = self.grant._read_verdicts(self.grant._eligibility_verdicts(candidates, low, high))
            self.assertEqual(
                {line["registrant_id"]: (line["verdict"], line["reason"] or None) for line in told}, verdicts, mode
            )

    def test_explanation_in_words_and_codes(self):
        answer = json.loads(json.dumps(self.program_as("support").explain_eligibility([self.rich.id, self.silent.id])))
        rich, silent = answer["registrants"]
        self.assertEqual((answer["mode"], rich["verdict"], rich["code"]), ("all", "not_eligible", "conditions"))
        self.assertEqual(rich["reason"], "Does not meet the conditions of “Income”")
        self.assertEqual([manager["verdict"] for manager in rich["managers"]], ["no", "yes"])
        self.assertEqual(
            rich["managers"][0]["facts"],
            [
                {
                    "code": "condition",
                    "depth": 0,
                    "label": "Income",
                    "operator": "<=",
                    "wanted": "100",
                    "actual": "500.00",
                    "verdict": "no",
                    "text": "Income: 500.00; needed at most 100",
                }
            ],
        )
        self.assertEqual((silent["verdict"], silent["code"]), ("unknown", "data_missing"))

    def test_conditions_within_groups(self):
        self.by_income.eligibility_domain = (
            "['|', ('age', '>=', 60), '!', '&', ('income', '<=', 100), ('area_id.name', '=', 'East')]"
        )
        self.rich.birthdate = "2000-01-01"
        [told] = self.grant.explain_eligibility(self.rich.ids)["registrants"]
        facts = told["managers"][0]["facts"]
        self.assertEqual(
            [(line["code"], line["depth"], line["verdict"]) for line in facts],
            [
                ("any", 0, "yes"),
                ("condition", 1, "no"),
                ("condition", 1, "yes"),
                ("condition", 1, "no"),
            ],
        )
        self.assertRegex(facts[1]["text"], r"^Age: \d\d; needed at least 60$")
        self.assertEqual(facts[2]["text"], "Income: 500.00; needed more than 100")
        self.assertEqual(facts[3]["text"], "Area › Name: East; must not be: East")

    def test_who_may_ask(self):
        for role in ("registrar", "support", "auditor", "validator", "approver", "manager"):
            self.assertTrue(self.program_as(role).explain_eligibility(self.poor.ids)["registrants"], role)
        for user in (self.outsider, self.portal, self.users["finance"]):
            with self.subTest(user.login), self.assertRaises(AccessError):
                self.grant.with_user(user).explain_eligibility(self.poor.ids)
        officer = self.users["validator"]
        officer.g2p_area_ids = self.west
        self.assertTrue(self.program_as("validator").explain_eligibility(self.poor_west.ids))
        with self.assertRaises(AccessError):
            self.program_as("validator").explain_eligibility(self.people.ids)
        with self.assertRaises(AccessError):
            self.program_as("support").explain_eligibility([self.env.user.partner_id.id])
        with self.assertRaises(UserError):
            self.program_as("support").explain_eligibility(list(range(1, 2_000)))

    def test_on_the_screens(self):
        self.rich.name = "RICH"
        self.by_income.name = "<b>Income</b>"
        member = self.member(self.grant, self.rich)
        page = member.with_user(self.users["support"]).with_company(self.company).explanation
        self.assertIn("Income: 500.00; needed at most 100", page)
        self.assertNotIn("<b>Income</b>", page, "what people wrote is escaped")
        action = self.rich.with_user(self.users["registrar"]).with_company(self.company).action_explain_eligibility()
        wizard = (
            self.env[action["res_model"]]
            .with_user(self.users["registrar"])
            .with_company(self.company)
            .with_context(**action["context"])
            .create({})
        )
        self.assertEqual(wizard.program_id, self.grant)
        self.assertIn("Income: 500.00; needed at most 100", wizard.explanation)

    def test_statements_do_not_grow_with_the_registrants(self):
        low, _high = self.many_registrants(200)
        counts = []
        for size in (10, 10, 200):
            self.env.invalidate_all()
            with counting_statements(self.env.cr) as count:
                self.grant.sudo().explain_eligibility(range(low, low + size))
            counts.append(count.statements)
        self.assertLessEqual(counts[2], counts[1] + 5)
