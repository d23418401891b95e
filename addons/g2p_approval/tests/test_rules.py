"""N of M, several stages, standing in: whoever counts, counts once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import tagged

from .common import ApprovalCase


@tagged("post_install", "-at_install")
class TestRules(ApprovalCase):
    def away(self, user, delegate, **values):
        today = fields.Date.today()
        return (
            self.env["g2p.approval.delegation"]
            .with_user(user)
            .create({"delegate_id": delegate.id, "date_from": today, "date_to": today, **values})
        )

    def test_two_of_three(self):
        self.stage(self.heads, needed=2)
        paper, request = self.asked()
        self.approve(request, self.ann)
        self.assertEqual((request.state, paper.sudo().filed), ("waiting", 0))
        self.assertIn("1 agreed so far", request.waits_for)
        self.assertFalse(request.with_user(self.ann).can_decide)
        self.assertIn("already", self.refused(AccessError, self.approve, request, self.ann))
        self.approve(request, self.ben)
        self.assertEqual((request.state, paper.sudo().filed), ("done", 1))

    def test_one_refusal_is_enough(self):
        self.stage(self.heads, needed=3)
        paper, request = self.asked()
        self.approve(request, self.ann)
        self.rpc(self.ben, request, "action_reject", "No", request.digest)
        self.assertEqual(request.state, "refused")
        self.refused(UserError, self.approve, request, self.cem)

    def test_stages_come_in_their_order(self):
        self.stage(self.directors, sequence=20)
        self.stage(self.heads, sequence=10)
        paper, request = self.asked()
        self.assertEqual(request.stage_ids.mapped("state"), ["open", "later"])
        self.approve(request, self.ann)
        self.assertEqual(request.stage_ids.mapped("state"), ["passed", "open"])
        self.refused(AccessError, self.approve, request, self.ben)
        self.approve(request, self.dora)
        self.assertEqual(paper.sudo().filed, 1)

    def test_nobody_decides_in_two_stages_unless_a_setting_says_so(self):
        self.stage(self.heads)
        self.stage(self.directors, sequence=20)
        _paper, request = self.asked()
        self.approve(request, self.dora)
        self.assertFalse(request.with_user(self.dora).can_decide)
        self.assertIn("earlier stage", self.refused(AccessError, self.approve, request, self.dora))
        self.approve(request, self.emil)
        self.assertEqual(request.state, "done")
        self.kind.several_stages = True
        _paper, request = self.asked()
        self.approve(request, self.dora)
        self.approve(request, self.dora)
        self.assertEqual(request.state, "done")

    def test_standing_in(self):
        self.stage(self.heads, group_id=False, user_ids=[Command.set(self.ann.ids)], may_delegate=True)
        self.away(self.ann, self.ben)
        _paper, request = self.asked()
        self.assertTrue(request.with_user(self.ben).can_decide)
        self.approve(request, self.ben)
        decision = request.decision_ids
        self.assertEqual((decision.user_id, decision.voice_id), (self.ben, self.ann))
        self.assertIn(f"{self.ben.name} for {self.ann.name} agreed", request.stage_ids.said)

    def test_standing_in_where_the_stage_does_not_allow_it(self):
        self.stage(self.heads, group_id=False, user_ids=[Command.set(self.ann.ids)])
        self.away(self.ann, self.ben)
        _paper, request = self.asked()
        self.refused(AccessError, self.approve, request, self.ben)

    def test_who_prepared_chooses_no_stand_in(self):
        self.stage(self.heads, group_id=False, user_ids=[Command.set((self.ann + self.cem).ids)], may_delegate=True)
        self.away(self.ann, self.ben)
        _paper, request = self.asked(self.ann)
        self.refused(AccessError, self.approve, request, self.ben)
        # Nor does who prepared stand in for others.
        self.away(self.cem, self.ann)
        self.refused(AccessError, self.approve, request, self.ann)

    def test_a_voice_counts_once(self):
        self.stage(
            self.heads, group_id=False, user_ids=[Command.set((self.ann + self.ben).ids)], needed=2, may_delegate=True
        )
        self.away(self.ann, self.ben)
        self.away(self.ann, self.cem)
        _paper, request = self.asked()
        self.approve(request, self.ben)
        # Ben has said his own word: Ann's is left, and nobody says two.
        self.refused(AccessError, self.approve, request, self.ben)
        self.approve(request, self.cem)
        self.assertEqual(request.decision_ids.voice_id, self.ann + self.ben)
        self.assertEqual(request.state, "done")

    def test_after_the_stand_in_the_other_says_no_second_word(self):
        self.stage(
            self.heads, group_id=False, user_ids=[Command.set((self.ann + self.ben).ids)], needed=2, may_delegate=True
        )
        self.away(self.ann, self.cem)
        _paper, request = self.asked()
        self.approve(request, self.cem)
        self.refused(AccessError, self.approve, request, self.ann)
        self.approve(request, self.ben)
        self.assertEqual(request.state, "done")

    def test_a_stand_in_gives_no_right_and_ends(self):
        self.refused(ValidationError, self.away, self.ann, self.clerk)
        self.refused(AccessError, self.away, self.ben, self.cem, user_id=self.ann.id)
        self.stage(self.heads, group_id=False, user_ids=[Command.set(self.ann.ids)], may_delegate=True)
        past = fields.Date.subtract(fields.Date.today(), days=3)
        self.away(self.ann, self.ben, date_from=past, date_to=past)
        _paper, request = self.asked()
        self.refused(AccessError, self.approve, request, self.ben)
        self.away(self.ann, self.ben, kind_ids=[Command.set(self.kind_set.ids)])
        self.refused(AccessError, self.approve, request, self.ben)
        standing = self.away(self.ann, self.ben)
        self.assertTrue(request.with_user(self.ben).can_decide)
        # Whoever left the office has no word.
        self.ann.active = False
        self.env.invalidate_all()
        self.assertFalse(request.with_user(self.ben).can_decide)
        self.refused(AccessError, standing.with_user(self.ben).write, {"delegate_id": self.cem.id})

    def test_the_day_of_a_stand_in_is_not_chosen_by_who_decides(self):
        self.stage(self.heads, group_id=False, user_ids=[Command.set(self.ann.ids)], may_delegate=True)
        yesterday = fields.Date.subtract(fields.Date.today(), days=1)
        tomorrow = fields.Date.add(fields.Date.today(), days=1)
        self.away(self.ann, self.ben, date_from=yesterday, date_to=yesterday)
        self.away(self.ann, self.ben, date_from=tomorrow, date_to=tomorrow)
        _paper, request = self.asked()
        for zone in ("Etc/GMT+12", "Etc/GMT-14", "UTC"):
            with self.subTest(zone):
                self.ben.tz = zone
                self.assertFalse(request.with_user(self.ben).with_context(tz=zone).can_decide)

    def test_stand_ins_are_few_and_who_stands_in_may_end_it(self):
        self.assertIn("nothing", self.refused(ValidationError, self.away, self.clerk, self.ann))
        later = fields.Date.add(fields.Date.today(), days=5)
        standing = self.away(self.ann, self.ben, date_to=later)
        as_ben = standing.with_user(self.ben)
        self.refused(AccessError, as_ben.write, {"date_to": fields.Date.add(later, days=1)})
        self.refused(AccessError, as_ben.write, {"date_to": fields.Date.today(), "reason": "Mine"})
        as_ben.write({"date_to": fields.Date.today()})
        self.assertEqual(standing.date_to, fields.Date.today())
        today = fields.Date.today()
        vals = {"delegate_id": self.ben.id, "date_from": today, "date_to": later}
        many = self.env["g2p.approval.delegation"].with_user(self.ann)
        self.refused(ValidationError, many.create, [vals] * 50)
        many.create([vals] * 49)
        voices = self.env["g2p.approval.request"]._voices(self.ben)
        self.assertEqual([voice[0] for voice in voices], [self.ben.id, self.ann.id], "each person once")

    @settings(max_examples=8, deadline=None)
    @given(needed=st.integers(1, 4), order=st.permutations(range(6)), data=st.data())
    def test_it_is_done_by_n_different_people_who_had_no_part(self, needed, order, data):
        people = [self.ann, self.ben, self.cem, self.dora, self.emil, self.clerk]
        author = data.draw(st.sampled_from(people))
        with self.cr.savepoint() as savepoint:
            self.stage(self.heads, needed=needed)
            paper, request = self.asked(author)
            agreed = set()
            for place in [*order, *order]:
                user = people[place]
                may = user not in agreed and user not in (author, self.clerk) and len(agreed) < needed
                # What the list says, what the form says, and what happens are one.
                requests = request.with_user(user)
                self.assertEqual(requests.can_decide, may)
                self.assertEqual(bool(requests.search([("id", "=", request.id), ("can_decide", "=", True)])), may)
                if may:
                    self.approve(request, user)
                    agreed.add(user)
                else:
                    self.refused(UserError, self.approve, request, user)
                self.assertEqual(paper.sudo().filed, int(len(agreed) >= needed))
            self.assertEqual(request.state, "done")
            self.assertEqual(len(request.decision_ids.user_id), needed)
            savepoint.rollback()
            self.env.invalidate_all()
