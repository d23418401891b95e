import logging
import time
from contextlib import contextmanager, suppress
from typing import NamedTuple

from psycopg2 import Error as PostgresError
from psycopg2 import InterfaceError, OperationalError

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.g2p_bulk.core import Conflict, job_environment, process_name, readable_error, retrying
from odoo.addons.g2p_bulk.tools.redaction import scrub
from odoo.addons.queue_job.exception import RetryableJobError

from ..tools import patience, transport
from ..tools.answer import ABSENT, ACCEPTED, DELIVERED, FINAL, LATER, REJECTED, UNKNOWN, Answer

_logger = logging.getLogger(__name__)

OPEN_STATES = ("waiting", "sending")
# First half of the advisory lock of the process that is at work on a batch; the second half is the batch's id.
WORK_LOCK = 0x67326F62
# Question, sending again, writing down: one run does what can be done at once, and no more.
MOST_ROUNDS = 4
REASON_LENGTH = 200
# A job that finds no place for its call comes again after so long.
PLACE_SECONDS = 5
SEND, ASK, FINISH = "send", "ask", "finish"


class Due(NamedTuple):
    """What is to be done about a batch now, and is on record already."""

    what: str
    kind: object = None  # looked up before: during a call nothing is read
    attempt_id: int | None = None
    request: object = None


