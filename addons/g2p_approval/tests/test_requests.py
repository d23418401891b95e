"""Asking, agreeing, refusing, taking back; what was changed is void."""

from psycopg2.errors import InsufficientPrivilege, UniqueViolation

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import ApprovalCase


@tagged("post_install", "-at_install")
class TestRequests(ApprovalCase):
    def test_who_prepared_asks_and_another_agrees(self):
        paper, request = self.asked()
        self.assertFalse(paper.sudo().filed)
        self.assertEqual((request.state, request.requested_by, request.author_ids), ("waiting", self.clerk, self.clerk))
        self.assertEqual(request.name, "File a paper: Paper")
        self.assertIn("10.00", request.figures_text)
        self.approve(request, self.ann, "Looks right")
        self.assertEqual(request.state, "done")
        self.assertEqual(paper.sudo().filed, 1)
        [decision] = request.decision_ids
        self.assertEqual(
            (decision.user_id, decision.decision, decision.remark, decision.digest),
            (self.ann, "approved", "Looks right", request.digest),
        )

    def test_one_who_had_no_part_agrees_by_the_button(self):
        paper = self.paper()
        self.assertTrue(self.rpc(self.ann, paper, "file"))
        request = paper.sudo().approval_request_ids
        self.assertEqual(
            (request.state, request.requested_by, request.decision_ids.user_id), ("done", self.clerk, self.ann)
        )
        self.assertEqual(paper.sudo().filed, 1)

    def test_who_prepared_can_not_agree_by_any_way(self):
        paper, request = self.asked(self.ann)
        self.assertFalse(paper.sudo().filed)
        text = self.refused(AccessError, self.approve, request, self.ann)
        self.assertIn("somebody else has to agree", text)
        self.refused(UserError, self.rpc, self.ann, paper, "file")
        wizard = (
            self.env["g2p.approval.decide"]
            .with_user(self.ann)
            .create({"request_ids": [Command.set(request.ids)], "shown": {str(request.id): request.digest}})
        )
        self.refused(UserError, wizard.decide)
        # Nor who changed it since, though another made it.
        paper, request = self.asked()
        paper.sudo().with_user(self.ben).write({"amount": 11})
        self.assertEqual(request.state, "void")
        paper.with_user(self.ben).file()
        request = paper.sudo().approval_request_ids.filtered(lambda request: request.state == "waiting")
        self.assertEqual(request.author_ids, self.ben + self.clerk)
        self.refused(AccessError, self.approve, request, self.ben)
        # Back to what it was is no way to forget who changed it.
        paper.with_user(self.ben).write({"amount": 10})
        paper.file()
        request = paper.sudo().approval_request_ids.filtered(lambda request: request.state == "waiting")
        self.refused(AccessError, self.approve, request, self.ben)
        self.approve(request, self.ann)
        self.assertEqual(paper.sudo().filed, 1)

    def test_a_change_makes_it_void(self):
        paper, request = self.asked()
        digest = request.digest
        paper.write({"note": "no matter"})
        self.assertEqual(request.state, "waiting")
        paper.write({"amount": 12})
        self.assertEqual((request.state, paper.sudo().refused), ("void", "void"))
        self.refused(UserError, self.approve, request, self.ann, digest=digest)
        self.assertFalse(paper.sudo().filed)

    def test_a_change_past_the_orm_is_seen_when_it_is_decided(self):
        self.stage(self.heads)
        self.stage(self.directors, sequence=20)
        paper, request = self.asked()
        self.approve(request, self.ann)
        self.env.cr.execute("UPDATE g2p_approval_test_paper SET amount = 99 WHERE id = %s", [paper.id])
        self.env.invalidate_all()
        self.assertTrue(request.is_changed)
        told = self.approve(request, self.dora)
        self.assertEqual(told["params"]["type"], "danger")
        self.assertEqual((request.state, paper.sudo().filed), ("void", 0))
        self.assertEqual(request.decision_ids.user_id, self.ann)

    def test_what_was_shown_has_to_be_named(self):
        paper, request = self.asked()
        for digest in (None, "", "0" * 64, {}, {str(request.id): None}):
            self.refused(UserError, self.approve, request, self.ann, digest=digest)
        self.assertFalse(request.decision_ids)
        self.approve(request, self.ann, digest={str(request.id): request.digest})
        self.assertEqual(request.state, "done")

    def test_several_at_once(self):
        first, one = self.asked()
        second, two = self.asked()
        both = one + two
        self.refused(UserError, self.approve, both, self.ann, digest={one.id: one.digest})
        self.refused(UserError, self.approve, both, self.ann, digest=one.digest)
        wizard = (
            self.env["g2p.approval.decide"]
            .with_user(self.ann)
            .with_context(active_model="g2p.approval.request", active_ids=both.ids)
            .create({})
        )
        wizard.decide()
        self.assertEqual(both.mapped("state"), ["done", "done"])
        self.assertEqual((first.sudo().filed, second.sudo().filed), (1, 1))

    def test_where_each_is_decided_by_itself(self):
        self.stage(self.heads, several_at_once=False)
        _first, one = self.asked()
        _second, two = self.asked()
        both = one + two
        self.assertIn(
            "by itself",
            self.refused(UserError, self.approve, both, self.ann, digest={r.id: r.digest for r in both}),
        )
        self.approve(one, self.ann)
        self.assertEqual(both.mapped("state"), ["done", "waiting"])

    def test_refusing_needs_a_reason(self):
        paper, request = self.asked()
        self.refused(UserError, self.rpc, self.ann, request, "action_reject", " ", request.digest)
        self.rpc(self.ann, request, "action_reject", "Wrong sum", request.digest)
        self.assertEqual((request.state, paper.sudo().refused, paper.sudo().filed), ("refused", "refused", 0))
        self.assertIn("Wrong sum", request.stage_ids.said)
        # It can be asked for again, as another request.
        paper.file()
        self.assertEqual(sorted(paper.sudo().approval_request_ids.mapped("state")), ["refused", "waiting"])

    def test_taking_back(self):
        paper, request = self.asked()
        self.refused(AccessError, self.rpc, self.ann, request, "action_withdraw")
        self.rpc(self.clerk, request, "action_withdraw")
        self.assertEqual(request.state, "withdrawn")
        self.refused(UserError, self.approve, request, self.ann)
        self.refused(UserError, self.rpc, self.clerk, request, "action_withdraw")
        self.assertEqual(paper.sudo().filed, 0)

    def test_what_is_deleted_waits_no_more(self):
        paper, request = self.asked()
        paper.unlink()
        self.assertEqual(request.state, "withdrawn")
        self.refused(UserError, self.approve, request, self.admin)

    def test_one_open_request_a_thing_and_kind(self):
        paper, request = self.asked()
        self.refused(UserError, self.rpc, self.clerk, paper, "file")
        with mute_logger("odoo.sql_db"):
            self.refused(
                UniqueViolation,
                lambda: self.env["g2p.approval.request"]._ask(paper, "test_paper", self.clerk).flush_recordset(),
            )
        self.assertEqual(paper.sudo().approval_request_ids, request)

    def test_what_can_not_be_done_is_not_agreed_to(self):
        paper, request = self.asked(note="impossible")
        self.assertEqual(self.refused(UserError, self.approve, request, self.ann), "It can't be filed.")
        self.assertEqual(request.state, "waiting")
        self.assertFalse(request.decision_ids)
        paper, request = self.asked()
        self.approve(request, self.ann)
        self.assertEqual(self.refused(UserError, self.rpc, self.clerk, paper, "file"), "Filed already.")

    def test_done_later_exactly_as_agreed(self):
        owner = self.env["g2p.approval.test.owner"].with_user(self.clerk).create({"name": "Owner"})
        papers = self.paper(owner_id=owner.id) + self.paper(owner_id=owner.id)
        self.refused(UserError, self.rpc, self.clerk, owner, "file_all")
        owner.ask()
        request = owner.sudo().approval_request_ids
        self.refused(UserError, self.rpc, self.clerk, owner, "file_all")
        self.approve(request, self.ann)
        self.assertEqual(request.state, "granted")
        papers[0].amount = 11
        self.assertIn("changed", self.refused(UserError, self.rpc, self.clerk, owner, "file_all"))
        papers[0].amount = 10
        self.rpc(self.clerk, owner, "file_all")
        self.assertEqual((request.state, owner.sudo().filed), ("done", 1))
        # Agreed to once is done once.
        self.refused(UserError, self.rpc, self.clerk, owner, "file_all")

    def test_the_history_is_on_the_record(self):
        paper, request = self.asked()
        mine = paper.with_user(self.ann)
        self.assertTrue(mine.approval_can_decide)
        self.assertIn("waits for Test heads", mine.approval_text)
        self.assertEqual(mine.approval_state, "Test heads")
        self.assertFalse(paper.approval_can_decide)
        self.approve(request, self.ann, "Fine")
        self.assertFalse(mine.approval_text)
        self.assertIn("Fine", mine.approval_stage_ids.said)
        arch = mine.get_view(view_type="form")["arch"]
        for name in ("approval_text", "approval_outcome", "approval_stage_ids", "action_view_approval"):
            self.assertIn(f'name="{name}"', arch)

    def test_the_window_shows_all_that_is_decided_on(self):
        decide = self.env["g2p.approval.decide"].with_user(self.ann)
        [_first, one], [_second, other] = self.asked(name="Letter <b>"), self.asked(amount=20)
        for requests, told in ((one, ["Letter &lt;b&gt;", "10.00"]), (one + other, ["Letter &lt;b&gt;", "20.00"])):
            wizard = decide.with_context(default_request_ids=requests.ids).create({})
            for text in (*told, self.clerk.name):
                self.assertIn(text, wizard.told)

    def test_who_must_act_is_told_in_one_message(self):
        _paper, request = self.asked()
        told = request.message_ids.filtered("partner_ids")
        self.assertEqual(len(told), 1)
        self.assertLessEqual((self.ann + self.ben + self.cem + self.dora + self.emil).partner_id, told.partner_ids)
        self.assertNotIn(self.clerk.partner_id, told.partner_ids)
        self.assertEqual(len(request.activity_ids), 1)
        self.assertFalse(request.activity_ids.user_id)
        groups = {group["model"]: group for group in self.env["res.users"].with_user(self.ann)._get_activity_groups()}
        self.assertEqual(groups["g2p.approval.request"]["total_count"], 1)
        self.assertEqual(
            self.env["g2p.approval.request"].with_user(self.ann).search(groups["g2p.approval.request"]["domain"]),
            request,
        )
        groups = self.env["res.users"].with_user(self.clerk)._get_activity_groups()
        self.assertNotIn("g2p.approval.request", [group["model"] for group in groups])
        self.approve(request, self.ann)
        self.assertFalse(request.activity_ids)
        # Who asked reads what became of it.
        self.assertEqual(request.message_ids[0].partner_ids, self.clerk.partner_id)

    def test_telling_costs_the_same_for_many(self):
        from odoo.addons.g2p_bulk.tests.statements import counting_statements

        # Partners without an address are told in the product only: what is counted is ours, not the mail server's.
        def people(count):
            self.env["res.users"].create(
                [
                    {
                        "name": f"Head {number}",
                        "login": f"head {count} {number}",
                        "group_ids": [Command.set(self.heads.ids)],
                    }
                    for number in range(count)
                ]
            )

        def statements():
            paper = self.paper()
            with counting_statements(self.cr) as count:
                paper.file()
            return count.statements

        statements()
        few = statements()
        people(50)
        statements()
        self.assertLessEqual(statements(), few + 6)

    def test_papers_are_evidence_once_it_is_decided(self):
        _paper, request = self.asked()
        mine = request.with_user(self.clerk)
        pending = {"res_model": "mail.compose.message", "res_id": 0}
        attachment = (
            self.env["ir.attachment"].with_user(self.clerk).create({"name": "a.txt", "raw": b"Please", **pending})
        )
        mine.message_post(body="See the letter", attachment_ids=attachment.ids)
        self.assertEqual(request.with_user(self.ann).paper_ids, attachment)
        self.approve(request, self.ann)
        more = self.env["ir.attachment"].with_user(self.clerk).create({"name": "b.txt", "raw": b"More", **pending})
        self.refused(AccessError, mine.message_post, body="More", attachment_ids=more.ids)
        self.refused(AccessError, attachment.sudo().unlink)

    def test_decisions_and_requests_stay(self):
        _paper, request = self.asked()
        self.approve(request, self.ann)
        decision = request.decision_ids
        for call in (
            lambda: decision.sudo().write({"remark": "other"}),
            lambda: decision.sudo().unlink(),
            lambda: request.sudo().unlink(),
            lambda: self.env["g2p.approval.decision"].with_user(self.admin).create({"request_id": request.id}),
            lambda: request.with_user(self.admin).write({"state": "waiting"}),
        ):
            self.refused(UserError, call)
        for statement in (
            "UPDATE g2p_approval_decision SET remark = 'other'",
            "DELETE FROM g2p_approval_decision",
            "TRUNCATE g2p_approval_decision CASCADE",
            "DELETE FROM g2p_approval_request",
            "UPDATE g2p_approval_request SET digest = 'other'",
            "UPDATE g2p_approval_request SET requested_by = 1",
            "UPDATE g2p_approval_request SET state = 'waiting'",
        ):
            with self.subTest(statement), mute_logger("odoo.sql_db"):
                self.refused(InsufficientPrivilege, self.env.cr.execute, statement)

    def test_the_database_keeps_the_rules_by_itself(self):
        self.stage(self.heads)
        self.stage(self.directors, sequence=20)
        _paper, request = self.asked()
        first, second = request.stage_ids

        def decide(stage, user, voice=None, digest=None):
            self.env.cr.execute(
                "INSERT INTO g2p_approval_decision (request_id, stage_id, user_id, voice_id, decision, date, digest)"
                " VALUES (%s, %s, %s, %s, 'approved', now(), %s)",
                [request.id, stage.id, user.id, (voice or user).id, digest or request.digest],
            )

        with mute_logger("odoo.sql_db"):
            self.refused(InsufficientPrivilege, decide, first, self.clerk)
            self.refused(InsufficientPrivilege, decide, first, self.ann, self.clerk)
            self.refused(InsufficientPrivilege, decide, second, self.ann)
            self.refused(InsufficientPrivilege, decide, first, self.ann, None, "other")
            self.approve(request, self.dora)
            self.refused(InsufficientPrivilege, decide, second, self.dora)
            self.refused(InsufficientPrivilege, decide, second, self.emil, self.dora)

    def test_what_takes_long_escalates(self):
        self.stage(
            self.heads,
            escalate_days=3,
            escalate_user_ids=[Command.set(self.dora.ids)],
            group_id=False,
            user_ids=[Command.set(self.ann.ids)],
        )
        _paper, request = self.asked()
        requests = self.env["g2p.approval.request"]
        self.refused(AccessError, self.approve, request, self.dora)
        requests._cron_escalate()
        self.assertFalse(request.stage_id.escalated_on)
        request.stage_id.due_on = fields.Datetime.subtract(fields.Datetime.now(), hours=1)
        self.assertTrue(request.is_overdue)
        self.assertIn(request, requests.search([("is_overdue", "=", True)]))
        requests._cron_escalate()
        self.assertTrue(request.stage_id.escalated_on)
        self.assertIn(self.dora.partner_id, request.message_ids.partner_ids)
        told = len(request.message_ids)
        requests._cron_escalate()
        self.assertEqual(len(request.message_ids), told)
        # Others may now as well, and who could before still can.
        self.assertTrue(request.with_user(self.ann).can_decide)
        self.assertFalse(request.with_user(self.ben).can_decide)
        self.approve(request, self.dora)
        self.assertEqual(request.state, "done")
