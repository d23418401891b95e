"""Somebody else agrees to a re-admission, and to a reversal: one request for the members, whatever their number."""

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.service.model import call_kw
from odoo.tests import new_test_user, tagged

from .life import LifeCase

MANAGER = "g2p_programs.g2p_program_manager"


@tagged("post_install", "-at_install")
class TestMembershipApproval(LifeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.second = new_test_user(cls.env, "t_second_manager", groups=MANAGER)

    def setUp(self):
        super().setUp()
        self.change(self.of(self.large, self.small), "exit")

    def rpc(self, user, records, method, *args):
        """A call as it comes from outside; what it changes is undone where it is refused."""
        with self.env.cr.savepoint():
            result = call_kw(self.env[records._name].with_user(user), method, [records.ids, *args], {})
            self.env.flush_all()
        self.env.invalidate_all()
        return result

    def asked(self, **values):
        """(change, request) of a re-admission that waits."""
        self.wizard(self.of(self.large, self.small), "readmit", self.manager, **values).action_confirm()
        self.env.invalidate_all()
        change = self.env["g2p.membership.change"].search([], limit=1)
        return change, change.approval_request_ids

    def reversal(self):
        """(change, request) of a reversal that its maker asked for."""
        change = self.env["g2p.membership.change"].search([], limit=1)
        self.rpc(self.validator, change, "action_ask_reverse")
        return change, change.approval_request_ids

    def nobody(self):
        other = self.env["res.company"].create({"name": "Other country"})
        place = self.env["g2p.area"].create({"name": "Elsewhere"})
        return [
            new_test_user(self.env, "t_there", groups=MANAGER, company_id=other.id, company_ids=[(6, 0, other.ids)]),
            new_test_user(self.env, "t_local", groups=MANAGER, g2p_area_ids=[(6, 0, place.ids)]),
            *(self.users[role] for role in ("validator", "approver", "finance", "registrar", "support", "auditor")),
            self.outsider,
            self.portal,
        ]

    # Re-admission

    def test_a_readmission_waits_for_another_manager(self):
        wizard = self.wizard(self.of(self.large, self.small), "readmit", self.manager)
        self.assertTrue(wizard.is_asked)
        answer = wizard.action_confirm()
        self.assertIn("waits for", answer["params"]["message"])
        change = self.env["g2p.membership.change"].search([], limit=1)
        request = change.approval_request_ids
        self.assertEqual((change.state, request.state, request.requested_by), ("planned", "waiting", self.manager))
        self.assertEqual(self.of(self.large, self.small).mapped("state"), ["exited", "exited"])
        self.assertIn("Re-admit: 2 members", request.name)
        self.rpc(self.second, request, "action_approve", "They qualify", request.digest)
        self.assertEqual((change.state, request.state, change.user_id), ("done", "done", self.manager))
        self.assertEqual(self.of(self.large, self.small).mapped("state"), ["draft", "draft"])

    def test_nobody_else_agrees_to_a_readmission(self):
        change, request = self.asked()
        for user in (self.manager, *self.nobody()):
            for method, remark in (("action_approve", "Yes"), ("action_reject", "No")):
                with self.subTest(user=user.login, method=method), self.assertRaises(AccessError):
                    self.rpc(user, request, method, remark, request.digest)
        self.assertEqual((change.state, request.state), ("planned", "waiting"))

    def test_nobody_agrees_to_members_whom_they_do_not_see(self):
        change, request = self.asked()
        area = self.env["g2p.area"].create({"name": "Here"})
        self.large.area_id = area
        local = new_test_user(self.env, "t_here", groups=MANAGER, g2p_area_ids=[(6, 0, area.ids)])
        with self.assertRaisesRegex(AccessError, "beyond your areas"):
            self.rpc(local, request, "action_approve", "Yes", request.digest)
        self.assertEqual(change.state, "planned")

    def test_refused_it_is_not_carried_out(self):
        change, request = self.asked()
        self.rpc(self.second, request, "action_reject", "Not yet", request.digest)
        self.assertEqual((change.state, request.state), ("cancelled", "refused"))
        self.assertIn("Not yet", change.with_user(self.manager).approval_stage_ids.said)
        self.assertEqual(self.of(self.large).state, "exited")

    def test_a_cancelled_plan_is_asked_for_no_more(self):
        change, request = self.asked()
        self.rpc(self.manager, change, "action_cancel")
        self.assertEqual((change.state, request.state), ("cancelled", "withdrawn"))

    def test_a_member_more_is_agreed_to_by_nobody(self):
        change, request = self.asked()
        empty = self.of(self.empty)
        self.env.cr.execute(
            "INSERT INTO g2p_membership_change_line (change_id, membership_id, partner_id, outcome)"
            " VALUES (%s, %s, %s, 'pending')",
            [change.id, empty.id, empty.partner_id.id],
        )
        self.env.invalidate_all()
        self.rpc(self.second, request, "action_approve", "Yes", request.digest)
        self.assertEqual((change.state, request.state), ("cancelled", "void"))
        self.assertEqual(self.of(self.large).state, "exited")

    def test_the_daily_job_carries_out_nothing_that_waits(self):
        change, request = self.asked()
        self.env["g2p.membership.change"]._cron_daily()
        self.assertEqual((change.state, request.state), ("planned", "waiting"))

    def test_a_plan_is_agreed_to_before_its_day(self):
        today = fields.Date.today()
        change, request = self.asked(date=fields.Date.add(today, days=10))
        self.rpc(self.second, request, "action_approve", "Yes", request.digest)
        self.assertEqual((change.state, request.state), ("planned", "granted"))
        with freeze_time(fields.Date.add(today, days=10)):
            self.env["g2p.membership.change"]._cron_daily()
            self.env.invalidate_all()
        self.assertEqual((change.state, request.state), ("done", "done"))
        self.assertEqual(self.of(self.large).state, "draft")

    def test_a_plan_that_is_not_as_agreed_is_not_carried_out(self):
        today = fields.Date.today()
        change, request = self.asked(date=fields.Date.add(today, days=10))
        self.rpc(self.second, request, "action_approve", "Yes", request.digest)
        self.env.cr.execute("UPDATE g2p_membership_change SET remark = 'Other' WHERE id = %s", [change.id])
        self.env.invalidate_all()
        with freeze_time(fields.Date.add(today, days=10)):
            self.env["g2p.membership.change"]._cron_daily()
            self.env.invalidate_all()
        self.assertEqual((change.state, self.of(self.large).state), ("cancelled", "exited"))
        self.assertNotIn(request.state, ("waiting", "granted"))

    # Reversal

    def test_who_made_a_change_asks_for_its_reversal(self):
        change, request = self.reversal()
        self.assertEqual((change.state, request.state, request.requested_by), ("done", "waiting", self.validator))
        self.assertIn("Reverse: Exit of 2 members", request.name)
        self.rpc(self.manager, request, "action_approve", "A mistake", request.digest)
        self.assertEqual((change.state, request.state, change.reversed_by), ("reversed", "done", self.manager))
        self.assertEqual(self.of(self.large, self.small).mapped("state"), ["enrolled", "enrolled"])

    def test_the_button_of_the_change_says_the_same(self):
        change, request = self.reversal()
        self.rpc(self.manager, change, "action_reverse")
        self.assertEqual(
            (change.state, request.state, request.decision_ids.user_id), ("reversed", "done", self.manager)
        )

    def test_nobody_else_agrees_to_a_reversal(self):
        change, request = self.reversal()
        nobody = self.nobody()
        for user in nobody:
            for records, method, args in (
                (request, "action_approve", ("Yes", request.digest)),
                (request, "action_reject", ("No", request.digest)),
                (change, "action_reverse", ()),
            ):
                with self.subTest(user=user.login, method=method), self.assertRaises(AccessError):
                    self.rpc(user, records, method, *args)
        for user in (self.manager, *nobody):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.rpc(user, change, "action_ask_reverse")
        self.assertEqual((change.state, request.state), ("done", "waiting"))

    def test_refused_the_change_stays(self):
        change, request = self.reversal()
        self.rpc(self.manager, request, "action_reject", "It was right", request.digest)
        self.assertEqual((change.state, request.state), ("done", "refused"))

    def test_a_reversal_of_other_members_is_agreed_to_by_nobody(self):
        change, request = self.reversal()
        self.env.cr.execute(
            "UPDATE g2p_membership_change_line SET from_state = 'paused' WHERE change_id = %s", [change.id]
        )
        self.env.invalidate_all()
        self.rpc(self.manager, request, "action_approve", "Yes", request.digest)
        self.assertEqual((change.state, request.state), ("done", "void"))

    def test_it_is_reversed_once(self):
        change, request = self.reversal()
        self.rpc(self.manager, change, "action_reverse")
        with self.assertRaises(UserError):
            self.rpc(self.second, request, "action_approve", "Yes", request.digest)
        with self.assertRaises(UserError):
            self.rpc(self.second, change, "action_reverse")

    # Without

    def test_a_department_does_without(self):
        self.env.ref(
            "g2p_program_membership_change.approval_kind_membership_readmit"
        ).off_company_ids = self.env.company
        self.env.ref(
            "g2p_program_membership_change.approval_kind_membership_reverse"
        ).off_company_ids = self.env.company
        change, request = self.asked()
        self.assertEqual((change.state, self.of(self.large).state), ("done", "draft"))
        self.assertFalse(request)
        self.rpc(self.manager, change, "action_reverse")
        self.assertEqual((change.state, self.of(self.large).state), ("reversed", "exited"))

    def test_one_setting_does_without_everywhere(self):
        self.env["ir.config_parameter"].set_param("g2p_programs.maker_checker", "False")
        change, request = self.asked()
        self.assertEqual((change.state, bool(request)), ("done", False))

    def test_what_waits_is_not_let_through_by_switching_it_off(self):
        change, request = self.asked()
        self.env.ref(
            "g2p_program_membership_change.approval_kind_membership_readmit"
        ).off_company_ids = self.env.company
        self.env["g2p.membership.change"]._cron_daily()
        self.assertEqual((change.state, request.state), ("planned", "waiting"))
        self.rpc(self.second, request, "action_approve", "Yes", request.digest)
        self.assertEqual(change.state, "done")
