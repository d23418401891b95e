"""The second person's approval of a merge is a request like any other."""

from odoo.exceptions import AccessError, UserError
from odoo.service.model import call_kw
from odoo.tests import new_test_user, tagged

from .common import DeduplicationCase


@tagged("post_install", "-at_install")
class TestMergeApproval(DeduplicationCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kind = cls.env.ref("g2p_deduplication.approval_kind_merge")
        cls.area = cls.env["g2p.area"].create({"name": "Ward"})
        cls.other_manager = new_test_user(cls.env, "t_merge_manager", groups="g2p_programs.g2p_program_manager")

    def rpc(self, user, records, method, *args):
        """A call as it comes from outside; what it changes is undone where it is refused."""
        with self.env.cr.savepoint():
            result = call_kw(self.env[records._name].with_user(user), method, [records.ids, *args], {})
            self.env.flush_all()
        self.env.invalidate_all()
        return result

    def pair(self):
        return (
            self.individual("Tadesse", "Akinyi", birthdate="1990-05-05", area_id=self.area.id),
            self.individual("Tadesse", "Akinyii", birthdate="1990-05-06", area_id=self.area.id),
        )

    def draft(self, user=None):
        stays, goes = self.pair()
        merges = self.env["g2p.registrant.merge"].with_user(user or self.registrar)
        merge = merges.create({"survivor_id": stays.id, "merged_id": goes.id, "reason": "Seen together"})
        return merge.with_env(self.env)

    def proposed(self, user=None):
        merge = self.draft(user)
        self.rpc(user or self.registrar, merge, "action_propose")
        return merge, merge.sudo().approval_request_ids

    def test_it_is_proposed_and_agreed_to_in_the_inbox(self):
        merge, request = self.proposed()
        self.assertEqual((merge.state, request.state, request.requested_by), ("proposed", "waiting", self.registrar))
        self.assertNotIn("TADESSE", request.name, "what stays on record and is mailed names nobody")
        self.assertNotIn("TADESSE", str(request.figures))
        inbox = self.env["g2p.approval.request"].with_user(self.manager).search([("can_decide", "=", True)])
        self.assertIn(request, inbox)
        self.rpc(self.manager, request, "action_approve", "I know them", request.digest)
        self.assertEqual((request.state, merge.state, merge.merged_by_id), ("done", "merged", self.manager))
        self.assertEqual(merge.merged_id.merged_into_id, merge.survivor_id)

    def test_who_decides_sees_who_stays_and_who_goes_as_far_as_they_may(self):
        merge = self.draft()
        for partner, number in ((merge.survivor_id, "KB 11"), (merge.merged_id, "KB 22")):
            self.document(partner, number)
            self.account(partner, f"77700{number[-2:]}1")
        self.rpc(self.registrar, merge, "action_propose")
        request = merge.sudo().approval_request_ids.with_user(self.manager)
        table = str(request.figures_table)
        for told in ("Stays", "TADESSE, AKINYI, ", "KB 11", "TADESSE, AKINYII, ", "KB 22", "Accounts", "Ward"):
            self.assertIn(told, table)
            self.assertIn(told, request.people_text)
        form = merge.with_user(self.manager)
        self.assertIn("KB 11", form.survivor_facts)
        self.assertIn("KB 22", form.merged_facts)
        self.assertIn("Accounts", form.both_kept)
        # somebody in charge of the area of one of them only
        merge.merged_id.area_id = self.env["g2p.area"].create({"name": "Elsewhere"})
        local = new_test_user(
            self.env, "t_merge_ward", groups="g2p_programs.g2p_program_manager", g2p_area_ids=[(6, 0, self.area.ids)]
        )
        self.env.invalidate_all()
        seen = f"{request.with_user(local).people_text or ''}{merge.with_user(local).merged_facts or ''}"
        self.assertNotIn("AKINYII", seen)
        self.assertNotIn("KB 22", seen)

    def test_the_button_of_the_merge_says_the_same(self):
        merge, request = self.proposed()
        self.rpc(self.manager, merge, "action_merge")
        self.assertEqual((request.state, merge.state, request.decision_ids.user_id), ("done", "merged", self.manager))

    def test_nobody_else_says_a_word(self):
        merge, request = self.proposed(self.admin)
        other = self.env["res.company"].create({"name": "Other country"})
        place = self.env["g2p.area"].create({"name": "Elsewhere"})
        groups = "g2p_programs.g2p_program_manager"
        merge.survivor_id.company_id = merge.merged_id.company_id = self.env.company
        nobody = [
            self.admin,
            new_test_user(
                self.env, "t_merge_there", groups=groups, company_id=other.id, company_ids=[(6, 0, other.ids)]
            ),
            new_test_user(self.env, "t_merge_local", groups=groups, g2p_area_ids=[(6, 0, place.ids)]),
            *(self.users[role] for role in ("registrar", "validator", "approver", "finance", "support", "auditor")),
            self.outsider,
            self.portal,
        ]
        for user in nobody:
            for records, method, args in (
                (request, "action_approve", ("Yes", request.digest)),
                (request, "action_reject", ("No", request.digest)),
                (merge, "action_merge", ()),
            ):
                with self.subTest(user=user.login, method=method), self.assertRaises(UserError):
                    self.rpc(user, records, method, *args)
        self.assertEqual((merge.state, request.state), ("proposed", "waiting"))

    def test_who_chose_what_is_kept_does_not_agree_to_it(self):
        """A registrar proposes what an administrator has changed meanwhile."""
        for change in (
            lambda merge: self.rpc(self.admin, merge.line_ids[:1], "write", {"take": "merged"}),
            lambda merge: self.rpc(self.admin, merge, "action_swap"),
            lambda merge: self.rpc(self.admin, merge, "write", {"reason": "Other words"}),
        ):
            merge = self.draft()
            change(merge)
            self.rpc(self.registrar, merge, "action_propose")
            request = merge.sudo().approval_request_ids
            with self.assertRaises(UserError):
                self.rpc(self.admin, merge, "action_merge")
            with self.assertRaises(AccessError):
                self.rpc(self.admin, request, "action_approve", "Yes", request.digest)
            self.rpc(self.manager, merge, "action_merge")
            self.assertEqual(merge.state, "merged")

    def test_refused_with_a_remark(self):
        merge, request = self.proposed()
        dialog = self.rpc(self.manager, merge, "action_reject")
        self.assertEqual((dialog["res_model"], merge.state), ("g2p.approval.decide", "proposed"))
        self.rpc(self.manager, merge, "action_reject", "Cousins")
        self.assertEqual((merge.state, request.state), ("rejected", "refused"))
        self.assertIn("Cousins", merge.with_user(self.registrar).approval_stage_ids.said)
        history = self.env["g2p.state.history"].search(
            [("res_model", "=", merge._name), ("res_id", "=", merge.id), ("to_state", "=", "rejected")]
        )
        self.assertEqual(history.reason, "Cousins")

    def test_back_to_draft_it_is_asked_for_no_more(self):
        merge, request = self.proposed()
        self.rpc(self.registrar, merge, "action_reset_to_draft")
        self.assertEqual((merge.state, request.state), ("draft", "withdrawn"))
        self.rpc(self.registrar, merge, "action_propose")
        self.rpc(self.registrar, merge._approval_open(), "action_withdraw")
        self.assertEqual(merge.state, "draft")

    def test_what_waits_is_not_deleted(self):
        merge, request = self.proposed()
        for user in (self.registrar, self.admin):
            with self.assertRaisesRegex(UserError, "Only drafts and rejected"):
                self.rpc(user, merge, "unlink")
        self.assertEqual((merge.state, request.state), ("proposed", "waiting"))
        self.rpc(self.registrar, merge, "action_reset_to_draft")
        self.rpc(self.registrar, merge, "unlink")
        self.assertFalse(merge.exists())

    def test_a_change_after_it_was_seen_voids_it(self):
        """What is kept is chosen of what both say: when that changes, somebody looks again."""
        for change in (
            lambda merge: merge.survivor_id.write({"birthdate": "1991-01-01"}),
            lambda merge: merge.line_ids[:1].write({"take": "merged"}),
            lambda merge: merge.write({"reason": "Other words"}),
        ):
            merge, request = self.proposed()
            change(merge.sudo())
            self.env.flush_all()
            self.assertTrue(request.is_changed)
            self.rpc(self.manager, request, "action_approve", "Yes", request.digest)
            self.assertEqual((request.state, merge.state), ("void", "draft"))
            self.assertFalse(merge.merged_id.merged_into_id)

    def test_a_department_does_without(self):
        self.kind.off_company_ids = self.env.company
        stays, goes = self.pair()
        (stays | goes).company_id = self.env.company
        merge = self.env["g2p.registrant.merge"].with_user(self.admin)
        merge = merge.create({"survivor_id": stays.id, "merged_id": goes.id, "reason": "Seen together"})
        self.rpc(self.admin, merge, "action_propose")
        self.assertEqual(merge.state, "proposed")
        self.rpc(self.admin, merge, "action_merge")
        self.assertEqual(merge.state, "merged")
        self.assertFalse(merge.sudo().approval_request_ids)

    def test_what_waited_before_is_asked_for(self):
        """A database of the version before has proposals, and no requests: who had no part agrees all the same."""
        merge, request = self.proposed()
        request._end("withdrawn")
        merge.sudo()._transition("proposed")
        self.rpc(self.manager, merge, "action_merge")
        self.assertEqual((merge.state, merge.sudo().approval_request_ids[:1].requested_by), ("merged", self.registrar))
