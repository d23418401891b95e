"""What is there when the plug-in goes: a channel of its kind, with messages that have not left."""

from odoo.tools import SQL


def use(env):
    channel = env["g2p.outbox.channel"].create(
        {"name": "Ministry of finance", "kind": "webhook", "url": "https://webhook.example.org", "paused": True}
    )
    source = SQL("SELECT 'operation-1' AS key, 'Ended operations' AS batch, 1 AS res_id, '{}'::jsonb AS payload")
    channel._queue(source, "g2p.bulk.operation")
    channel._gather()
