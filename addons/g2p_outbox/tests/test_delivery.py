from unittest.mock import patch

from psycopg2.errors import InsufficientPrivilege

from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from odoo.addons.g2p_bulk.tests.statements import counting_statements

from ..tools import transport
from ..tools.answer import ACCEPTED, DELIVERED, REFUSED, Answer, Result
from .common import KIND, OutboxCase

ENGINE = "odoo.addons.g2p_outbox.models.outbox_batch"


@tagged("post_install", "-at_install")
class TestDelivery(OutboxCase):
    def test_a_batch_arrives_and_its_records_are_told(self):
        partners, batch = self.sent(3)
        self.assertEqual((batch.state, batch.fate, batch.delivered, batch.refused), ("done", "answered", 3, 0))
        self.assertEqual(batch.reference, f"R-{batch.key[:8]}")
        self.assertEqual(self.told(partners), {"delivered;"})
        self.assertEqual(self.effects(), [1])
        self.assertEqual(set(batch.message_ids.mapped("outcome")), {"delivered"})
        self.assertTrue(all(message.reference == f"R-{message.key}" for message in batch.message_ids))
        self.wake()
        self.assertEqual(self.remote.calls, [("POST", "ok")])

    def test_one_of_a_batch_is_refused(self):
        partners = self.partners(3)
        self.remote.plan(refuse=[f"partner-{partners[1].id}"])
        self.queue(partners)
        self.channel._cron_wake()
        batch = self.batches()
        self.assertEqual((batch.state, batch.delivered, batch.refused), ("done", 2, 1))
        self.assertEqual(
            partners.mapped(lambda partner: str(partner.comment)), ["delivered;", "refused;", "delivered;"]
        )
        refused = batch.message_ids.filtered(lambda message: message.outcome == "refused")
        self.assertEqual((refused.res_id, refused.reason), (partners[1].id, "account.closed"))

    def test_what_certainly_did_not_arrive_is_sent_again(self):
        for behaviour in ("busy", "who", "redirect"):
            with self.subTest(behaviour):
                self.channel.failures = 0
                partners, batches = self.sent(send=[behaviour])
                batch = batches[-1]
                self.assertEqual((batch.state, batch.fate, batch.tries), ("waiting", "none", 1))
                self.assertGreater(batch.next_try, self.clock)
                self.env["g2p.outbox.channel"]._cron_wake()
                self.assertEqual(self.remote.calls, [("POST", behaviour)], "not before its time")
                self.wake()
                self.assertEqual(batch.state, "done")
                self.assertEqual(self.remote.calls, [("POST", behaviour), ("POST", "ok")])
                self.assertEqual(self.effects(), [1])
                self.assertEqual(self.told(partners), {"delivered;"})

    def test_what_nobody_knows_is_asked_for_before_it_is_sent_again(self):
        for behaviour in ("drop_after", "fail_after", "half", "garbage", "large"):
            with self.subTest(behaviour):
                self.channel.failures = 0
                partners, batches = self.sent(send=[behaviour])
                batch = batches[-1]
                self.assertEqual((batch.state, batch.fate), ("waiting", "unknown"))
                self.assertEqual(self.told(partners), {""})
                self.wake()
                self.assertEqual((batch.state, batch.delivered), ("done", 1))
                self.assertEqual(self.remote.calls, [("POST", behaviour), ("GET", "ok")])
                self.assertEqual(self.effects(), [1])
                self.assertEqual(self.told(partners), {"delivered;"})

    def test_what_never_arrived_is_sent_again_with_the_same_key(self):
        for behaviour in ("drop_before", "fail_before"):
            with self.subTest(behaviour):
                self.channel.failures = 0
                partners, batches = self.sent(send=[behaviour])
                self.wake()
                self.assertEqual(batches[-1].state, "done")
                self.assertEqual(self.remote.calls, [("POST", behaviour), ("GET", "ok"), ("POST", "ok")])
                self.assertEqual({key for _method, key, _what in self.remote.ledger()["calls"]}, {batches[-1].key})
                self.assertEqual(self.effects(), [1])
                self.assertEqual(self.told(partners), {"delivered;"})

    def test_a_question_without_an_answer_leaves_it_unknown(self):
        _partners, batch = self.sent(send=["drop_after"], ask=["fail_before", "drop_before", "busy"])
        for tries in (2, 3, 4):
            self.channel.failures = 0
            self.wake()
            self.assertEqual((batch.state, batch.fate, batch.tries), ("waiting", "unknown", tries))
        self.channel.write({"failures": 0, "open_until": False})
        self.wake()
        self.assertEqual(batch.state, "done")
        self.assertEqual(self.effects(), [1])

    def test_an_answer_that_takes_too_long(self):
        _partners, batch = self.sent(send=["hang_after"])
        self.assertEqual(batch.fate, "unknown")
        self.assertEqual(batch.last_error, "No answer within 1 seconds.")
        self.wake()
        self.assertEqual((batch.state, self.effects()), ("done", [1]))

    def test_taken_now_and_told_later(self):
        partners, batch = self.sent(send=["accept"])
        self.assertEqual((batch.state, batch.fate, batch.reference), ("waiting", "accepted", f"R-{batch.key[:8]}"))
        self.wake()
        self.assertEqual((batch.fate, batch.tries), ("accepted", 0))
        self.assertEqual(self.told(partners), {""})
        self.remote.next(ask=["settle"])
        self.wake()
        self.assertEqual(batch.state, "done")
        self.assertEqual(self.told(partners), {"delivered;"})
        self.assertEqual(self.effects(), [1])

    def test_after_enough_tries_a_person_decides(self):
        self.channel.write({"tries_most": 3, "failures_most": 100})
        _partners, batch = self.sent(send=["busy"] * 5)
        self.wake()
        self.assertEqual(batch.state, "waiting")
        self.wake()
        self.assertEqual((batch.state, batch.fate, batch.tries), ("dead", "none", 3))
        self.wake()
        self.assertEqual(len(self.remote.calls), 3)

    def test_what_would_not_be_taken_another_time_is_for_a_person_at_once(self):
        _partners, batch = self.sent(send=["reject"])
        self.assertEqual((batch.state, batch.fate, batch.last_error), ("dead", "none", "HTTP status 400"))
        self.wake()
        self.assertEqual(len(self.remote.calls), 1)

    def changed(self, batch):
        """What the batch tells is not what it was any more."""
        self.env.cr.execute(SQL("UPDATE g2p_outbox_message SET key = key || ' changed' WHERE batch_id = %s", batch.id))
        self.env.invalidate_all()

    def test_another_text_is_not_sent_under_the_same_key(self):
        _partners, batch = self.sent(send=["drop_before"])
        self.changed(batch)
        self.wake()
        self.assertEqual(self.remote.calls, [("POST", "drop_before"), ("GET", "ok")])
        self.assertEqual(batch.state, "dead")
        self.assertIn("not what was sent under this key", batch.last_error)
        self.assertEqual(self.effects(), [])
        # They said that they never got it: a person who knows that may decide.
        batch._try_again("They never got the first")
        self.wake()
        self.assertEqual((batch.state, self.effects()), ("done", [1]))

    def test_what_was_never_taken_may_be_corrected(self):
        _partners, batch = self.sent(send=["busy"])
        self.changed(batch)
        self.wake()
        self.assertEqual((batch.state, self.effects()), ("done", [1]))

    def test_another_address_is_no_other_text(self):
        _partners, batch = self.sent(send=["drop_before"])
        self.channel.url = self.remote.url + "/"
        self.wake()
        self.assertEqual((batch.state, self.effects()), ("done", [1]))

    def test_without_an_address_a_person_is_told(self):
        self.channel.url = False
        _partners, batch = self.sent()
        self.assertEqual(
            (batch.state, batch.last_error), ("dead", "The channel has no address: enter one, then try again.")
        )

    def test_a_request_that_can_not_be_made_is_for_a_person(self):
        self.queue(self.partners(1))
        with (
            patch.object(self.registry[KIND], "_request", lambda *args: {}["Kamala"]),
            mute_logger(ENGINE),
        ):
            self.channel._cron_wake()
        batch = self.batches()
        self.assertEqual((batch.state, batch.fate), ("dead", "none"))
        self.assertFalse(batch.attempt_ids)
        self.assertNotIn("Kamala", batch.last_error)

    def test_where_nobody_can_be_asked_a_person_decides(self):
        with patch.object(self.registry[KIND], "_can_ask", False):
            _partners, batch = self.sent(send=["drop_after"])
            self.wake()
            self.assertEqual((batch.state, batch.fate), ("dead", "unknown"))
            self.assertIn("can't be asked", batch.last_error)
            self.assertEqual(self.remote.calls, [("POST", "drop_after")])

    def test_where_they_recognise_keys_it_is_sent_again(self):
        with patch.object(self.registry[KIND], "_can_ask", False), patch.object(self.registry[KIND], "_repeats", True):
            _partners, batch = self.sent(send=["drop_before", "busy"])
            self.wake()
            self.assertEqual(
                (batch.state, batch.fate), ("waiting", "unknown"), "busy now says nothing of the time before"
            )
            self.wake()
            self.assertEqual(batch.state, "done")
        self.assertEqual([method for method, _what in self.remote.calls], ["POST"] * 3)

    def test_no_transaction_is_open_while_a_call_lasts(self):
        """The other side may take its time: nobody waits for us meanwhile, and nothing is repeated with the transaction."""
        read = []

        def send(request):
            trouble = response = None
            with counting_statements(self.env.cr) as count:
                try:
                    response = original(request)
                except transport.UnansweredError as error:
                    trouble = error
            read.append(count.statements)
            if trouble:
                raise trouble
            return response

        original = transport.send
        with patch.object(transport, "send", send):
            self.sent(send=["drop_after"])
            self.wake()
        self.assertEqual(read, [0, 0])

    def test_what_came_of_it_is_written_down_later_when_that_fails(self):
        with (
            patch.object(self.registry[KIND], "_finalize", lambda *args: 1 / 0),
            mute_logger(ENGINE),
        ):
            partners, batch = self.sent()
        self.assertEqual((batch.state, batch.fate), ("waiting", "answered"))
        self.assertEqual(
            batch.attempt_ids[0].mapped(lambda attempt: (attempt.kind, attempt.outcome)), [("finish", "error")]
        )
        self.assertEqual(self.told(partners), {""})
        self.wake()
        self.assertEqual(batch.state, "done")
        self.assertEqual(self.told(partners), {"delivered;"})
        self.assertEqual(self.remote.calls, [("POST", "ok")])

    def test_our_own_error_while_reading_leaves_it_unknown(self):
        with patch.object(self.registry[KIND], "_read", lambda *args: 1 / 0), mute_logger(ENGINE):
            _partners, batch = self.sent()
        self.assertEqual((batch.state, batch.fate), ("waiting", "unknown"))
        self.wake()
        self.assertEqual((batch.state, self.effects()), ("done", [1]))

    def test_in_order_nothing_overtakes(self):
        self.channel.write({"in_order": True, "batch_size": 1})
        self.sent(3, send=["busy"])
        self.assertEqual(len(self.remote.calls), 1)
        for _round in range(3):
            self.wake()
        keys = [key for _method, key, _what in self.remote.ledger()["calls"]]
        self.assertEqual(keys, [batch.key for batch in self.batches()[0] + self.batches()])
        self.assertEqual(set(self.batches().mapped("state")), {"done"})

    def test_they_tell_by_themselves(self):
        partners, batch = self.sent(2, send=["accept"])
        one = batch.message_ids[0].key
        self.assertTrue(batch._take_answer(Answer(ACCEPTED, results={one: Result(REFUSED, reason="closed")})))
        self.assertEqual((batch.fate, batch.message_ids.mapped("outcome").count(False)), ("accepted", 1))
        self.assertTrue(batch._take_answer(Answer(DELIVERED)))
        self.wake()
        self.assertEqual((batch.state, batch.delivered, batch.refused), ("done", 1, 1))
        # What is said otherwise later is on record, and changes nothing.
        self.assertFalse(batch._take_answer(Answer(REFUSED, "closed")))
        self.assertEqual((batch.state, batch.delivered), ("done", 1))
        self.assertEqual((batch.attempt_ids[0].kind, batch.attempt_ids[0].outcome), ("told", "refused"))
        self.assertEqual(len(self.remote.calls), 1)
        self.assertEqual(self.told(partners), {"delivered;", "refused;"})

    def test_they_tell_while_we_are_still_calling(self):
        def send(request):
            batch = self.batches()
            batch._take_answer(Answer(DELIVERED))
            raise transport.UnansweredError("No answer.")

        with patch.object(transport, "send", send):
            partners, batch = self.sent()
        self.assertEqual((batch.state, batch.fate), ("done", "answered"))
        self.assertEqual(self.told(partners), {"delivered;"})


