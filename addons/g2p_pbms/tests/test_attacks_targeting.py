"""What must not be possible in targeting, merging, applying and simulating: tried as each role, as in `test_attacks`.

A failing test is a hole, not a change to follow.
"""

import base64

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .test_attacks import REFUSED, AttackCase


class TargetingCase(AttackCase):
    def assert_books(self):
        """The money adds up, and nobody is paid twice for one thing."""
        self.figures()
        self.env.cr.execute(
            """
            SELECT COUNT(*) FROM (
                SELECT FROM g2p_entitlement
                 WHERE state NOT IN ('cancelled', 'rejected1', 'rejected2', 'rejected3', 'expired')
                 GROUP BY cycle_id, partner_id, benefit_code_id, item_id HAVING COUNT(*) > 1
                 UNION ALL
                SELECT FROM g2p_payment WHERE status IS DISTINCT FROM 'failed'
                 GROUP BY entitlement_id HAVING COUNT(*) > 1
                 UNION ALL
                SELECT FROM g2p_payment AS payment JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                 WHERE payment.partner_id <> t.partner_id
            ) AS wrong
            """
        )
        self.assertEqual(self.env.cr.fetchone()[0], 0)


@tagged("post_install", "-at_install")
class TestMergeAttacks(TargetingCase):
    """Merging registrants must neither double, hide nor divert money, nor forget why somebody is left out."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.twin = cls.family("Twin", 1)

    def place(self, cycle, family):
        return cycle.cycle_membership_ids.filtered(lambda place: place.partner_id == family)

    def test_undo_after_an_entitlement_was_made(self):
        """The place goes back: its entitlement must not stay behind, or the place is paid twice."""
        cycle = self.new_cycle(self.twin)
        merge = self.merge(self.small, self.twin)
        cycle.prepare_entitlement()
        self.assertEqual(self.entitlements(cycle).partner_id, self.small)
        self.refused(self.users["manager"], merge, "action_undo")

    def test_undo_after_a_payment_was_made(self):
        """An entitlement goes back to who had it: a payment made since would pay somebody else for it."""
        self.deposit(1000)
        cycle = self.approved_cycle(self.twin)
        cycle.with_user(self.finance).validate_entitlement()
        merge = self.merge(self.small, self.twin)
        # It would go to another account, in another name, than when it was approved: finance has to agree to both.
        self.entitlements(cycle).with_user(self.finance).confirm_account()
        self.entitlements(cycle).with_user(self.finance).confirm_collector()
        cycle.prepare_payment()
        self.assertEqual(self.payments(cycle).partner_id, self.small)
        self.refused(self.users["manager"], merge, "action_undo")
        self.assert_books()

    def test_undo_brings_reasons_back(self):
        """Who is not eligible knows why, also after a merge was undone; the other is enrolled without a stale reason."""
        self.member(self.grant, self.small)
        own = self.grant.program_membership_ids.filtered(lambda member: member.partner_id == self.small)
        self.env.cr.execute(
            "UPDATE g2p_program_membership SET state = 'not_eligible', reason = 'Too rich' WHERE id = %s", [own.id]
        )
        other = self.member(self.grant, self.twin, "enrolled")
        self.env.invalidate_all()
        before = [(m.state, m.reason, m.enrollment_date) for m in own + other]
        merge = self.merge(self.small, self.twin)
        self.rpc(self.users["manager"], merge, "action_undo")
        self.env.invalidate_all()
        self.assertEqual([(m.state, m.reason, m.enrollment_date) for m in own + other], before)

    def test_a_place_in_an_open_cycle_is_not_lost(self):
        """Both have a place: the paused one's must not be all that is left to who goes on."""
        cycle = self.new_cycle(self.small + self.twin)
        own = self.grant.program_membership_ids.filtered(lambda member: member.partner_id == self.small)
        self.change("pause", own)
        self.assertEqual((own.state, self.place(cycle, self.small).state), ("paused", "paused"))
        proposed = self.env["g2p.registrant.merge"].create(
            {"survivor_id": self.small.id, "merged_id": self.twin.id, "reason": "Seen together"}
        )
        self.refused(self.users["registrar"], proposed, "action_propose")
        self.assertIn("in state paused", proposed.obstacle)

    def test_nobody_shared_is_taken_away_from_other_companies(self):
        """Who is a registrant of all companies stays one: else their memberships elsewhere end unseen."""
        company, _manager, program = self.other_company()
        shared = self.family("Shared", 1)
        shared.company_id = False
        member = self.member(program.sudo(), shared, "enrolled")
        vals = {"survivor_id": self.small.id, "merged_id": shared.id, "reason": "Seen together"}
        self.refused(self.users["registrar"], "g2p.registrant.merge", "create", [vals])
        swapped = {**vals, "survivor_id": shared.id, "merged_id": self.small.id}
        merge = self.env["g2p.registrant.merge"].browse(
            self.rpc(self.users["registrar"], "g2p.registrant.merge", "create", [swapped])
        )
        self.refused(self.users["registrar"], merge, "action_swap")
        self.refused(self.users["registrar"], merge, "write", {"merged_id": shared.id, "survivor_id": self.small.id})
        self.assertEqual(member.sudo().partner_id, shared)

    def test_a_merge_closes_no_set_of_others(self):
        """The set that a merge is said to come from holds both of them."""
        settings = self.env.ref("g2p_deduplication.registry_deduplication_individual")
        foreign = self.env["g2p.registry.duplicate"].create(
            {"settings_id": settings.id, "partner_ids": [(6, 0, [self.individual("A").id, self.individual("B").id])]}
        )
        vals = {"survivor_id": self.small.id, "merged_id": self.twin.id, "reason": "Seen together"}
        registrar = self.users["registrar"]
        self.refused(registrar, "g2p.registrant.merge", "create", [{**vals, "duplicate_id": foreign.id}])
        merge = self.env["g2p.registrant.merge"].browse(self.rpc(registrar, "g2p.registrant.merge", "create", [vals]))
        self.refused(registrar, merge, "write", {"duplicate_id": foreign.id})

    def test_a_merged_registrant_is_not_made(self):
        self.refused(
            self.users["registrar"],
            "res.partner",
            "create",
            [{"name": "x", "is_registrant": True, "merged_into_id": self.small.id}],
        )


