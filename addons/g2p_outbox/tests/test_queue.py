from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tests.statements import counting_statements

from .common import OutboxCase


@tagged("post_install", "-at_install")
class TestQueue(OutboxCase):
    def test_a_key_is_taken_once(self):
        partners = self.partners(3)
        self.assertEqual(self.queue(partners), 3)
        self.assertEqual(self.queue(partners + self.partners(2)), 2)
        self.assertEqual(self.queue(partners, self.make_channel(name="Other")), 3, "keys are a channel's own")
        self.channel._gather()
        self.assertEqual(self.queue(partners), 0)
        self.assertEqual(sum(self.batches().mapped("size")), 5)

    def test_it_is_part_of_a_larger_statement(self):
        """A step moves its rows and queues them in one statement: neither without the other."""
        partners = self.partners(4)
        source = SQL("SELECT 'moved-' || id AS key, NULL AS batch, id AS res_id, NULL::jsonb AS payload FROM moved")
        self.env.cr.execute(
            SQL(
                """
                WITH moved AS (UPDATE res_partner SET ref = 'moved' WHERE id = ANY(%s) RETURNING id), queued AS (%s)
                SELECT COUNT(*) FROM moved
                """,
                partners.ids,
                self.channel._queue_sql(source, "res.partner"),
            )
        )
        messages = self.env["g2p.outbox.message"].search([("channel_id", "=", self.channel.id)])
        self.assertEqual(set(messages.mapped("res_id")), set(partners.ids))
        self.assertFalse(messages.batch_id)

    def test_what_goes_together_goes_in_calls_of_the_channels_size(self):
        self.channel.batch_size = 4
        self.queue(self.partners(10))
        self.queue(self.partners(3), batch="'June'")
        self.queue(self.partners(1), batch="NULL")
        self.assertEqual(self.channel._gather(), 14)
        self.assertEqual(self.channel._gather(), 0)
        batches = self.batches()
        self.assertEqual(
            batches.mapped(lambda batch: (batch.label, batch.size)),
            [("May", 4), ("May", 4), ("May", 2), ("June", 3), (False, 1)],
        )
        for batch in batches:
            self.assertEqual(len(batch.message_ids), batch.size)
        self.assertEqual(len(set(batches.mapped("key"))), 5)

    def test_statements_do_not_grow_with_messages(self):
        counts = []
        for size in (1, 10, 200):
            partners = self.partners(size)
            with counting_statements(self.env.cr) as count:
                self.queue(partners)
                self.channel._gather()
            counts.append(count.statements)
        self.assertEqual(counts[1], counts[2])

    def test_one_more_statement_finds_that_nothing_is_left(self):
        with counting_statements(self.env.cr) as count:
            self.channel._gather()
        self.assertLess(count.statements, 6)

    def test_nothing_is_queued_for_an_archived_channel(self):
        self.channel.active = False
        with self.assertRaisesRegex(UserError, "archived"):
            self.queue(self.partners(1))

    def test_queueing_wakes_the_scheduler(self):
        cron = self.env.ref("g2p_outbox.cron_wake")
        triggers = self.env["ir.cron.trigger"]
        before = triggers.search_count([("cron_id", "=", cron.id)])
        self.queue(self.partners(1))
        self.assertEqual(triggers.search_count([("cron_id", "=", cron.id)]), before + 1)