@tagged("post_install", "-at_install")
class TestRecord(OutboxCase):
    """What stays on record of a call."""

    def test_who_when_how_long_and_what_came_of_it(self):
        _partners, batch = self.sent(send=["fail_after"])
        self.wake()
        ask, send = batch.attempt_ids
        self.assertEqual((send.kind, send.outcome, send.http_status), ("send", "unknown", 500))
        self.assertEqual((ask.kind, ask.outcome, ask.http_status), ("ask", "delivered", 200))
        self.assertEqual(send.user_id, self.env.user)
        self.assertGreater(send.seconds, 0)
        self.assertGreater(send.request_bytes, 10)
        self.assertRegex(send.request_digest, "^[0-9a-f]{32}$")
        self.assertRegex(send.response_digest, "^[0-9a-f]{32}$")
        self.assertIn(":", send.worker)

    def test_neither_people_nor_secrets(self):
        """The other side names people in its errors; our secret goes along in a header."""
        self.sent(send=["fail_after", "busy", "garbage"])
        self.sent()
        self.wake()
        self.env.flush_all()
        for table in ("g2p_outbox_attempt", "g2p_outbox_batch", "g2p_outbox_message"):
            self.env.cr.execute(SQL("SELECT string_agg(row::text, '|') FROM %s AS row", SQL.identifier(table)))
            text = self.env.cr.fetchone()[0]
            for secret in ("Kamala", "254712345678", "s3cret", "Outbox 0"):
                self.assertNotIn(secret, text)

    def test_reasons_are_words_without_people(self):
        _partners, batch = self.sent(send=["accept"])
        told = Result(REFUSED, "R-1", "no such number +254712345678 of 'Kamala Rana'")
        batch._take_answer(Answer(DELIVERED, results={batch.message_ids.key: told}))
        self.assertEqual(batch.message_ids.reason, "no such number … of …")

    def test_it_is_kept(self):
        _partners, batch = self.sent(send=["busy"])
        for statement in (
            "UPDATE g2p_outbox_attempt SET outcome = 'delivered' WHERE batch_id = %s",
            "UPDATE g2p_outbox_attempt SET http_status = 200 WHERE batch_id = %s",
            "DELETE FROM g2p_outbox_attempt WHERE batch_id = %s",
        ):
            with (
                self.subTest(statement),
                mute_logger("odoo.sql_db"),
                self.assertRaises(InsufficientPrivilege),
                self.env.cr.savepoint(),
            ):
                self.env.cr.execute(statement, [batch.id])

    def test_an_attempt_is_closed_once_and_stays_what_it_was(self):
        _partners, batch = self.sent(send=["busy"])
        attempt = self.env["g2p.outbox.attempt"].create(
            {"batch_id": batch.id, "kind": "send", "user_id": self.env.uid, "started_at": self.clock}
        )
        self.env.flush_all()
        with mute_logger("odoo.sql_db"), self.assertRaises(InsufficientPrivilege), self.env.cr.savepoint():
            self.env.cr.execute(
                "UPDATE g2p_outbox_attempt SET outcome = 'lost', kind = 'ask' WHERE id = %s", [attempt.id]
            )
        attempt.outcome = "lost"
        self.env.flush_all()
