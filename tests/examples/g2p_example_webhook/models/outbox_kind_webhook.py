from urllib.parse import quote

from odoo import models
from odoo.tools import SQL

from odoo.addons.g2p_outbox.tools.answer import ABSENT, DELIVERED, UNKNOWN, Answer, Result, read_status


class OutboxKindWebhook(models.AbstractModel):
    """POST /batches tells, GET /batches?key=… asks; the receiver answers with {"state", "reference", "results"}."""

    _name = "g2p.outbox.kind.webhook"
    _inherit = "g2p.outbox.kind"
    _description = "Webhook"

    def _request(self, batch, key):
        messages = batch.message_ids.sorted("id")
        content = {
            "batch": key,
            "messages": messages.mapped("key"),
            "events": messages.mapped(lambda message: {"operation": message.res_id, **message.payload}),
        }
        return self._post(batch.channel_id, key, content, "/batches")

    def _status_request(self, batch, key):
        return self._post(batch.channel_id, key, None, f"/batches?key={quote(key)}", "GET")

    def _read(self, response):
        told = self._json(response)
        return self._said(told) if told and response.status == 200 else Answer(read_status(response.status))

    def _read_status(self, response):
        told = self._json(response)
        return self._said(told) if told and response.status == 200 else Answer(UNKNOWN)

    def _said(self, told):
        if told.get("state") == "unheard":
            return Answer(ABSENT)
        if told.get("state") != "done":
            return Answer(UNKNOWN)
        results = {
            key: Result(DELIVERED, reference=text) if what == "yes" else Result("refused", reason=self._code(text))
            for key, (what, text) in told["results"].items()
        }
        return Answer(DELIVERED, reference=told["reference"], results=results)

    def _finalize(self, batch):
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_example_webhook_receipt
                       (operation_id, channel_id, outcome, reference, create_uid, create_date, write_uid, write_date)
                SELECT operation.id, message.channel_id, message.outcome, message.reference, %(uid)s, %(now)s, %(uid)s, %(now)s
                  FROM g2p_outbox_message AS message
                  JOIN g2p_bulk_operation AS operation ON operation.id = message.res_id
                 WHERE message.batch_id = %(batch)s
                    ON CONFLICT (operation_id, channel_id) DO NOTHING
                """,
                uid=self.env.uid,
                now=self.env.cr.now(),
                batch=batch.id,
            )
        )
        self.env["g2p.example.webhook.receipt"].invalidate_model(flush=False)
