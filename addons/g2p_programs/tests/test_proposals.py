import base64

from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.g2p_programs.tools.explain import DomainExplanation

from .money import MoneyCase


@tagged("post_install", "-at_install")
class TestProposals(MoneyCase):
    """In a running program, amounts, rules and how it pays change when a second person agreed to before and after."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kinds = cls.env["g2p.approval.kind"].search([("res_model", "=", "g2p.approval.proposal")])
        cls.second_manager = new_test_user(cls.env, login="second_manager", groups="g2p_programs.g2p_program_manager")

    def setUp(self):
        super().setUp()
        self.cycle = self.approved_cycle()
        self.kinds.off_company_ids = False

    def save(self, record, **values):
        """What the web client's Save does."""
        return record.web_save(values, {name: {} for name in values})

    def waiting(self, record):
        return self.env["g2p.approval.proposal"].search(
            [("res_model", "=", record._name), ("res_id", "=", record.id), ("state", "=", "proposed")]
        )

    def approve(self, proposal, user=None):
        request = proposal.sudo().approval_request_ids.with_user(user or self.approver)
        return request.action_approve(None, request.digest)

    def test_saving_an_amount_proposes_it_and_another_person_makes_it_so(self):
        [read] = self.save(self.terms, amount_per_cycle=150)
        self.assertEqual((read["amount_per_cycle"], self.terms.amount_per_cycle), (100, 100))
        proposal = self.waiting(self.terms)
        self.assertEqual(
            proposal.lines, [{"label": "Amount per cycle", "before": "$\xa0100.00", "after": "$\xa0150.00"}]
        )
        self.assertEqual(proposal.name, "Family Grant: Amount per cycle $\xa0100.00 → $\xa0150.00")
        self.assertEqual(proposal.sudo().approval_request_ids.requested_by, self.manager)
        self.assertIn("waits for", self.terms.proposal_text)
        # The page of the program says so too, and leads there.
        program = self.grant.with_user(self.manager)
        self.assertIn(proposal.name, program.proposal_text)
        action = program.action_view_proposals()
        self.assertIn(proposal, self.env["g2p.approval.proposal"].search(action["domain"]))
        self.approve(proposal)
        self.assertEqual((self.terms.amount_per_cycle, proposal.state), (150, "done"))
        self.assertFalse(self.terms.proposal_text)
        [changed] = self.env["g2p.change.history"].search(
            [("res_model", "=", self.terms._name), ("res_id", "=", self.terms.id), ("field", "=", "amount_per_cycle")],
            limit=1,
        )
        self.assertEqual((changed.user_id, float(changed.new_value)), (self.manager, 150))

    def test_whoever_writes_otherwise_is_refused_and_told_how(self):
        for user in (self.manager, self.second_manager, self.users["admin"]):
            with (
                self.subTest(user.login),
                self.assertRaisesRegex(UserError, "Amount per cycle.*on its own form"),
                self.cr.savepoint(),
            ):
                self.terms.with_user(user).amount_per_cycle = 1
            with self.subTest(user.login), self.assertRaisesRegex(UserError, "under way"), self.cr.savepoint():
                self.terms.with_user(user).unlink()
        with self.assertRaises(UserError):
            self.grant.with_user(self.manager).write({"entitlement_managers": [(5,)]})
        self.terms.amount_per_cycle = 100
        self.terms.name = "Terms of the grant"
        self.assertEqual(self.terms.amount_per_cycle, 100)

    def test_a_context_is_no_way_round(self):
        for context in ({"g2p_proposal": True}, {"g2p_proposal": {}}, {"g2p_evidence": True}):
            with self.subTest(context), self.assertRaises(UserError):
                self.terms.with_context(**context).amount_per_cycle = 1

    def test_who_proposed_does_not_agree(self):
        self.manager.group_ids += self.env.ref("g2p_programs.g2p_program_cycle_approver")
        self.save(self.terms, amount_per_cycle=150)
        proposal = self.waiting(self.terms)
        with self.assertRaisesRegex(AccessError, "somebody else has to agree"), self.cr.savepoint():
            self.approve(proposal, self.manager)
        for role in ("registrar", "validator", "support", "auditor"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.approve(proposal, self.users[role])
        self.assertEqual(self.terms.amount_per_cycle, 100)

    def test_nobody_makes_or_changes_a_proposal_by_hand(self):
        self.save(self.terms, amount_per_cycle=150)
        proposal = self.waiting(self.terms)
        for user in (self.manager, self.approver, self.users["admin"]):
            own = proposal.with_user(user)
            for act in (
                lambda own: own.write({"values": {"amount_per_cycle": 9000}}),
                lambda own: own.write({"state": "done"}),
                lambda own: own.unlink(),
                lambda own: own.create({"name": "x", "kind_code": "program_amounts", "res_model": "x", "res_id": 1}),
            ):
                with self.subTest(user.login), self.assertRaises(UserError):
                    act(own)

    def test_a_change_meanwhile_makes_it_void(self):
        self.save(self.terms, amount_per_cycle=150)
        proposal = self.waiting(self.terms)
        self.terms.sudo().transfer_fee_pct = 3
        self.assertTrue(proposal.sudo().approval_request_ids.is_changed)
        self.approve(proposal)
        self.assertEqual((proposal.state, self.terms.amount_per_cycle), ("refused", 100))
        self.assertEqual(proposal.sudo().approval_request_ids.state, "void")

    def test_one_proposal_at_a_time(self):
        self.save(self.terms, amount_per_cycle=150)
        with self.assertRaisesRegex(UserError, "waits already"), self.cr.savepoint():
            self.save(self.terms.with_user(self.second_manager), amount_per_cycle=160)
        self.waiting(self.terms).sudo().approval_request_ids.with_user(self.manager).action_withdraw()
        self.save(self.terms.with_user(self.second_manager), amount_per_cycle=160)
        self.approve(self.waiting(self.terms))
        self.assertEqual(self.terms.amount_per_cycle, 160)

    def test_what_makes_no_sense_is_refused_at_once(self):
        with self.assertRaisesRegex(Exception, "fee"), self.cr.savepoint(), mute_logger("odoo.sql_db"):
            self.save(self.terms, transfer_fee_amt=3)
        self.assertFalse(self.waiting(self.terms))

    def test_the_same_by_rpc(self):
        answer = self.terms.action_propose({"amount_per_cycle": 150, "max_individual_in_group": 2})
        self.assertIn("waits for", answer["params"]["message"])
        proposal = self.waiting(self.terms)
        self.assertEqual(len(proposal.lines), 2)
        with self.assertRaises(AccessError):
            self.terms.with_user(self.users["auditor"]).action_propose({"amount_per_cycle": 1})
        self.approve(proposal)
        self.assertEqual((self.terms.amount_per_cycle, self.terms.max_individual_in_group), (150, 2))

    def test_who_made_or_filled_in_what_is_added_does_not_agree(self):
        both = new_test_user(
            self.env,
            login="adds",
            groups="g2p_programs.g2p_program_manager,g2p_programs.g2p_program_cycle_approver",
        )
        rule = (
            self.env["g2p.program_membership.manager.list"]
            .with_user(both)
            .create({"name": "Listed", "program_id": self.grant.id, "eligibility_domain": "[]"})
        )
        first = self.waiting(rule)
        file = base64.b64encode(b"reference\nABC\n")
        load = self.env["g2p.eligibility.list.load"].with_user(self.manager)
        load.create({"manager_id": rule.id, "file": file, "file_name": "l.csv"}).action_load()
        renewed = self.waiting(rule)
        self.assertNotEqual(first, renewed)
        for user in (both, self.manager):
            self.manager.group_ids += self.env.ref("g2p_programs.g2p_program_cycle_approver")
            with self.subTest(user.login), self.assertRaisesRegex(AccessError, "somebody else has to agree"):
                self.approve(renewed, user)
        self.approve(renewed)
        self.assertEqual(renewed.state, "done")

    def test_rules_are_proposed_too(self):
        [rule] = [reference.manager_ref_id for reference in self.grant.eligibility_managers]
        rule = rule.with_user(self.manager)
        domain = f"[('id', '!=', {self.large.id})]"
        self.save(rule, eligibility_domain=domain)
        self.assertEqual(rule.eligibility_domain, "[]")
        self.approve(self.waiting(rule))
        self.assertEqual(rule.eligibility_domain, domain)

    def test_conditions_are_proposed_in_words_with_what_comes_of_them(self):
        [rule] = [reference.manager_ref_id for reference in self.grant.eligibility_managers]
        rule = rule.with_user(self.manager)
        before = rule.matching_told
        self.save(rule, eligibility_domain=f"[('name', '=', '{self.large.name}')]")
        proposal = self.waiting(rule)
        told = {line["label"]: (line["before"], line["after"]) for line in proposal.lines}
        self.assertEqual(told["Registrants matching"], ("everybody", f"Name is {self.large.name}"))
        self.assertEqual(told["Registrants who match"], (before, "1"))
        self.assertEqual(proposal.name, f"Family Grant: Registrants matching everybody → Name is {self.large.name}")
        request = proposal.sudo().approval_request_ids.with_user(self.approver)
        request.action_reject("Not now", request.digest)
        self.assertIn(f"Rejected by {self.approver.name}: Not now", self.grant.message_ids[0].body)

    def test_words_that_are_kept_name_nobody(self):
        """Who reads a request may be limited to areas in which these people do not live."""
        domain = Domain("parent_id", "=", self.large.id) | ~Domain("name", "=", "X")
        explained = DomainExplanation(domain, self.env["res.partner"])
        self.assertIn(self.large.name, explained.in_words())
        kept = DomainExplanation(domain, self.env["res.partner"], names_people=False).in_words()
        self.assertNotIn(self.large.name, kept)
        self.assertIn(f"is {self.large.id} or Name is not X", kept)

    def test_a_manager_that_is_added_serves_when_it_is_agreed_to(self):
        area = self.env["g2p.program_membership.manager.default"].with_user(self.manager)
        added = area.create({"name": "Also these", "program_id": self.grant.id, "eligibility_domain": "[]"})
        served = lambda: [reference.manager_ref_id for reference in self.grant.eligibility_managers]  # noqa: E731
        self.assertNotIn(added, served())
        with self.assertRaisesRegex(UserError, "somebody else has to agree before"), self.cr.savepoint():
            self.env["g2p.eligibility.manager"].with_user(self.manager).create(
                {"program_id": self.grant.id, "manager_ref_id": f"{added._name},{added.id}"}
            )
        proposal = self.waiting(added)
        added.eligibility_domain = f"[('id', '!=', {self.small.id})]"
        self.approve(proposal)
        self.assertEqual(proposal.state, "refused", "it was changed after it was proposed")
        self.assertFalse(added.exists())
        added = area.create({"name": "Also these", "program_id": self.grant.id})
        self.approve(self.waiting(added))
        self.grant.invalidate_recordset()
        self.assertIn(added, served())

    def test_a_manager_is_removed_when_it_is_agreed_to(self):
        [rule] = [reference.manager_ref_id.with_user(self.manager) for reference in self.grant.eligibility_managers]
        with self.assertRaisesRegex(UserError, "Propose to remove"), self.cr.savepoint():
            self.grant.eligibility_managers.with_user(self.manager).unlink()
        rule.action_propose_removal()
        self.assertTrue(rule.exists())
        self.approve(self.waiting(rule))
        self.assertFalse(rule.exists())
        self.assertFalse(self.grant.eligibility_managers)

    def test_a_program_without_cycles_is_set_at_once(self):
        other = self.program("Other Grant", "group")
        terms = other.get_manager(other.MANAGER_ENTITLEMENT).with_user(self.manager)
        terms.amount_per_cycle = 70
        self.new_cycle(program=other)
        self.save(terms, amount_per_cycle=80)
        self.assertEqual((terms.amount_per_cycle, len(self.waiting(terms))), (80, 0))

    def test_a_department_that_is_too_small_does_it_at_once(self):
        self.kinds.filtered(lambda kind: kind.code == "program_amounts").off_company_ids = self.env.company
        self.save(self.terms, amount_per_cycle=150)
        self.assertEqual(self.terms.amount_per_cycle, 150)

    def test_a_proposal_is_as_visible_as_its_manager(self):
        self.save(self.terms, amount_per_cycle=150)
        proposal = self.waiting(self.terms)
        for role, user in self.users.items():
            with self.subTest(role):
                found = self.env["g2p.approval.proposal"].with_user(user).search([("id", "=", proposal.id)])
                reads = self.terms.with_user(user).has_access("read")
                self.assertEqual(bool(found), reads)

    def test_the_form_says_so(self):
        self.save(self.terms, amount_per_cycle=150)
        arch = self.terms.get_view(view_type="form")["arch"]
        for name in ("proposal_text", "action_view_proposals", "action_propose_removal"):
            self.assertIn(name, arch)

    def test_who_no_longer_may_does_not_have_it_made(self):
        self.save(self.terms, amount_per_cycle=150)
        self.manager.group_ids -= self.env.ref("g2p_programs.g2p_program_manager")
        with self.assertRaisesRegex(AccessError, "proposed this and may not do it any more"), self.cr.savepoint():
            self.approve(self.waiting(self.terms))
        self.assertEqual(self.terms.sudo().amount_per_cycle, 100)

    def test_only_what_differs_is_proposed(self):
        """An administrator's choice in between is not undone by what was proposed before it."""
        # Nothing waits: the administrator may change who approves.
        self.cycle.sudo()._transition("ended")
        group = self.terms.entitlement_validation_group_id
        self.terms.action_propose(
            {"amount_per_cycle": 150, "entitlement_validation_group_id": group.id, "name": "Terms"}
        )
        proposal = self.waiting(self.terms)
        self.assertEqual((proposal.values, self.terms.name), ({"amount_per_cycle": 150}, "Terms"))
        chosen = self.env.ref("g2p_programs.g2p_program_cycle_approver")
        self.assertNotEqual(chosen, group)
        self.terms.with_user(self.users["admin"]).entitlement_validation_group_id = chosen
        self.approve(proposal)
        self.assertEqual((self.terms.amount_per_cycle, self.terms.entitlement_validation_group_id), (150, chosen))

    def test_a_program_that_ended_is_set_by_two_people_too(self):
        """Else one person ends it, sets it, and re-activates it."""
        self.env.cr.execute("UPDATE g2p_program SET state = 'ended' WHERE id = %s", [self.grant.id])
        self.grant.invalidate_recordset()
        with self.assertRaisesRegex(UserError, "on its own form"):
            self.terms.amount_per_cycle = 1

    def test_a_tag_is_not_made_by_choosing_it(self):
        """What a many2many points to is made, changed and deleted on its own screen."""
        made = [(0, 0, {"name": "Mine", "order": 1})]
        for act in (self.payer.write, self.payer.action_propose, lambda values: self.save(self.payer, **values)):
            with self.subTest(str(act)), self.assertRaises(UserError), self.cr.savepoint():
                act({"batch_tag_ids": made})
        self.kinds.off_company_ids = self.env.company
        with self.assertRaisesRegex(UserError, "under way"), self.cr.savepoint():
            self.payer.batch_tag_ids = made

    # What is no manager's

    def test_settings_of_the_program_itself_are_proposed(self):
        """Who pays those without an account, and whether one rule or all decide: by the form, and by nothing else."""
        program = self.grant.with_user(self.manager)
        self.env.ref("g2p_programs.approval_kind_program_payment").group_id = self.env.ref(
            "g2p_programs.g2p_finance_validator"
        )
        finance = self.users["finance"]
        for user in (self.manager, self.second_manager, self.users["admin"]):
            with self.subTest(user.login), self.assertRaisesRegex(UserError, "on its own form"):
                program.with_user(user).write({"eligibility_mode": "any"})
        self.save(program, eligibility_mode="any", name="Renamed")
        self.assertEqual((program.eligibility_mode, program.name), ("all", "Renamed"))
        proposal = self.waiting(program)
        self.assertIn("waits for", program.proposal_text)
        self.approve(proposal)
        self.assertEqual((program.eligibility_mode, proposal.state), ("any", "done"))
        with self.assertRaisesRegex(UserError, "under way"):
            self.save(program, no_account_policy="desk")
        admin = program.with_user(self.users["admin"])
        self.save(admin, no_account_policy="desk")
        proposal = self.waiting(program)
        with self.assertRaises(AccessError):
            self.approve(proposal, self.approver)
        self.approve(proposal, finance)
        self.assertEqual((program.no_account_policy, proposal.kind_code), ("desk", "program_payment"))

    def test_what_a_program_gives_is_proposed(self):
        """A benefit code caps what one beneficiary gets, and the first one is given where a manager names none."""
        code, other = self.env["g2p.benefit.codes"].create(
            [
                {"benefit_mnemonic": name, "measurement_unit": self.grant.currency_id.name}
                for name in ("GIVE-1", "GIVE-2")
            ]
        )
        program = self.grant.with_user(self.manager)
        line = program.sudo().benefit_code_line_ids.create(
            {"definition_id": program.definition_id.id, "benefit_code_id": code.id, "max_quantity": 500}
        )
        line = line.with_user(self.manager)
        definition = program.definition_id
        for act in (
            lambda: line.write({"max_quantity": 5}),
            lambda: line.unlink(),
            lambda: line.create({"definition_id": definition.id, "benefit_code_id": other.id}),
            lambda: definition.write({"benefit_code_line_ids": [(1, line.id, {"max_quantity": 5})]}),
            lambda: program.write({"benefit_code_line_ids": [(1, line.id, {"max_quantity": 5})]}),
        ):
            with self.assertRaisesRegex(UserError, "somebody else has to agree"), self.cr.savepoint():
                act()
        self.save(program, benefit_code_line_ids=[(1, line.id, {"max_quantity": 5})])
        proposal = self.waiting(program)
        self.assertEqual((line.max_quantity, proposal.kind_code), (500, "program_amounts"))
        self.assertIn("5", proposal.lines[0]["after"])
        self.approve(proposal)
        self.assertEqual((line.max_quantity, proposal.state), (5, "done"))
        self.kinds.filtered(lambda kind: kind.code == "program_amounts").off_company_ids = self.env.company
        line.max_quantity = 7

    def test_each_kind_is_switched_off_by_itself(self):
        rules = self.kinds.filtered(lambda kind: kind.code == "program_rules")
        rules.off_company_ids = self.env.company
        self.grant.with_user(self.manager).eligibility_mode = "any"
        self.assertEqual(self.grant.eligibility_mode, "any")
        with self.assertRaisesRegex(UserError, "on its own form"):
            self.grant.with_user(self.users["admin"]).no_account_policy = "desk"

    def test_a_program_is_not_proposed_to_be_removed(self):
        program = self.grant.with_user(self.manager)
        self.assertFalse(program.proposal_can_remove)
        with self.assertRaisesRegex(UserError, "under way"):
            self.grant.with_user(self.users["admin"]).unlink()

    def load(self, manager, *references):
        file = base64.b64encode("\n".join(["Reference", *references]).encode())
        wizard = self.env["g2p.eligibility.list.load"].with_user(self.manager)
        wizard.create({"manager_id": manager.id, "file": file, "file_name": "list.csv"}).action_load()
        self.env.invalidate_all()

    def test_whom_a_list_names_is_agreed_to_with_the_list(self):
        self.large.ref, self.small.ref = "LARGE-1", "SMALL-1"
        lists = self.env["g2p.program_membership.manager.list"].with_user(self.manager)
        added = lists.create({"name": "Of the ministry", "program_id": self.grant.id})
        first = self.waiting(added)
        self.load(added, self.large.ref, "nobody")
        proposal = self.waiting(added)
        self.assertNotEqual(proposal, first, "it is asked for as it is now")
        self.assertEqual((first.state, first.sudo().approval_request_ids.state), ("refused", "void"))
        self.assertEqual(proposal.lines[-1]["after"], "2, of whom 1 are found")
        # Lines that came in past the load make it void.
        with self.cr.savepoint() as savepoint:
            self.env.cr.execute(
                "INSERT INTO g2p_eligibility_list_line (manager_id, row_number, value, partner_id) VALUES (%s, 9, 'x', %s)",
                [added.id, self.small.id],
            )
            self.approve(proposal)
            self.assertEqual(proposal.state, "refused")
            savepoint.rollback()
        self.env.invalidate_all()
        self.approve(proposal)
        self.assertEqual((proposal.state, added.matched_count), ("done", 1))
        # In use it names whom others agreed to.
        for call in (added.action_load_file, lambda: self.load(added, self.small.ref)):
            with self.assertRaisesRegex(UserError, "add another list"):
                call()
        self.assertEqual(added.matched_count, 1)
