"""A world for the outbox's tests: a kind of channel that exists in these tests only, and the other side in a process of its
own."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from unittest.mock import patch
from urllib.parse import quote

from odoo import fields, models
from odoo.orm.model_classes import add_to_registry
from odoo.tests import TransactionCase
from odoo.tools import SQL

from ..tools.answer import ABSENT, ACCEPTED, DELIVERED, REFUSED, UNKNOWN, Answer, Result, read_status

REMOTE = Path(__file__).parent / "remote.py"
KIND = "g2p.outbox.kind.test"


class Remote:
    """The other side's process."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, str(REMOTE)], stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def plan(self, **plan):
        """What it does with the next calls; its ledger begins anew."""
        self._open("/_plan", plan)

    def next(self, **plan):
        """What it does with the next calls; its ledger goes on."""
        self._open("/_next", plan)

    def ledger(self):
        return self._open("/_ledger")

    @property
    def effects(self):
        return self.ledger()["effects"]

    @property
    def calls(self):
        """[(method, behaviour)]"""
        return [(method, behaviour) for method, _key, behaviour in self.ledger()["calls"]]

    def _open(self, path, content=None):
        body = json.dumps(content).encode() if content is not None else None
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data=body), timeout=10) as answer:
            return json.load(answer)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class TestKind(models.AbstractModel):
    """Tells the keys of the messages, and notes what came of them in the names of the records."""

    _name = KIND
    _inherit = "g2p.outbox.kind"
    _description = "Kind of channel for tests"
    _module = "g2p_outbox"

    def _request(self, batch, key):
        messages = sorted(batch.message_ids.mapped("key"))
        return self._post(batch.channel_id, key, {"batch": key, "messages": messages}, "/batches")

    def _status_request(self, batch, key):
        return self._post(batch.channel_id, key, None, f"/batches?key={quote(key)}", "GET")

    def _read(self, response):
        told = self._json(response)
        return self._said(told) if told and response.status in (200, 202) else Answer(read_status(response.status))

    def _read_status(self, response):
        told = self._json(response)
        return self._said(told) if told and response.status == 200 else Answer(UNKNOWN)

    def _said(self, told):
        if told["state"] == "unheard":
            return Answer(ABSENT)
        if told["state"] == "pending":
            return Answer(ACCEPTED, reference=told["reference"])
        results = {
            key: Result(DELIVERED, text) if what == "yes" else Result(REFUSED, reason=self._code(text))
            for key, (what, text) in told.get("results", {}).items()
        }
        return Answer(DELIVERED, reference=told["reference"], results=results)

    def _finalize(self, batch):
        self.env.cr.execute(
            SQL(
                """
                UPDATE res_partner AS partner
                   SET comment = COALESCE(partner.comment, '') || message.outcome || ';'
                  FROM g2p_outbox_message AS message
                 WHERE message.batch_id = %s AND message.res_model = 'res.partner' AND partner.id = message.res_id
                """,
                batch.id,
            )
        )


class OutboxCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.remote = Remote()
        cls.addClassCleanup(cls.remote.stop)
        cls.addClassCleanup(cls._forget_kind)
        add_to_registry(cls.registry, TestKind)
        cls.registry._setup_models__(cls.cr, [])
        # What a plug-in does by selection_add.
        patcher = patch.object(
            cls.registry["g2p.outbox.channel"]._fields["kind"], "_selection", {"none": "None", "test": "Test"}
        )
        patcher.start()
        cls.addClassCleanup(patcher.stop)
        cls.env["ir.config_parameter"].set_param("g2p_outbox.inner_networks", "127.0.0.1/32")
        cls.channel = cls.make_channel()

    @classmethod
    def _forget_kind(cls):
        del cls.registry[KIND]
        with cls.registry.cursor() as cr:
            cls.registry._setup_models__(cr)

    @classmethod
    def make_channel(cls, **values):
        return cls.env["g2p.outbox.channel"].create(
            {
                "name": "Bank",
                "kind": "test",
                "url": cls.remote.url,
                "timeout_seconds": 1,
                "new_secret": "s3cret",
                **values,
            }
        )

    def setUp(self):
        super().setUp()
        self.remote.plan()
        self.clock = fields.Datetime.now()
        patcher = patch.object(fields.Datetime, "now", staticmethod(lambda *args: self.clock))
        patcher.start()
        self.addCleanup(patcher.stop)

    def later(self, **delta):
        """Time goes by."""
        self.clock = fields.Datetime.add(self.clock, **delta)

    def partners(self, count):
        return self.env["res.partner"].create([{"name": f"Outbox {number}"} for number in range(count)])

    def queue(self, partners, channel=None, batch="'May'"):
        channel = channel or self.channel
        return channel._queue(
            SQL(
                f"""
                SELECT 'partner-' || id AS key, {batch} AS batch, id AS res_id, NULL::jsonb AS payload
                  FROM res_partner WHERE id = ANY(%s) ORDER BY id
                """,
                partners.ids,
            ),
            "res.partner",
        )

    def batches(self, channel=None):
        return self.env["g2p.outbox.batch"].search([("channel_id", "=", (channel or self.channel).id)], order="id")

    def sent(self, count=1, **plan):
        """Messages, of which each is queued, and tried once, by a plan of the other side. Returns (records, batch)."""
        self.remote.plan(**plan)
        partners = self.partners(count)
        self.queue(partners)
        self.env["g2p.outbox.channel"]._cron_wake()
        return partners, self.batches()

    def wake(self, **delta):
        self.later(**(delta or {"hours": 2}))
        self.env["g2p.outbox.channel"]._cron_wake()

    def effects(self):
        return sorted(self.remote.effects.values())

    def told(self, partners):
        partners.invalidate_recordset(["comment"])
        return {str(partner.comment or "") for partner in partners}
