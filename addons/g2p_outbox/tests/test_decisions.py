from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import mute_logger

from .common import KIND, OutboxCase


@tagged("post_install", "-at_install")
class TestDecisions(OutboxCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.anna, cls.ben = (
            new_test_user(cls.env, login=login, groups="base.group_user,g2p_outbox.group_g2p_outbox_manager")
            for login in ("outbox anna", "outbox ben")
        )
        cls.viewer = new_test_user(
            cls.env, login="outbox viewer", groups="base.group_user,g2p_bulk.group_g2p_bulk_user"
        )

    def decide(self, batches, decision, user=None, reason="The bank said so"):
        action = getattr(batches.with_user(user or self.anna), f"action_{decision}")()
        form = Form(self.env[action["res_model"]].with_user(user or self.anna).with_context(**action["context"]))
        form.reason = reason
        return form.save().action_confirm()

    def test_a_dead_letter_is_tried_again(self):
        partners, batch = self.sent(send=["reject"])
        self.decide(batch, "try_again")
        self.assertEqual((batch.state, batch.tries), ("waiting", 0))
        decided = batch.attempt_ids[0]
        self.assertEqual((decided.kind, decided.user_id, decided.reason), ("again", self.anna, "The bank said so"))
        self.wake()
        self.assertEqual((batch.state, self.effects()), ("done", [1]))
        self.assertEqual(self.told(partners), {"delivered;"})

    def test_what_nobody_knows_is_asked_for_after_a_decision_too(self):
        self.channel.write({"tries_most": 1})
        _partners, batch = self.sent(send=["drop_after"])
        self.assertEqual((batch.state, batch.fate), ("dead", "unknown"))
        self.decide(batch, "try_again")
        self.wake()
        self.assertEqual(self.remote.calls, [("POST", "drop_after"), ("GET", "ok")])
        self.assertEqual((batch.state, self.effects()), ("done", [1]))

    def test_giving_up_tells_the_records(self):
        partners, batch = self.sent(2, send=["reject"])
        self.decide(batch, "give_up")
        self.assertEqual((batch.state, batch.refused), ("given_up", 2))
        self.assertEqual(set(batch.message_ids.mapped("outcome")), {"given_up"})
        self.assertEqual(self.told(partners), {"given_up;"})
        self.wake()
        self.assertEqual(len(self.remote.calls), 1)

    def test_what_waits_can_be_given_up(self):
        _partners, batch = self.sent(send=["busy"])
        self.decide(batch, "give_up")
        self.wake()
        self.assertEqual((batch.state, len(self.remote.calls)), ("given_up", 1))

    def test_where_money_is_behind_it_two_people_give_up(self):
        with patch.object(self.registry[KIND], "_two_give_up", True):
            _partners, batch = self.sent(send=["reject"])
            for _time in range(2):
                told = self.decide(batch, "give_up")
                self.assertEqual((batch.state, batch.asked_to_give_up_by), ("dead", self.anna))
                self.assertIn("second person", told["params"]["message"])
            self.decide(batch, "give_up", self.ben)
        self.assertEqual(batch.state, "given_up")
        self.assertEqual(batch.attempt_ids.filtered(lambda a: a.kind == "give_up").user_id, self.anna + self.ben)

    def test_trying_again_takes_back_that_somebody_asked_to_give_up(self):
        with patch.object(self.registry[KIND], "_two_give_up", True):
            _partners, batch = self.sent(send=["reject", "reject"])
            self.decide(batch, "give_up")
            self.decide(batch, "try_again", self.ben)
            self.wake()
            self.decide(batch, "give_up", self.ben)
            self.assertEqual((batch.state, batch.asked_to_give_up_by), ("dead", self.ben))

    def test_what_is_over_or_under_way_is_not_decided(self):
        _partners, batch = self.sent()
        for decision in ("try_again", "give_up"):
            with self.subTest(decision), self.assertRaises(UserError):
                self.decide(batch, decision)
        batch.write({"state": "sending", "fate": "none"})
        with self.assertRaises(UserError):
            self.decide(batch, "give_up")

    def test_what_was_answered_is_not_given_up(self):
        with (
            patch.object(self.registry[KIND], "_finalize", lambda *a: 1 / 0),
            mute_logger("odoo.addons.g2p_outbox.models.outbox_batch"),
        ):
            _partners, batch = self.sent()
        with self.assertRaises(UserError):
            self.decide(batch, "give_up")

    def test_a_decision_needs_a_reason_and_the_role(self):
        _partners, batch = self.sent(send=["reject"])
        with self.assertRaisesRegex(AssertionError, "reason is a required field"):
            self.decide(batch, "give_up", reason=False)
        with self.assertRaises(AccessError):
            self.decide(batch, "give_up", self.viewer)
        with self.assertRaises(AccessError):
            self.env["g2p.outbox.decision"].with_user(self.viewer).create(
                {"decision": "give_up", "batch_ids": [fields.Command.set(batch.ids)], "reason": "Why not"}
            )
        self.assertEqual(batch.state, "dead")

    def test_of_another_company_nothing_is_decided(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        _partners, batch = self.sent(send=["reject"])
        stranger = new_test_user(
            self.env,
            login="outbox stranger",
            groups="base.group_user,g2p_outbox.group_g2p_outbox_admin",
            company_id=other.id,
            company_ids=[fields.Command.set(other.ids)],
        )
        with self.assertRaises(AccessError):
            self.decide(batch, "give_up", stranger)
        self.assertEqual(batch.state, "dead")
