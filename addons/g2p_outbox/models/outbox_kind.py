import json
import re

from odoo import models
from odoo.exceptions import UserError

from ..tools import transport
from ..tools.answer import UNKNOWN, Answer, read_status


class OutboxKind(models.AbstractModel):
    """How one kind of endpoint is talked to. A plug-in makes a class `g2p.outbox.kind.<kind>` that inherits this one, and
    adds `<kind>` to the selection of `g2p.outbox.channel.kind`.

    The outbox calls, in this order and each in a transaction of its own unless it says otherwise::

        _request(batch, key)         reads: what to send, as a plain value                    ┐ committed before the call,
                                                                                              ┘ with the attempt
        _dispatch(request)           calls, outside any transaction                           → Response
        _read(response)              without the database                                     → Answer, committed
        _finalize(batch)             writes: what came of the messages, as a set              committed

    and, before anything is sent again whose fate nobody knows, or when the other side tells later::

        _status_request(batch, key)  → _ask_status(request)  → _read_status(response)

    What the key is for: the other side takes a batch with a key it has seen for the same batch. It goes along as the header
    `Idempotency-Key`, and into the body where the other side wants it there.
    """

    _name = "g2p.outbox.kind"
    _description = "Kind of outbox channel"

    # Whether the other side can be asked what became of a batch.
    _can_ask = True
    # Whether the other side promises to take a batch with a key it has seen only once, so that it may be sent again without
    # asking. Where neither is so, a person decides about a batch whose fate nobody knows.
    _repeats = False
    # Whether two people are needed to give up a batch: where money is behind it.
    _two_give_up = False

    # What is said

    def _request(self, batch, key):
        """:return Request: what to send. The same for the same batch each time: else it isn't sent again."""
        raise NotImplementedError

    def _status_request(self, batch, key):
        """:return Request: what asks for a batch with this key."""
        raise NotImplementedError

    # The calls: no database here, so that no transaction is open while somebody else takes their time

    def _dispatch(self, request):
        """:return Response: raises NotSentError when nothing has left, UnansweredError when nobody knows."""
        return transport.send(request)

    def _ask_status(self, request):
        """:return Response: as :meth:`_dispatch`."""
        return transport.send(request)

    # What is answered

    def _read(self, response):
        """:return Answer:"""
        return Answer(read_status(response.status))

    def _read_status(self, response):
        """:return Answer: ABSENT only when the other side says so itself: a proxy that knows no such page says nothing of
        the batch."""
        return Answer(UNKNOWN)

    # What it means for us

    def _finalize(self, batch):
        """Write down what came of the batch: as a set, over `g2p_outbox_message` with this `batch_id`, whose `outcome` is
        `delivered`, `refused` or `given_up`. May be repeated until it was committed once. The business rows are looked at
        again: they may have moved since."""

    # For kinds to build on

    def _post(self, channel, key, content, path="", method="POST"):
        """A request with JSON to the channel's address."""
        if not channel.url:
            raise UserError(self.env._("The channel has no address: enter one, then try again."))
        body = (
            json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() if content else b""
        )
        return transport.Request(
            url=channel.url.rstrip("/") + path,
            body=body,
            headers={"Content-Type": "application/json", "Idempotency-Key": key, **self._headers(channel)},
            method=method,
            timeout=channel.timeout_seconds,
            limit=channel.answer_kilobytes * 1024,
            networks=channel._allowed_networks(),
        )

    def _headers(self, channel):
        """Who we are."""
        secret = channel._secret()
        return {"Authorization": f"Bearer {secret}"} if secret else {}

    def _json(self, response):
        """The object in a response, or None: what isn't one says nothing."""
        try:
            content = json.loads(response.body)
        except ValueError:
            return None
        return content if isinstance(content, dict) else None

    def _code(self, text):
        """What the other side calls its reason, if it is a code. Sentences may name people."""
        text = str(text or "")
        return text if re.fullmatch(r"[A-Za-z_][A-Za-z_.\-]{0,79}", text) else None
