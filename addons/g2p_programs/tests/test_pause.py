import inspect

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .money import MoneyCase

# Every public method of programs, cycles, memberships and entitlements that a person may press, by what pausing does to it.
STARTS = {  # refused while paused
    "g2p.program": {
        "import_eligible_registrants",
        "enroll_eligible_registrants",
        "verify_eligibility",
        "deduplicate_beneficiaries",
        "create_new_cycle",
        "action_auto_enrol",
        "notify_eligible_beneficiaries",
        "action_pause",
        "pause_program",
    },
    "g2p.cycle": {"copy_beneficiaries_from_program", "check_eligibility", "prepare_entitlement", "to_approve"},
    "g2p.program_membership": {"verify_eligibility", "enroll_eligible_registrants"},
}
HELD = {  # goes on where cycles under way are finished, refused where they are held
    "g2p.cycle": {"approve", "validate_entitlement", "prepare_payment", "send_payment"},
    "g2p.entitlement": {"approve_entitlement"},
}


@tagged("post_install", "-at_install")
class TestPause(MoneyCase):
    def setUp(self):
        super().setUp()
        self.cycle_draft = self.prepared_cycle()
        self.paused = self.cycle_draft.program_id.with_user(self.manager)

    def prepared_cycle(self):
        program = self.program("To pause", target_type="individual")
        program.get_manager(program.MANAGER_ENTITLEMENT).amount_per_cycle = 10
        person = self.individual("Abebe")
        self.env["res.partner.bank"].create({"partner_id": person.id, "acc_number": "PAUSE-1"})
        self.member(program, person, "enrolled")
        program.create_new_cycle()
        cycle = program.cycle_ids.with_user(self.manager)
        cycle.prepare_entitlement()
        return cycle

    def targets(self, model):
        return {
            "g2p.program": self.paused,
            "g2p.cycle": self.cycle_draft,
            "g2p.program_membership": self.paused.program_membership_ids.with_user(self.manager),
            "g2p.entitlement": self.cycle_draft.entitlement_ids,
        }[model]

    def test_nothing_starts_while_paused(self):
        self.paused.pause_program("Elections", "finish")
        for model, methods in STARTS.items():
            for method in sorted(methods - {"action_pause", "pause_program"}):
                with self.subTest(model=model, method=method), self.assertRaisesRegex(UserError, "Elections"):
                    getattr(self.targets(model), method)()
        with self.assertRaisesRegex(UserError, "Elections"):
            self.env["g2p.cycle"].with_user(self.manager).create(
                {"name": "By hand", "program_id": self.paused.id, "start_date": "2030-01-01", "end_date": "2030-01-31"}
            )
        with self.assertRaisesRegex(UserError, "Elections"):
            self.member(self.paused, self.individual("Late"))
        wizard = self.env["g2p.entitlement.create.wizard"].with_user(self.manager)
        with self.assertRaisesRegex(UserError, "Elections"):
            wizard.create(
                {"cycle_id": self.cycle_draft.id, "initial_amount": 5, "reason": "Appeal"}
            ).create_entitlement()
        self.paused.resume_program()
        self.assertTrue(self.cycle_draft.to_approve())

    def test_every_button_that_starts_something_asks(self):
        """Methods that say what starts are found in the code: who calls `_check_active` is in the list above."""
        for model in ("g2p.program", "g2p.cycle", "g2p.program_membership", "g2p.entitlement"):
            found = set()
            for name in dir(type(self.env[model])):
                method = getattr(type(self.env[model]), name)
                if name.startswith("_") or not inspect.isfunction(method) or getattr(method, "_api_private", False):
                    continue
                code = method.__code__.co_names
                if "_bulk_start" in code or "_check_active" in code:
                    found.add(name)
            listed = STARTS.get(model, set()) | HELD.get(model, set()) | GOES_ON.get(model, set())
            self.assertFalse(found - listed, f"{model}: say here what pausing a program does to these")

    def test_cycles_under_way_are_finished(self):
        cycle = self.cycle_draft
        cycle.to_approve()
        self.paused.pause_program("Elections", "finish")
        cycle.with_user(self.users["approver"]).approve()
        self.assertEqual(cycle.state, "approved")
        self.assertIn("under way are finished", self.paused.next_step)

    def test_cycles_under_way_are_held(self):
        cycle = self.cycle_draft
        cycle.to_approve()
        self.paused.pause_program("Fraud is looked into", "hold")
        with self.assertRaisesRegex(UserError, "Fraud"):
            cycle.with_user(self.users["approver"]).approve()
        self.paused.resume_program()
        cycle.with_user(self.users["approver"]).approve()
        self.paused.pause_program("Fraud is looked into", "hold")
        for name in ("prepare_payment", "send_payment"):
            with self.subTest(name), self.assertRaisesRegex(UserError, "Fraud"):
                getattr(cycle, name)()
        with self.assertRaisesRegex(UserError, "Fraud"):
            cycle.with_user(self.users["finance"]).validate_entitlement()
        with self.assertRaisesRegex(UserError, "Fraud"):
            cycle.entitlement_ids.with_user(self.users["finance"]).approve_entitlement()
        self.assertEqual(cycle.entitlement_ids.blocked_now, "The program is paused")

    def test_only_a_manager_pauses_and_says_why(self):
        for role in ("validator", "approver", "finance", "registrar", "auditor"):
            with self.subTest(role=role), self.assertRaises(AccessError):
                self.paused.with_user(self.users[role]).pause_program("Because")
        with self.assertRaisesRegex(UserError, "Say why"):
            self.paused.pause_program("  ")
        with self.assertRaises(AccessError):
            self.paused.write({"pause_mode": "hold"})
        wizard = self.env["g2p.program.pause.wizard"].with_user(self.manager)
        wizard.create({"program_id": self.paused.id, "reason": "Elections"}).action_confirm()
        self.assertEqual((self.paused.state, self.paused.paused_by), ("paused", self.manager))
        self.paused.end_program()
        self.assertFalse(self.paused.pause_reason)


GOES_ON = {  # neither starts nor finishes: what is begun is taken back, or settled
    "g2p.cycle": {"reset_draft", "mark_cancelled", "action_repair"},
    "g2p.program": {"end_program", "action_compute_pmt_scores"},  # a score decides nothing by itself
}