@tagged("post_install", "-at_install")
class TestManagersUnderWay(TargetingCase):
    """Who approves is settled before there is anything to approve, by whatever way a manager would be exchanged."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deposit(1000)
        cls.cycle = cls.new_cycle()
        cls.cycle.prepare_entitlement()
        cls.cycle.to_approve()
        cls.own = cls.env.ref("g2p_programs.g2p_program_manager")

    def exchanged(self, kind, **values):
        """The manager exchanges the concrete manager under its reference; every attempt must be refused."""
        [reference] = self.env[kind].search([("program_id", "=", self.grant.id)])
        concrete = reference.manager_ref_id
        model = concrete._name
        vals = {"name": "Mine", "program_id": self.grant.id, **values}
        self.refused(self.manager, reference, "unlink")
        self.refused(self.manager, concrete, "unlink")
        for flag in ("g2p_keep_manager", "g2p_keep_reference"):
            with self.subTest(flag):
                self.refused(self.manager, reference, "unlink", context={flag: True})
                self.refused(self.manager, concrete, "unlink", context={flag: True})
        with self.refusal("another one beside it, then in its place"):
            [made] = self.rpc(self.manager, model, "create", [vals], context={"g2p_keep_reference": True})
            self.rpc(self.manager, reference, "write", {"manager_ref_id": f"{model},{made}"})
        with self.refusal("another one beside it, before it"):
            self.rpc(self.manager, model, "create", [vals])
        with self.refusal("moved away"):
            self.rpc(self.manager, reference, "write", {"program_id": self.program("Other", "group").id})

    def test_entitlement_manager(self):
        self.exchanged("g2p.program.entitlement.manager", entitlement_validation_group_id=self.own.id)

    def test_cycle_manager(self):
        self.exchanged("g2p.cycle.manager", approver_group_id=self.own.id)

    def test_scenario(self):
        """Applying a scenario exchanges managers too."""
        scenario = (
            self.env["g2p.program.scenario"]
            .with_user(self.manager)
            .create({"name": "Mine", "program_id": self.grant.id})
        )
        [terms] = scenario.sandbox_id.get_managers(scenario.sandbox_id.MANAGER_ENTITLEMENT)
        # An administrator set them on the scenario: applying it would exchange who approves under a cycle that waits.
        terms.sudo().entitlement_validation_group_id = self.env.ref("g2p_programs.g2p_program_cycle_approver")
        scenario.action_simulate()
        self.refused(self.manager, scenario, "apply_to_program")


@tagged("post_install", "-at_install")
class TestWhatIsShown(TargetingCase):
    """Explanations, documents, files: to whom they show what, and that nobody rewrites what was said."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.north, cls.south = cls.env["g2p.area"].create([{"name": "North"}, {"name": "South"}])
        cls.large.area_id = cls.north
        cls.validator = cls.users["validator"]
        cls.registrar = cls.users["registrar"]

    def pdf(self, **values):
        return {"name": "paper.pdf", "datas": base64.b64encode(b"%PDF-1.4\n%%EOF").decode(), **values}

    def test_a_rule_does_not_tell_names_from_beyond(self):
        """A rule may name a record by its number: who reads the explanation sees its name only if they may read it."""
        secret = self.individual("Secret", "Person", area_id=self.south.id)
        rule = self.grant.get_manager(self.grant.MANAGER_ELIGIBILITY)
        for user in (self.manager, self.validator):
            user.g2p_area_ids = self.north
        for field in ("parent_id", "merged_into_id"):
            self.refused(self.manager, rule, "write", {"eligibility_domain": f"[('{field}', '=', {secret.id})]"})
        for field in ("related_1_ids.destination", "group_membership_ids.individual"):
            with self.subTest(field):
                self.rpc(self.manager, rule, "write", {"eligibility_domain": f"[('{field}', '=', {secret.id})]"})
                told = self.rpc(self.validator, self.grant, "explain_eligibility", self.large.ids)
                self.assertNotIn("secret", str(told).lower())
        self.validator.g2p_area_ids = False
        self.assertIn(
            "secret", str(self.rpc(self.validator, self.grant, "explain_eligibility", self.large.ids)).lower()
        )
        self.rpc(self.manager, rule, "write", {"eligibility_domain": f"[('area_id', '=', {self.north.id})]"})
        for role in ("validator", "registrar", "support", "auditor"):
            told = self.rpc(self.users[role], self.grant, "explain_eligibility", self.large.ids)
            self.assertIn("needed: North", str(told), "what the rule names is told where it may be read")

    def test_documents_of_a_change_stay(self):
        """The paper on which somebody was put out of a program is neither taken away nor exchanged."""
        paper = self.env["ir.attachment"].with_user(self.validator).create(self.pdf())
        member = self.member(self.grant, self.large, "enrolled")
        change = self.change("exit", member, attachment_ids=[(6, 0, paper.ids)])
        self.assertEqual((change.state, change.attachment_ids), ("done", paper))
        for user in (self.validator, self.manager, self.approver, self.users["admin"]):
            self.refused(user, paper, "unlink")
            self.refused(user, paper, "write", {"datas": base64.b64encode(b"%PDF-1.7\n").decode()})
            self.refused(user, paper, "write", {"res_model": "res.partner", "res_id": self.large.id})
        self.assertTrue(self.rpc(self.users["auditor"], paper, "read", ["datas"]))

    def test_documents_of_applications_are_not_for_everybody(self):
        """A public attachment is readable without a login."""
        application = self.rpc(
            self.registrar,
            "g2p.program.registrant_info",
            "create",
            [{"registrant_id": self.large.id, "program_id": self.grant.id}],
        )[0]
        paper = self.pdf(res_model="g2p.program.registrant_info", res_id=application)
        self.refused(self.registrar, "ir.attachment", "create", [{**paper, "public": True}])
        made = self.env["ir.attachment"].browse(self.rpc(self.registrar, "ir.attachment", "create", [paper]))
        self.refused(self.registrar, made, "write", {"public": True})

    def test_hostile_models_are_refused_in_words(self):
        self.grant.definition_id.sudo().application_schema = [{"name": "rooms", "string": "Rooms", "type": "integer"}]
        model = '{"format": "g2p.pmt.model", "terms": [{"variable": "application:rooms", "weight": 1%s}]%s}'
        for content in (
            '{"a":' + "[" * 100_000,
            model % (', "weights": [1]', ""),
            model % (', "missing": [1]', ""),
            model % ("", ', "name": "\\u0000"'),
            model % ("", ', "bands": [{"name": "\\u0000", "bound": 1}]'),
            "term,coefficient\nrooms\x00,1\n",
            '{"format": "g2p.pmt.model", "terms": [{"variable": "application:rooms", "weight": 1e400}]}',
        ):
            with self.subTest(content[:90]):
                wizard = (
                    self.env["g2p.pmt.import"]
                    .with_user(self.manager)
                    .create({"program_id": self.grant.id, "file": base64.b64encode(content.encode())})
                )
                with self.assertRaises(UserError), mute_logger("odoo.sql_db"), self.cr.savepoint():
                    self.rpc(self.manager, wizard, "action_import")
        self.assertFalse(self.env["g2p.pmt.model"].search([("program_id", "=", self.grant.id)]))

    def test_what_people_write_is_no_markup(self):
        bad = "<img src=x onerror=alert(1)>"
        family = self.family(bad, 1)
        self.grant.definition_id.sudo().application_schema = [
            {"name": "rooms", "string": bad, "type": "integer"},
            {"name": "roof", "string": "Roof", "type": "selection", "selection": [["a", bad], ["b", "B"]]},
        ]
        rule = self.grant.get_manager(self.grant.MANAGER_ELIGIBILITY)
        rule.sudo().write({"name": bad, "eligibility_domain": f"[('name', '=', '{bad}')]"})
        member = self.member(self.grant, family, "enrolled")
        self.env["g2p.program.registrant_info"].create(
            {
                "registrant_id": family.id,
                "program_id": self.grant.id,
                "program_registrant_info": {"rooms": 3, "roof": "a"},
            }
        )
        self.grant.pmt_config = True
        points = [(0, 0, {"value": value, "points": 2}) for value in ("a", "b")]
        model = (
            self.env["g2p.pmt.model"]
            .with_user(self.manager)
            .create(
                {
                    "program_id": self.grant.id,
                    "name": bad,
                    "has_cut_off": True,
                    "cut_off": 50,
                    "band_ids": [(0, 0, {"name": bad, "bound": 3}), (0, 0, {"name": "2" + bad, "is_rest": True})],
                    "term_ids": [
                        (0, 0, {"source": "application", "pmt_field": "rooms", "pmt_weightage": 1}),
                        (0, 0, {"source": "application", "pmt_field": "roof", "category_ids": points}),
                    ],
                }
            )
        )
        model.action_activate()
        self.grant.action_compute_pmt_scores()
        score = self.env["g2p.pmt.score"].search([("partner_id", "=", family.id)])
        wizard = self.env["g2p.membership.change.wizard"].with_user(self.validator)
        wizard = wizard.create({"kind": "pause", "member_domain": [("id", "in", member.ids)]})
        explanation = self.env["g2p.eligibility.explanation"].with_user(self.validator)
        explanation = explanation.create({"partner_id": family.id, "program_id": self.grant.id})
        shown = 0
        for record in (model, score, member, wizard, explanation):
            for name, field in record._fields.items():
                if field.type == "html" and record[name]:
                    shown += 1
                    self.assertNotIn("<img", record[name].lower(), f"{record._name}.{name}")
        self.assertGreaterEqual(shown, 6)

    def test_an_assessment_is_of_one_member(self):
        """What is said about one is not filed under another."""
        applications = [
            self.rpc(
                self.registrar,
                "g2p.program.registrant_info",
                "create",
                [{"registrant_id": family.id, "program_id": self.grant.id}],
            )[0]
            for family in (self.large, self.small)
        ]
        one, other = self.env["g2p.program.registrant_info"].browse(applications)
        cycle = self.new_cycle(self.empty)
        cycle.prepare_entitlement()
        for vals in (
            {"registrant_info_id": one.id, "entitlement_id": self.entitlements(cycle).id},
            {"registrant_info_id": one.id, "program_membership_id": other.program_membership_id.id},
        ):
            with self.subTest(str(vals)):
                try:
                    [made] = self.rpc(self.validator, "g2p.program.assessment", "create", [{"remarks": "x", **vals}])
                except REFUSED:
                    continue
                made = self.env["g2p.program.assessment"].browse(made)
                self.assertEqual(made.program_membership_id, made.registrant_info_id.program_membership_id)