class OutboxBatch(models.Model):
    """Messages that go in one call, with one key for good.

    `state` says what happens to it here, `fate` what is known of it over there:

    ==========  ==========  =================================================
    state       fate        what is done next
    ==========  ==========  =================================================
    waiting     none        it is sent
    waiting     unknown     it is asked for; sent again only if they never got it
    waiting     accepted    it is asked for now and then
    waiting     answered    what came of it is written down
    sending     (before)    somebody is at it; if that process died: unknown
    dead        any         a person tries again, or gives up
    done        answered    nothing
    given_up    any         nothing
    ==========  ==========  =================================================
    """

    _name = "g2p.outbox.batch"
    _description = "Outbox batch"
    _order = "id desc"
    _rec_name = "key"

    _key_uniq = models.Constraint("UNIQUE (channel_id, key)", "The channel has a batch with this key.")
    _due_idx = models.Index("(channel_id, next_try) WHERE state IN ('waiting', 'sending')")
    _open_idx = models.Index("(channel_id, id) WHERE state IN ('waiting', 'sending', 'dead')")
    _refused_idx = models.Index("(channel_id) WHERE refused > 0")

    channel_id = fields.Many2one("g2p.outbox.channel", required=True, readonly=True, ondelete="restrict", index=True)
    company_id = fields.Many2one(related="channel_id.company_id")
    key = fields.Char(required=True, readonly=True, help="The other side takes a batch with the same key once.")
    label = fields.Char("What", readonly=True)
    size = fields.Integer("Messages", required=True, readonly=True)
    state = fields.Selection(
        [
            ("waiting", "Waiting"),
            ("sending", "In flight"),
            ("dead", "Dead letter"),
            ("done", "Done"),
            ("given_up", "Given up"),
        ],
        required=True,
        readonly=True,
        default="waiting",
    )
    fate = fields.Selection(
        [
            ("none", "Not there yet"),
            ("unknown", "Nobody knows"),
            ("accepted", "Taken, tells later"),
            ("answered", "Answered"),
        ],
        "Over there",
        required=True,
        readonly=True,
        default="none",
    )
    tries = fields.Integer(readonly=True, default=0, aggregator=None)
    next_try = fields.Datetime("Next try", required=True, readonly=True, default=fields.Datetime.now)
    finished_at = fields.Datetime("Over since", readonly=True)
    delivered = fields.Integer(readonly=True, default=0)
    refused = fields.Integer(readonly=True, default=0)
    reference = fields.Char("Their reference", readonly=True)
    last_error = fields.Char("Last error", readonly=True)
    asked_to_give_up_by = fields.Many2one("res.users", "Asked to give up by", readonly=True, ondelete="restrict")
    message_ids = fields.One2many("g2p.outbox.message", "batch_id", "What is told", readonly=True)
    attempt_ids = fields.One2many("g2p.outbox.attempt", "batch_id", "Attempts", readonly=True)

    @api.depends("label", "key")
    def _compute_display_name(self):
        for batch in self:
            batch.display_name = batch.label or (batch.key or "")[:8]

    # Buttons

    def action_try_again(self):
        """Button: ask why it is tried again."""
        return self._decide("again", self.env._("Try again"))

    def action_give_up(self):
        """Button: ask why it is given up."""
        return self._decide("give_up", self.env._("Give up"))

    def _decide(self, decision, title):
        self.channel_id._check_steers()
        return {
            "type": "ir.actions.act_window",
            "name": title,
            "res_model": "g2p.outbox.decision",
            "view_mode": "form",
            "target": "new",
            "context": {"default_decision": decision, "default_batch_ids": [fields.Command.set(self.ids)]},
        }

    # Decisions of a person; the role was checked by the wizard

    def _try_again(self, reason):
        """Dead letters begin afresh, at the point where they are: what is unknown is asked for first."""
        now = fields.Datetime.now()
        for batch in self._locked():
            if batch.state != "dead":
                raise UserError(self.env._("%s is no dead letter (any more). Nothing was done.", batch.display_name))
            batch._note("again", now, reason=reason, outcome="decided")
            batch.write({"state": "waiting", "tries": 0, "next_try": now, "asked_to_give_up_by": False})
        self.env["g2p.outbox.channel"]._wake()

    def _give_up(self, reason):
        """What has not arrived is not sent any more, and its records hear of it. Returns those that wait for a second person."""
        now = fields.Datetime.now()
        waiting = self.browse()
        for batch in self._locked():
            if batch.state not in ("dead", "waiting") or batch.fate == "answered":
                raise UserError(
                    self.env._(
                        "%s is on its way, or was answered: it can't be given up. Nothing was done.", batch.display_name
                    )
                )
            kind = batch.channel_id._kind()
            batch._note("give_up", now, reason=reason, outcome="decided")
            if (
                kind is not None
                and kind._two_give_up
                and batch.asked_to_give_up_by in (self.env["res.users"], self.env.user)
            ):
                batch.asked_to_give_up_by = self.env.user
                waiting += batch
                continue
            self.env["g2p.outbox.message"]._take_rest(batch, "given_up", reason)
            batch._count_outcomes()
            batch.write({"state": "given_up", "finished_at": now})
            if kind is not None:
                kind._finalize(batch)
        return waiting

    def _locked(self):
        """These batches, in the order of their numbers, held until the end of the transaction."""
        self.env.flush_all()
        self.env.cr.execute(SQL("SELECT id FROM g2p_outbox_batch WHERE id = ANY(%s) ORDER BY id FOR UPDATE", self.ids))
        batches = self.browse([batch_id for [batch_id] in self.env.cr.fetchall()])
        batches.invalidate_recordset()
        return batches

    # What is due

    @api.model
    def _due(self, channel, limit):
        """Batches of a channel for which something can be done now; those whose process died among them."""
        if not channel._breaker(fields.Datetime.now()) == patience.OPEN:
            self.flush_model()
            return self.browse(
                batch_id
                for [batch_id] in self.env.execute_query(
                    SQL(
                        """
                        SELECT batch.id FROM g2p_outbox_batch AS batch
                         WHERE batch.channel_id = %s AND %s
                         ORDER BY batch.next_try, batch.id LIMIT %s
                        """,
                        channel.id,
                        self._is_due(channel),
                        limit,
                    )
                )
            )
        return self.browse()

    @api.model
    def _is_due(self, channel):
        """Over `batch`."""
        return SQL(
            """
            (
                batch.state = 'waiting' AND batch.next_try <= %(now)s
                AND (batch.fate <> 'accepted' OR %(asks)s)
                OR batch.state = 'sending' AND NOT EXISTS (
                    SELECT FROM pg_locks
                     WHERE locktype = 'advisory' AND granted AND classid = %(lock)s AND objid = batch.id AND objsubid = 2
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                )
            ) AND (NOT %(in_order)s OR NOT EXISTS (
                SELECT FROM g2p_outbox_batch AS before
                 WHERE before.channel_id = batch.channel_id AND before.id < batch.id
                   AND before.state IN ('waiting', 'sending', 'dead')
            ))
            """,
            now=fields.Datetime.now(),
            asks=bool(channel._kind()._can_ask),
            lock=WORK_LOCK,
            in_order=channel.in_order,
        )

    def _enqueue(self, eta=None):
        """A job that looks after this batch; one that waits already is not made again."""
        self.ensure_one()
        self.with_delay(
            eta=eta,
            description=f"{self.channel_id.name}: {self.display_name}",
            identity_key=f"g2p_outbox.batch.{self.id}",
        )._run_job()

    def _run_job(self):
        """The queue job."""
        with job_environment(self.env) as env:
            return self._run_in(env)

    def _run_in(self, env):
        batch = self.with_env(env).sudo()  # sudo: the job was made by the outbox
        if not batch.exists():
            return self.env._("Nothing to do.")
        delivered = batch._deliver()
        if delivered is None:
            raise RetryableJobError(
                self.env._("The channel makes as many calls as it may."), seconds=PLACE_SECONDS, ignore_retry=True
            )
        return f"{batch.state}, {batch.fate}" if delivered else self.env._("Somebody else is at it.")

    # At work

    def _deliver(self):
        """Do what can be done about this batch now. Returns False when somebody else is at it, None when the channel makes as
        many calls as it may.

        Every step is committed before the next: that a call is made, what was answered, what it means for the records.
        No transaction is open while a call lasts.
        """
        self.ensure_one()
        channel = self.channel_id
        with self._at_work() as mine, channel._place() as place:
            if not mine:
                return False
            if place is None:
                return None
            for _round in range(MOST_ROUNDS):
                due = retrying(self.env, lambda: self._claim(), turn_key=channel.id)
                if due is None:
                    break
                if due.what == FINISH:
                    self._finish()
                    continue
                answer, response, seconds = self._call(due)
                retrying(
                    self.env,
                    lambda due=due, said=(answer, response, seconds): self._record(due, *said),
                    turn_key=channel.id,
                )
            retrying(self.env, lambda: self._schedule(), turn_key=channel.id)
        return True

    @contextmanager
    def _at_work(self):
        """Whether nobody else is at work on this batch; held until the block or the process ends."""
        self.env.cr.execute("SELECT pg_try_advisory_lock(%s, %s)", [WORK_LOCK, self.id])
        [mine] = self.env.cr.fetchone()
        try:
            yield mine
        finally:
            if mine:
                with suppress(PostgresError):
                    self.env.cr.execute("SELECT pg_advisory_unlock(%s, %s)", [WORK_LOCK, self.id])

    def _claim(self):
        """What is due, under the lock of the row, and on record before it is done. None: nothing.

        :return Due:
        """
        self.env.invalidate_all()
        channel, now = self.channel_id, fields.Datetime.now()
        kind = channel._kind()
        if kind is None or channel.paused or not channel.active:
            return None
        self.env.cr.execute(
            SQL(
                """
                SELECT 1 FROM g2p_outbox_batch AS batch
                 WHERE batch.id = %s AND (batch.state = 'sending' OR %s)
                   FOR UPDATE OF batch SKIP LOCKED
                """,
                self.id,
                self._is_due(channel),
            )
        )
        if not self.env.cr.rowcount:
            return None
        if self.state == "sending":
            self._note_lost(now)
        if self.fate == "answered":
            return Due(FINISH, kind)
        what = self._what_next(kind)
        if what is None:
            self._die(self.env._("Nobody knows whether it arrived, and the other side can't be asked."))
            return None
        if not channel._let_through(now):
            return None
        try:
            with self.env.cr.savepoint():
                ask = kind._status_request if what == ASK else kind._request
                request = ask(self, self.key)
        except Conflict:
            raise
        except Exception as error:
            if not isinstance(error, UserError):
                _logger.exception("The request of batch %s could not be made", self.id)
            self._die(self._words(readable_error(error)))
            return None
        digest = channel._digest(request.method.encode(), request.body)
        if what == SEND and self._said_otherwise(digest):
            self._die(self.env._("What would be sent now is not what was sent under this key before."))
            return None
        attempt = self._note(what, now, request_digest=digest, request_bytes=len(request.body))
        self.write({"state": "sending", "tries": self.tries + 1})
        return Due(what, kind, attempt.id, request)

    def _what_next(self, kind):
        if self.fate == "none":
            return SEND
        if kind._can_ask:
            return ASK
        return SEND if kind._repeats else None

    def _said_otherwise(self, digest):
        """Whether something else may have arrived under this key, or be on its way still, and nobody has decided since."""
        for attempt in self.attempt_ids:
            if attempt.kind == "again":
                return False
            if attempt.kind == SEND and attempt.outcome in (UNKNOWN, "lost") and attempt.request_digest != digest:
                return True
        return False

    def _note_lost(self, now):
        """A process died between saying that it would call and saying what was answered."""
        attempt = self.attempt_ids.filtered(lambda attempt: not attempt.outcome)[:1]
        attempt.outcome = "lost"
        values = {"state": "waiting", "next_try": now}
        if attempt.kind == SEND and self.fate == "none":
            values["fate"] = "unknown"
        self.write(values)

    def _call(self, due):
        """Without the database. :return: (Answer, Response or None, seconds)"""
        kind = due.kind
        call, read = (kind._ask_status, kind._read_status) if due.what == ASK else (kind._dispatch, kind._read)
        response, started = None, time.monotonic()
        try:
            response = call(due.request)
            answer = read(response)
        except transport.NotSentError as error:
            answer = Answer(LATER, self.env._(error.sentence))
        except transport.UnansweredError as error:
            answer = Answer(UNKNOWN, self.env._(error.sentence))
        except Exception as error:
            # Something of it may have left before our own error.
            _logger.exception("Batch %s: the call, or reading its answer, failed", self.id)
            answer = Answer(UNKNOWN, type(error).__name__)
        return answer, response, time.monotonic() - started

    def _record(self, due, answer, response, seconds):
        """Write down what was answered, what it says about the endpoint, and what is done next."""
        self.env.invalidate_all()
        channel, now = self.channel_id, fields.Datetime.now()
        reason = self._words(answer.reason)
        # The same process holds the batch: its row says what it said before the call.
        self.env["g2p.outbox.attempt"].browse(due.attempt_id).write(
            {
                "outcome": answer.fate,
                "seconds": seconds,
                "http_status": response.status if response else False,
                "reason": reason,
                "response_digest": channel._digest(response.body) if response else False,
                "response_bytes": len(response.body) if response else False,
            }
        )
        channel._note_call(answer.fate not in (LATER, UNKNOWN), now, reason or answer.fate)
        if self.fate == "answered":
            # They told it by themselves meanwhile.
            self.state = "waiting"
            return
        self.env["g2p.outbox.message"]._take_results(self, self._clean(answer.results))
        values = {"state": "waiting", **self._after(due.what, answer, now)}
        if answer.reference:
            values["reference"] = str(answer.reference)[:REASON_LENGTH]
        if answer.fate in FINAL:
            self.env["g2p.outbox.message"]._take_rest(self, answer.fate, reason)
        if answer.fate == REJECTED or (answer.fate in (LATER, UNKNOWN, ABSENT) and self.tries >= channel.tries_most):
            values |= {"state": "dead"}
        if answer.fate in (LATER, UNKNOWN, REJECTED):
            values["last_error"] = reason or self.env._("HTTP status %s", response.status if response else "–")
        self.write(values)

    def _after(self, what, answer, now):
        """Where an answer leaves the batch: its fate and when to look after it again."""
        channel = self.channel_id
        if answer.fate in FINAL:
            return {"fate": "answered", "tries": 0, "next_try": now, "last_error": False}
        if answer.fate == ACCEPTED:
            seconds = patience.wait(1, channel.poll_seconds, channel.poll_seconds)
            return {"fate": "accepted", "tries": 0, "next_try": patience.moment(now, seconds), "last_error": False}
        if what == ASK and answer.fate == ABSENT:
            return {"fate": "none", "next_try": now}
        seconds = patience.wait(self.tries, channel.first_wait_seconds, channel.longest_wait_seconds)
        values = {"next_try": patience.moment(now, seconds)}
        if what == SEND and answer.fate == UNKNOWN:
            values["fate"] = "unknown"
        return values

    def _finish(self):
        """What came of the messages is written down where they come from."""
        try:
            retrying(self.env, lambda: self._finish_once(), turn_key=self.channel_id.id)
        except (InterfaceError, OperationalError):
            raise
        except Exception as error:
            _logger.exception("What came of batch %s could not be written down", self.id)
            words = self._words(readable_error(error))
            retrying(self.env, lambda: self._note_unfinished(words), turn_key=self.channel_id.id)

    def _finish_once(self):
        self.env.invalidate_all()
        self.env.cr.execute(
            SQL(
                "SELECT 1 FROM g2p_outbox_batch WHERE id = %s AND state = 'waiting' AND fate = 'answered' FOR UPDATE",
                self.id,
            )
        )
        if not self.env.cr.rowcount:
            return
        self.channel_id._kind()._finalize(self)
        self._count_outcomes()
        self.write({"state": "done", "finished_at": fields.Datetime.now(), "last_error": False})

    def _note_unfinished(self, words):
        self.env.invalidate_all()
        now, tries, channel = fields.Datetime.now(), self.tries + 1, self.channel_id
        self._note(FINISH, now, reason=words, outcome="error")
        seconds = patience.wait(tries, channel.first_wait_seconds, channel.longest_wait_seconds)
        self.write(
            {
                "tries": tries,
                "next_try": patience.moment(now, seconds),
                "state": "dead" if tries >= channel.tries_most else "waiting",
                "last_error": words,
            }
        )

    def _schedule(self):
        """The next job, where a job runner is there; the scheduler looks after the rest."""
        self.env.invalidate_all()
        if self.state == "waiting" and self.env["g2p.bulk.operation"]._runner_is_alive():
            self._enqueue(eta=max(filter(None, (self.next_try, self.channel_id.open_until))))

    # What the other side tells by itself

    def _take_answer(self, answer):
        """An answer that came by another way than our call (a callback, a file). In the transaction of who received it; the
        caller has made sure who says so. What contradicts an answer that was written down is put on record, and changes
        nothing. Returns whether it was news."""
        self.ensure_one()
        self._locked()
        now, reason = fields.Datetime.now(), self._words(answer.reason)
        self._note("told", now, reason=reason, outcome=answer.fate)
        if self.state in ("done", "given_up") or self.fate == "answered":
            return False
        self.env["g2p.outbox.message"]._take_results(self, self._clean(answer.results))
        if answer.fate in FINAL:
            self.env["g2p.outbox.message"]._take_rest(self, answer.fate, reason)
            # Somebody may be at the call still: the end of it finds that there is nothing left to say.
            values = {"fate": "answered", "tries": 0, "next_try": now, "last_error": False}
            if self.state == "dead":
                values["state"] = "waiting"
            self.write(values)
            self.env["g2p.outbox.channel"]._wake()
        return True

    # Helpers

    def _note(self, kind, now, **values):
        return self.env["g2p.outbox.attempt"].create(
            {
                "batch_id": self.id,
                "kind": kind,
                "user_id": self.env.uid
                if kind in ("again", "give_up", "told")
                else (self.create_uid.id or self.env.uid),
                "worker": process_name(),
                "started_at": now,
                **values,
            }
        )

    def _die(self, reason):
        """A person has to look at it."""
        self.write({"state": "dead", "last_error": reason})

    def _count_outcomes(self):
        groups = dict(
            self.env["g2p.outbox.message"]._read_group([("batch_id", "=", self.id)], ["outcome"], ["__count"])
        )
        self.write({"delivered": groups.get(DELIVERED, 0), "refused": self.size - groups.get(DELIVERED, 0)})

    def _words(self, text):
        """What is kept of what others say: no numbers of people, no names in quotes, and not much."""
        return scrub(str(text))[:REASON_LENGTH] if text else False

    def _clean(self, results):
        return {
            key: result._replace(
                reason=self._words(result.reason) or None,
                reference=str(result.reference)[:REASON_LENGTH] if result.reference else None,
            )
            for key, result in results.items()
        }
