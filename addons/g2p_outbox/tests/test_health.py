from unittest.mock import patch

from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.g2p_bulk.tests.statements import counting_statements

from .common import KIND, OutboxCase


@tagged("post_install", "-at_install")
class TestHealth(OutboxCase):
    def figures(self):
        self.env.invalidate_all()
        channel = self.channel
        return {
            name: channel[f"{name}_count"]
            for name in ("waiting", "flight", "accepted", "unknown", "dead", "failed")
            if channel[f"{name}_count"]
        }

    def test_figures_are_of_messages(self):
        self.channel.write({"batch_size": 1, "failures_most": 100})
        one, *_rest = self.partners(5)
        self.remote.plan(send=["ok", "busy", "drop_after", "reject", "accept"], refuse=[f"partner-{one.id}"])
        self.queue(one + self.env["res.partner"].concat(*_rest))
        self.assertEqual(self.figures(), {"waiting": 5})
        self.assertTrue(self.channel.oldest)
        self.channel._cron_wake()
        self.assertEqual(self.figures(), {"waiting": 1, "unknown": 1, "dead": 1, "accepted": 1, "failed": 1})
        self.queue(self.partners(3))
        self.assertEqual(self.figures()["waiting"], 4)

    def test_what_was_delivered_costs_nothing(self):
        with counting_statements(self.env.cr) as count:
            self.channel.read(["waiting_count", "dead_count", "oldest", "health"])
        self.assertLess(count.statements, 6)

    def test_all_is_well(self):
        self.sent()
        self.assertEqual(
            (self.channel.health, self.channel.last_success, self.channel.failures), ("well", self.clock, 0)
        )

    def test_after_failures_in_a_row_it_is_left_alone_and_one_call_tries_it(self):
        self.channel.write({"batch_size": 1, "failures_most": 3, "open_seconds": 600, "first_wait_seconds": 1})
        self.sent(6, send=["busy"] * 4)
        self.assertEqual(len(self.remote.calls), 3, "not all of them find out for themselves")
        self.assertEqual((self.channel.health, self.channel.failures), ("open", 3))
        self.assertEqual(self.channel.last_error, "later")
        self.wake(seconds=5)
        self.assertEqual(len(self.remote.calls), 3)
        self.wake(seconds=600)
        self.assertEqual(len(self.remote.calls), 4, "one call tries it, and fails")
        self.assertEqual((self.channel.health, self.channel.times_opened), ("open", 2))
        # Twice as long, by a chance between half of it and all.
        self.wake(seconds=599)
        self.assertEqual(len(self.remote.calls), 4, "longer each time")
        self.wake(seconds=1200)
        self.assertEqual(self.channel.health, "well")
        self.assertEqual(set(self.batches().mapped("state")), {"done"})
        self.assertEqual(self.effects(), [1] * 6)

    def test_a_probe_that_was_cut_off_is_made_again(self):
        self.channel.write({"failures": 9, "open_until": False})
        self.assertEqual(self.channel.health, "trying")
        self.assertTrue(self.channel._let_through(self.clock))
        self.assertFalse(self.channel._let_through(self.clock), "one of those who ask")
        self.later(minutes=2)
        self.assertTrue(self.channel._let_through(self.clock))

    def test_paused_nothing_is_called_and_nothing_lost(self):
        self.channel.action_pause()
        self.assertEqual(self.channel.health, "paused")
        self.sent(2)
        self.assertFalse(self.remote.calls)
        self.assertEqual(self.figures(), {"waiting": 2})
        self.channel.action_resume()
        self.wake(seconds=1)
        self.assertEqual(self.batches().state, "done")

    def test_resuming_forgets_failures(self):
        self.channel.write({"failures": 9, "open_until": "2100-01-01", "times_opened": 4})
        self.assertEqual(self.channel.health, "open")
        self.channel.action_resume()
        self.assertEqual((self.channel.health, self.channel.times_opened), ("well", 0))

    def test_without_its_module_a_channel_waits(self):
        self.queue(self.partners(1))
        kind = self.registry.models.pop(KIND)
        try:
            self.assertEqual(self.channel.health, "nobody")
            self.env["g2p.outbox.channel"]._cron_wake()
        finally:
            self.registry.models[KIND] = kind
        self.assertFalse(self.remote.calls)
        self.wake(seconds=1)
        self.assertEqual(self.batches().state, "done")

    def test_with_a_job_runner_each_batch_is_a_job(self):
        self.channel.batch_size = 2
        jobs = self.env["queue.job"]
        mine = [("identity_key", "like", "g2p_outbox.batch.")]
        with patch.object(self.registry["g2p.bulk.operation"], "_runner_is_alive", lambda *args: True):
            self.sent(5)
            self.assertFalse(self.remote.calls)
            self.assertEqual(jobs.search_count(mine), 3)
            self.wake(seconds=1)
            self.assertEqual(jobs.search_count(mine), 3, "each once")
            self.assertEqual(set(jobs.search(mine).mapped("channel")), {"root.g2p_outbox"})
            self.remote.plan(send=["busy"])
            first = self.batches()[0]
            jobs.search(mine).unlink()
            first._run_job()
            later = jobs.search(mine)
            self.assertEqual((first.state, later.eta), ("waiting", first.next_try))
            self.later(hours=1)
            for batch in self.batches():
                batch._run_job()
        self.assertEqual(set(self.batches().mapped("state")), {"done"})
        self.assertEqual(self.effects(), [1, 1, 1])

    def test_trouble_with_one_channel_is_not_the_others(self):
        other = self.make_channel(name="A broken one", active=True)
        self.queue(self.partners(1), other)
        gather = self.registry["g2p.outbox.channel"]._gather

        def fail(channel):
            return 1 / 0 if channel == other else gather(channel)

        with (
            patch.object(self.registry["g2p.outbox.channel"], "_gather", fail),
            mute_logger("odoo.addons.g2p_outbox.models.outbox_channel"),
        ):
            self.sent()
        self.assertEqual(self.batches().state, "done")
        self.assertFalse(self.batches(other))
