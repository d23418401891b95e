"""Who sets stages, which of them apply, and that what waits keeps those it was asked with."""

from hypothesis import given, settings
from hypothesis import strategies as st

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import tagged

from .common import ApprovalCase


@tagged("post_install", "-at_install")
class TestStages(ApprovalCase):
    def names(self, **values):
        _paper, request = self.asked(**values)
        return request.stage_ids.mapped("name")

    def test_only_an_administrator_sets_who_approves(self):
        stage = self.stage(self.heads)
        for user in (self.clerk, self.ann, self.dora):
            for call in (
                lambda user=user: self.env["g2p.approval.stage"]
                .with_user(user)
                .create({"name": "Mine", "kind_id": self.kind.id, "group_id": self.heads.id}),
                lambda user=user: stage.with_user(user).write({"needed": 2}),
                lambda user=user: stage.with_user(user).unlink(),
                lambda user=user: self.kind.with_user(user).write({"group_id": self.directors.id}),
                lambda user=user: self.kind.with_user(user).write(
                    {"off_company_ids": [Command.link(self.env.company.id)]}
                ),
                lambda user=user: self.kind.with_user(user).write({"several_stages": True}),
            ):
                self.refused(AccessError, call)
        stage.with_user(self.admin).write({"needed": 2})
        # The right that a kind needs is the module's, not an administrator's.
        self.refused(AccessError, self.kind.with_user(self.admin).write, {"right_ids": [Command.link(self.clerks.id)]})
        self.refused(AccessError, self.kind.with_user(self.admin).write, {"code": "other"})

    def test_changes_of_the_rules_are_on_record(self):
        stage = self.stage(self.heads)
        stage.with_user(self.admin).write({"needed": 2, "user_ids": [Command.link(self.dora.id)]})
        self.kind.with_user(self.admin).write({"off_company_ids": [Command.link(self.env.company.id)]})
        self.env.flush_all()
        changes = self.env["g2p.change.history"].search(
            [("res_model", "in", ("g2p.approval.stage", "g2p.approval.kind")), ("user_id", "=", self.admin.id)]
        )
        self.assertEqual(set(changes.mapped("field")), {"needed", "user_ids", "off_company_ids"})

    def test_who_approves_holds_the_right(self):
        for values in (
            {"group_id": self.clerks.id},
            {"group_id": False, "user_ids": [Command.set(self.clerk.ids)]},
            {"escalate_days": 1, "escalate_group_id": self.clerks.id},
            {"escalate_days": 1, "escalate_user_ids": [Command.set(self.clerk.ids)]},
        ):
            with self.subTest(values):
                self.refused(ValidationError, self.stage, self.heads, **values)
        self.refused(ValidationError, self.kind.write, {"group_id": self.clerks.id})
        # Whoever lost the right since approves nothing, whatever the stage says.
        self.stage(self.heads, group_id=False, user_ids=[Command.set(self.ann.ids)])
        _paper, request = self.asked()
        self.ann.group_ids -= self.heads
        self.ann.group_ids += self.clerks
        self.assertFalse(request.with_user(self.ann).can_decide)
        self.refused(AccessError, self.approve, request, self.ann)

    def test_a_stage_says_who(self):
        self.refused(ValidationError, self.stage, self.heads, group_id=False)
        self.refused(ValidationError, self.stage, self.heads, escalate_days=1)
        self.refused(
            ValidationError, self.stage, self.heads, group_id=False, user_ids=[Command.set(self.ann.ids)], needed=2
        )

    def test_the_most_special_stages_count(self):
        owner = self.env["g2p.approval.test.owner"].create({"name": "Owner"})
        selection = type(self.env["g2p.approval.stage"])._selection_scope
        self.patch(
            type(self.env["g2p.approval.stage"]),
            "_selection_scope",
            lambda stage: [*selection(stage), ("g2p.approval.test.owner", "Owner")],
        )
        self.assertEqual(self.names(), ["Test heads"])  # of the kind
        self.stage(self.heads, name="All")
        self.stage(self.heads, name="Own", company_id=self.env.company.id)
        self.assertEqual(self.names(), ["Own"])
        self.stage(self.heads, name="One", scope=f"g2p.approval.test.owner,{owner.id}")
        self.assertEqual(self.names(), ["Own"])
        self.assertEqual(self.names(owner_id=owner.id), ["One"])

    def test_what_waits_keeps_its_stages(self):
        stage = self.stage(self.heads)
        _paper, request = self.asked()
        stage.write({"group_id": self.directors.id, "needed": 2})
        self.stage(self.directors, sequence=30)
        self.kind.several_stages = True
        self.assertEqual((request.stage_ids.group_id, request.stage_ids.needed), (self.heads, 1))
        self.assertFalse(request.several_stages)
        stage.unlink()
        self.approve(request, self.ann)
        self.assertEqual(request.state, "done")
        self.assertEqual(self.names(), ["Test directors"])

    def test_switched_off_it_is_done_at_once(self):
        self.kind.off_company_ids = self.env.company
        paper = self.paper(self.clerk)
        self.assertTrue(self.rpc(self.clerk, paper, "file"))
        self.assertEqual(paper.sudo().filed, 1)
        self.assertFalse(paper.sudo().approval_request_ids)
        # Somewhere else it is asked for.
        other = self.env["res.company"].create({"name": "Other"})
        self.kind.off_company_ids = other
        paper = self.paper(self.clerk)
        paper.file()
        self.assertFalse(paper.sudo().filed)

    def test_what_nobody_could_agree_to_is_not_asked(self):
        alone = self.env["res.groups"].create({"name": "Alone", "implied_ids": [Command.link(self.heads.id)]})
        fay = self.user("fay", alone)
        self.stage(alone)
        paper = self.paper(fay)
        self.assertIn("there are 0", self.refused(UserError, self.rpc, fay, paper, "file"))
        self.assertFalse(paper.sudo().approval_request_ids)

    def test_an_amount_in_other_money_skips_no_stage(self):
        other = self.env["res.currency"].create({"name": "XTC", "symbol": "x"})
        self.stage(self.heads, name="Any")
        self.stage(self.directors, name="Much", sequence=20, amount_from=100)
        self.assertEqual(self.names(amount=99.99), ["Any"])
        self.assertEqual(self.names(amount=100), ["Any", "Much"])
        self.assertEqual(self.names(amount=1, currency_id=other.id), ["Any", "Much"])

    def test_below_all_amounts_one_of_the_kind_agrees(self):
        self.stage(self.directors, name="Much", amount_from=100)
        self.assertEqual(self.names(amount=5), ["Test heads"])

    @settings(max_examples=30, deadline=None)
    @given(
        thresholds=st.lists(st.integers(0, 500), min_size=1, max_size=4),
        amount=st.decimals("0", "600", places=2),
    )
    def test_every_stage_that_an_amount_reaches_applies(self, thresholds, amount):
        with self.cr.savepoint() as savepoint:
            for number, threshold in enumerate(thresholds):
                self.stage(self.heads, name=f"From {threshold}", sequence=number, amount_from=threshold)
            values = self.env["g2p.approval.stage"]._values_for(
                self.kind, self.env.company, None, amount, self.env.company.currency_id
            )
            expected = [f"From {threshold}" for threshold in thresholds if amount >= threshold]
            self.assertEqual([value["name"] for value in values], expected or ["Test heads"])
            savepoint.rollback()
            self.env.invalidate_all()
