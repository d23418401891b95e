from odoo import fields
from odoo.tests import TransactionCase, tagged
from odoo.tools import SQL

from odoo.addons.g2p_outbox.tests.common import Remote


@tagged("post_install", "-at_install")
class TestWebhook(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.remote = Remote()
        cls.addClassCleanup(cls.remote.stop)
        cls.env["ir.config_parameter"].set_param("g2p_outbox.inner_networks", "127.0.0.1/32")
        cls.channel = cls.env["g2p.outbox.channel"].create(
            {"name": "Ministry of finance", "kind": "webhook", "url": cls.remote.url, "timeout_seconds": 5}
        )

    def ended(self, count):
        later = fields.Datetime.add(fields.Datetime.now(), minutes=1)
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_bulk_operation
                       (name, res_model, res_id, step, state, company_id, user_id, finished_at, create_date, mode, chunk_size)
                SELECT 'Ended ' || number, 'res.company', 1, 'test', 'done', %s, %s, %s, %s, 'inline', 1
                  FROM generate_series(1, %s) AS number
             RETURNING id
                """,
                self.env.company.id,
                self.env.uid,
                later,
                later,
                count,
            )
        )
        return {operation_id for [operation_id] in self.env.cr.fetchall()}

    def run_crons(self):
        self.env["g2p.outbox.channel"]._cron_queue_webhooks()
        self.env["g2p.outbox.channel"]._cron_wake()
        return self.env["g2p.example.webhook.receipt"].search([("channel_id", "=", self.channel.id)])

    def test_each_operation_is_told_once(self):
        operations = self.ended(3)
        receipts = self.run_crons()
        self.assertEqual(set(receipts.operation_id.ids), operations)
        self.assertEqual(set(receipts.mapped("outcome")), {"delivered"})
        self.assertTrue(all(receipts.mapped("reference")))
        self.run_crons()
        more = self.ended(1)
        self.assertEqual(set(self.run_crons().operation_id.ids), operations | more)
        self.assertEqual(sorted(self.remote.effects.values()), [1, 1])

    def test_what_nobody_knows_is_asked_for(self):
        self.remote.plan(send=["drop_after"])
        operations = self.ended(2)
        self.assertFalse(self.run_crons())
        self.env["g2p.outbox.batch"].search([("channel_id", "=", self.channel.id)]).next_try = fields.Datetime.now()
        self.assertEqual(set(self.run_crons().operation_id.ids), operations)
        self.assertEqual(self.remote.calls, [("POST", "drop_after"), ("GET", "ok")])
        self.assertEqual(list(self.remote.effects.values()), [1])

    def test_giving_up_leaves_a_receipt_too(self):
        self.remote.plan(send=["reject"])
        self.ended(1)
        self.run_crons()
        self.env["g2p.outbox.batch"].search([("channel_id", "=", self.channel.id)])._give_up("They don't want it")
        self.assertEqual(self.run_crons().outcome, "given_up")