@tagged("post_install", "-at_install")
class TestSandboxes(TargetingCase):
    """The settings of a scenario are no program: nobody is put into them, and no money."""

    def test_nobody_and_no_money(self):
        scenario = self.env["g2p.program.scenario"].with_user(self.manager)
        scenario = scenario.create({"name": "Try", "program_id": self.grant.id})
        sandbox = scenario.sandbox_id
        self.refused(self.finance, "g2p.program.fund", "create", [{"program_id": sandbox.id, "amount": 5}])
        fund = self.env["g2p.program.fund"].with_user(self.finance).create({"program_id": self.grant.id, "amount": 5})
        self.refused(self.finance, fund, "write", {"program_id": sandbox.id})
        member = {"partner_id": self.large.id, "program_id": sandbox.id}
        self.refused(self.users["validator"], "g2p.program_membership", "create", [member])
        self.refused(
            self.users["validator"],
            "g2p.program_membership",
            "create",
            [{"partner_id": self.large.id}],
            context={"default_program_id": sandbox.id},
        )
        dates = {"name": "x", "start_date": "2026-01-01", "end_date": "2100-01-01"}
        self.refused(self.manager, "g2p.cycle", "create", [{**dates, "program_id": sandbox.id}])
        for vals in ({"active": True}, {"is_sandbox": False}, {"state": "active"}):
            self.refused(self.manager, sandbox, "write", vals)
        company, _manager, _program = self.other_company()
        self.refused(self.manager, scenario, "write", {"company_id": company.id})
        for role in ("registrar", "validator", "support", "auditor", "finance", "approver"):
            for method in ("action_simulate", "apply_to_program", "unlink"):
                self.refused(self.users[role], scenario, method)
