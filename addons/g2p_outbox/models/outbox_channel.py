import hashlib
import hmac
import logging
import time
from contextlib import contextmanager, suppress

from psycopg2 import Error as PostgresError
from psycopg2 import InterfaceError, OperationalError

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.orm.models import NO_ACCESS
from odoo.tools import SQL

from odoo.addons.g2p_bulk.core import commit, in_test_transaction, retrying
from odoo.addons.g2p_bulk.tools import roles

from ..tools import patience, transport

_logger = logging.getLogger(__name__)

STEERS = "g2p_outbox.group_g2p_outbox_manager"
SETS_UP = "g2p_outbox.group_g2p_outbox_admin"
NO_KIND = "none"
# Messages that are put into batches in one transaction.
GATHERED_AT_ONCE = 10_000
# Batches that one run of the scheduler looks after, and the seconds it calls by itself where no job runner does.
WOKEN_AT_ONCE = 500
CRON_SECONDS = 20
# That all is well is written down this often, not with each call: many workers write the same row.
SUCCESS_SECONDS = 30
# A probe that was cut off is made again after the time-out of its call and this.
PROBE_SECONDS = 30
# Advisory locks: one at work on a batch; places of a channel. Each ends with its process.
SLOT_LOCK = 0x67327073
MOST_AT_ONCE = 64


class OutboxChannel(models.Model):
    """One endpoint of the outside world: where it is, how patient we are with it, and how it is doing."""

    _name = "g2p.outbox.channel"
    _description = "Outbox channel"
    _inherit = ["g2p.change.mixin"]
    _order = "name, id"

    _fixed_fields = ("company_id",)
    _protected_fields = (
        "failures",
        "open_until",
        "times_opened",
        "last_success",
        "last_failure",
        "last_error",
    )
    _secret_fields = ("secret",)

    _name_uniq = models.Constraint("UNIQUE (company_id, name)", "Another channel of the company has this name.")
    _limits = models.Constraint(
        f"""CHECK (
            batch_size BETWEEN 1 AND 10000 AND at_once BETWEEN 1 AND {MOST_AT_ONCE}
            AND timeout_seconds BETWEEN 1 AND 300 AND answer_kilobytes BETWEEN 1 AND 102400
            AND tries_most BETWEEN 1 AND 100 AND first_wait_seconds BETWEEN 1 AND 86400
            AND longest_wait_seconds BETWEEN first_wait_seconds AND 604800 AND poll_seconds BETWEEN 1 AND 604800
            AND failures_most BETWEEN 1 AND 1000 AND open_seconds BETWEEN 1 AND 86400
        )""",
        "A limit of the channel is out of range. Messages in a call: 1 to 10,000. Calls at once: 1 to 64. Seconds for a call: 1 to "
        "300. Kilobytes of an answer: 1 to 102,400. Tries: 1 to 100. Waits: 1 second to 7 days, the longest not shorter than "
        "the first. Failures before it is left alone: 1 to 1,000.",
    )

    name = fields.Char(required=True)
    active = fields.Boolean(default=True)
    kind = fields.Selection(
        [(NO_KIND, "None: nothing is sent")],
        required=True,
        default=NO_KIND,
        help="How the other side is talked to: each is brought by a module.",
    )
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company, ondelete="restrict", index=True
    )
    url = fields.Char("Address", groups=SETS_UP, help="Where calls go: https://…")
    secret = fields.Char("Secret as stored", groups=NO_ACCESS, copy=False)
    new_secret = fields.Char(
        "Secret",
        compute="_compute_new_secret",
        inverse="_inverse_new_secret",
        groups="base.group_system",
        help="Can be set, and is never shown again. A new address takes it away: it is for this address only.",
    )
    has_secret = fields.Boolean("Secret is set", compute="_compute_has_secret", groups=SETS_UP)

    # Limits
    batch_size = fields.Integer("Messages in a call", required=True, default=100)
    at_once = fields.Integer("Calls at once", required=True, default=2)
    in_order = fields.Boolean(
        "In order", help="A call is made when all before it are over; one that nobody could deliver stops the rest."
    )
    timeout_seconds = fields.Integer("Seconds for a call", required=True, default=30)
    answer_kilobytes = fields.Integer("Kilobytes of an answer", required=True, default=1024)
    tries_most = fields.Integer(
        "Tries", required=True, default=10, help="After so many without success a person decides."
    )
    first_wait_seconds = fields.Integer(
        "First wait in seconds", required=True, default=15, help="Doubles with each try; half of it is chance."
    )
    longest_wait_seconds = fields.Integer("Longest wait in seconds", required=True, default=3600)
    poll_seconds = fields.Integer(
        "Seconds between questions",
        required=True,
        default=300,
        help="Where the other side takes a batch and tells later.",
    )
    failures_most = fields.Integer(
        "Failures in a row", required=True, default=5, help="After so many it is left alone for a while."
    )
    open_seconds = fields.Integer(
        "Left alone for seconds", required=True, default=60, help="Doubles each time that one call tries it in vain."
    )

    # How it is doing
    paused = fields.Boolean(readonly=True, copy=False)
    failures = fields.Integer("Failed calls in a row", readonly=True, copy=False, aggregator=None)
    open_until = fields.Datetime("Left alone until", readonly=True, copy=False)
    times_opened = fields.Integer(readonly=True, copy=False)
    last_success = fields.Datetime("Last success", readonly=True, copy=False)
    last_failure = fields.Datetime("Last failure", readonly=True, copy=False)
    last_error = fields.Char("Last error", readonly=True, copy=False)

    health = fields.Selection(
        [
            ("well", "Well"),
            ("trying", "Tried with one call"),
            ("open", "Left alone for a while"),
            ("paused", "Paused"),
            ("nobody", "No module"),
        ],
        compute="_compute_health",
        help="After several failures in a row nothing is called for a while; then one call tries it.",
    )
    waiting_count = fields.Integer("Waiting", compute="_compute_figures", help="Messages that have not left yet.")
    flight_count = fields.Integer(
        "In flight", compute="_compute_figures", help="Messages in a call that is being made."
    )
    accepted_count = fields.Integer(
        "Taken", compute="_compute_figures", help="The other side has them, and has not said what came of them."
    )
    unknown_count = fields.Integer(
        "Unknown",
        compute="_compute_figures",
        help="Nobody knows whether they arrived. It is asked before they leave again.",
    )
    dead_count = fields.Integer(
        "Dead letters", compute="_compute_figures", help="Tried often enough: a person tries again, or gives up."
    )
    failed_count = fields.Integer("Refused", compute="_compute_figures", help="The other side will not have them.")
    oldest = fields.Datetime(compute="_compute_figures", help="Since when the oldest that is not over is there.")

    # Computed

    def _compute_new_secret(self):
        self.new_secret = False

    def _inverse_new_secret(self):
        for channel in self:
            if channel.new_secret:
                # sudo: only administrators of the system may write the field that is the way in
                channel.sudo().secret = channel.new_secret

    @api.depends("secret")
    def _compute_has_secret(self):
        for channel in self:
            # sudo: whether there is one, not what it is
            channel.has_secret = bool(channel.sudo().secret)

    @api.depends("paused", "failures", "failures_most", "open_until", "kind", "active")
    def _compute_health(self):
        words = {patience.CLOSED: "well", patience.OPEN: "open", patience.HALF_OPEN: "trying"}
        for channel in self:
            if channel._kind() is None:
                channel.health = "nobody"
            elif channel.paused or not channel.active:
                channel.health = "paused"
            else:
                channel.health = words[channel._breaker(fields.Datetime.now())]

    def _compute_figures(self):
        """Counts of messages, by two queries over what isn't over and what was refused, whatever was ever delivered."""
        self.env["g2p.outbox.batch"].flush_model()
        self.env["g2p.outbox.message"].flush_model()
        rows = {
            channel_id: figures
            for channel_id, *figures in self.env.execute_query(
                SQL(
                    """
                    SELECT channel.id,
                           COALESCE(loose.messages, 0) + COALESCE(batches.waiting, 0), batches.flight, batches.accepted,
                           batches.unknown, batches.dead, refused.messages, LEAST(loose.oldest, batches.oldest)
                      FROM g2p_outbox_channel AS channel
                     CROSS JOIN LATERAL (
                        SELECT COUNT(*) AS messages, MIN(create_date) AS oldest
                          FROM g2p_outbox_message
                         WHERE channel_id = channel.id AND batch_id IS NULL
                     ) AS loose
                     CROSS JOIN LATERAL (
                        SELECT SUM(size) FILTER (WHERE state = 'waiting' AND fate IN ('none', 'answered')) AS waiting,
                               SUM(size) FILTER (WHERE state = 'sending') AS flight,
                               SUM(size) FILTER (WHERE state = 'waiting' AND fate = 'accepted') AS accepted,
                               SUM(size) FILTER (WHERE state = 'waiting' AND fate = 'unknown') AS unknown,
                               SUM(size) FILTER (WHERE state = 'dead') AS dead,
                               MIN(create_date) AS oldest
                          FROM g2p_outbox_batch
                         WHERE channel_id = channel.id AND state IN ('waiting', 'sending', 'dead')
                     ) AS batches
                     CROSS JOIN LATERAL (
                        SELECT SUM(refused) AS messages FROM g2p_outbox_batch WHERE channel_id = channel.id AND refused > 0
                     ) AS refused
                     WHERE channel.id = ANY(%s)
                    """,
                    self.ids,
                )
            )
        }
        for channel in self:
            waiting, flight, accepted, unknown, dead, refused, oldest = rows.get(channel.id) or [0] * 6 + [False]
            channel.waiting_count = waiting or 0
            channel.flight_count = flight or 0
            channel.accepted_count = accepted or 0
            channel.unknown_count = unknown or 0
            channel.dead_count = dead or 0
            channel.failed_count = refused or 0
            channel.oldest = oldest or False

    # Constraints

    @api.constrains("url")
    def _check_url(self):
        for channel in self:
            if not channel.url:
                continue
            try:
                transport.check_url(channel.url)
            except ValueError as error:
                raise ValidationError(
                    self.env._(
                        "This is no address that can be called. It looks like https://pay.example.org/batches: a host, no user "
                        "and password, no spaces."
                    )
                ) from error

    # CRUD

    def write(self, vals):
        if "kind" in vals:
            self._check_kind_stays(vals["kind"])
        moved = self.filtered(lambda channel: channel.url != (vals["url"] or False)) if "url" in vals else self.browse()
        result = super().write(vals)
        if not vals.get("new_secret"):
            # Whoever may set an address but no secret would else have it sent to them.
            moved.sudo().secret = False  # sudo: it is taken away, see above; who may write the channel was asked
        return result

    def copy_data(self, default=None):
        return [
            {**vals, "name": self.env._("%s (copy)", channel.name)}
            for channel, vals in zip(self, super().copy_data(default), strict=True)
        ]

    def _check_kind_stays(self, kind):
        """What was queued for one kind means nothing to another."""
        changed = self.filtered(lambda channel: channel.kind not in (kind, NO_KIND))
        # sudo: whether there is a message, not which
        if kind != NO_KIND and self.env["g2p.outbox.message"].sudo().search_count(
            [("channel_id", "in", changed.ids)], limit=1
        ):
            raise UserError(
                self.env._("Messages were queued for this kind of channel: make another channel for another kind.")
            )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        # sudo: whether there is a message, not which
        if self.env["g2p.outbox.message"].sudo().search_count([("channel_id", "in", self.ids)], limit=1):
            raise UserError(self.env._("What this channel has sent stays on record: archive it instead."))

    # Buttons

    def action_pause(self):
        """Button: call nothing until somebody resumes it. What is queued waits."""
        self._check_steers()
        self.sudo().paused = True  # sudo: role and access were checked just above

    def action_resume(self):
        """Button: go on, and forget past failures."""
        self._check_steers()
        # sudo: role and access were checked just above
        self.sudo().write({"paused": False, "failures": 0, "open_until": False, "times_opened": 0})
        self._wake()

    def action_view_batches(self):
        """Stat button."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("g2p_outbox.g2p_outbox_batch_action")
        context = {"search_default_open": 1}
        return action | {"domain": [("channel_id", "=", self.id)], "context": context}

    def _check_steers(self):
        roles.check(self.env, STEERS)
        self.check_access("read")

    # Queueing: in the transaction of whoever has something to tell

    def _queue_sql(self, source, res_model):
        """INSERT of messages, which fits as the body of a CTE: `INSERT … RETURNING` nothing. Call :meth:`_wake` with it.

        A key is taken once for each channel, whoever queues it, how often and at the same time with whom.

        :param SQL source: columns `key` (what makes the message this message), `batch` (those with the same go in one call,
            or in several of the channel's size; may be NULL), `res_id` (the record it is about), `payload` (jsonb or NULL: what
            isn't in the record; no data of people).
        :param str res_model: the model of the records.
        """
        self.ensure_one()
        if not self.active:
            raise UserError(self.env._("%s is archived: nothing can be queued for it.", self.name))
        return SQL(
            """
            INSERT INTO g2p_outbox_message
                   (channel_id, key, label, res_model, res_id, payload, create_uid, create_date, write_uid, write_date)
            SELECT %(channel)s, source.key, source.batch, %(res_model)s, source.res_id, source.payload,
                   %(uid)s, %(now)s, %(uid)s, %(now)s
              FROM (%(source)s) AS source
                ON CONFLICT (channel_id, key) DO NOTHING
            """,
            channel=self.id,
            res_model=res_model,
            source=source,
            uid=self.env.uid,
            now=self.env.cr.now(),
        )

    def _queue(self, source, res_model):
        """Queue messages, see :meth:`_queue_sql`. Returns how many are new."""
        self.env.flush_all()
        self.env.cr.execute(self._queue_sql(source, res_model))
        count = self.env.cr.rowcount
        self.env["g2p.outbox.message"].invalidate_model(flush=False)
        self._wake()
        return count

    @api.model
    def _wake(self):
        """Look after the outbox as soon as this transaction is committed."""
        # sudo: when the scheduler runs, of no interest to access rights
        self.env.ref("g2p_outbox.cron_wake").sudo()._trigger()

    # Batches: what goes in one call

    def _gather(self):
        """Put messages that were queued into batches, each with a key for good. Returns how many messages."""
        gathered = 0
        while count := retrying(self.env, lambda: self._gather_some(), turn_key=self.id):
            gathered += count
        return gathered

    def _gather_some(self):
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH loose AS MATERIALIZED (
                    SELECT id, label, create_uid
                      FROM g2p_outbox_message
                     WHERE channel_id = %(channel)s AND batch_id IS NULL
                     ORDER BY id LIMIT %(limit)s
                       FOR UPDATE SKIP LOCKED
                ), placed AS MATERIALIZED (
                    SELECT id, label, create_uid,
                           (row_number() OVER (PARTITION BY label, create_uid ORDER BY id) - 1) / %(size)s AS slice
                      FROM loose
                ), batch AS MATERIALIZED (
                    SELECT label, create_uid, slice, COUNT(*) AS size, nextval('g2p_outbox_batch_id_seq') AS id
                      FROM (SELECT * FROM placed ORDER BY id) AS placed
                     GROUP BY label, create_uid, slice
                     ORDER BY MIN(placed.id)
                ), made AS (
                    INSERT INTO g2p_outbox_batch
                           (id, channel_id, key, label, size, state, fate, tries, next_try, delivered, refused,
                            create_uid, write_uid, create_date, write_date)
                    SELECT id, %(channel)s, gen_random_uuid(), label, size, 'waiting', 'none', 0, %(now)s, 0, 0,
                           create_uid, create_uid, %(now)s, %(now)s
                      FROM batch
                )
                UPDATE g2p_outbox_message AS message
                   SET batch_id = batch.id
                  FROM placed
                  JOIN batch ON batch.slice = placed.slice AND batch.label IS NOT DISTINCT FROM placed.label
                            AND batch.create_uid IS NOT DISTINCT FROM placed.create_uid
                 WHERE message.id = placed.id
                """,
                channel=self.id,
                limit=GATHERED_AT_ONCE,
                size=self.batch_size,
                now=fields.Datetime.now(),
            )
        )
        count = self.env.cr.rowcount
        self.env.invalidate_all(flush=False)
        return count

    # Waking

    @api.model
    def _cron_wake(self):
        """Put what was queued into batches, and see to those that are due: by a job each where a job runner serves this
        database, else here, for some seconds."""
        deadline = time.monotonic() + CRON_SECONDS
        runner = self.env["g2p.bulk.operation"]._runner_is_alive()
        again = False
        for channel in self.search([]):
            if channel._kind() is None or channel.paused:
                continue
            try:
                channel._gather()
                due = self.env["g2p.outbox.batch"]._due(channel, WOKEN_AT_ONCE)
                again |= len(due) == WOKEN_AT_ONCE
                for batch in due:
                    if runner:
                        batch._enqueue()
                    elif time.monotonic() < deadline:
                        batch._deliver()
                    else:
                        again = True
                        break
                commit(self.env)
            except (InterfaceError, OperationalError):
                raise
            except Exception:
                # One endpoint's trouble is not the others'.
                if not in_test_transaction(self.env.cr):
                    self.env.cr.rollback()
                _logger.exception("The outbox channel %s could not be looked after", channel.id)
        if again:
            self._wake()
            commit(self.env)

    # What kinds and batches ask

    def _kind(self):
        """The class that talks to it, or None: its module isn't there."""
        name = f"g2p.outbox.kind.{self.kind}"
        return self.env[name] if self.kind != NO_KIND and name in self.env else None

    def _secret(self):
        """For the headers of a call, and nothing else."""
        self.ensure_one()
        return self.sudo().secret or ""  # sudo: nobody reads it but the call

    @api.model
    def _allowed_networks(self):
        # sudo: a setting of the system, which the call goes by
        text = self.env["ir.config_parameter"].sudo().get_param("g2p_outbox.inner_networks") or ""
        try:
            return transport.parse_networks(text)
        except ValueError:
            return ()

    @api.model
    def _digest(self, *parts):
        """What was said, as something that can be compared and not read: with the database's secret, so that nobody finds
        a short text by trying."""
        # sudo: the secret goes into the digest, and nowhere else
        secret = self.env["ir.config_parameter"].sudo().get_param("database.secret") or ""
        return hmac.new(secret.encode(), b"\0".join(parts), hashlib.sha256).hexdigest()[:32]

    # The breaker

    def _breaker(self, now):
        return patience.breaker(self.failures, self.failures_most, self.open_until or None, now)

    def _let_through(self, now):
        """Whether a call may be made now. Of those who ask when it has been left alone long enough, one may: it tries it."""
        breaker = self._breaker(now)
        if breaker != patience.HALF_OPEN:
            return breaker == patience.CLOSED
        # In the transaction that puts the attempt on record: who does the same at the same moment is a conflict, and looks
        # again.
        self.open_until = patience.moment(now, self.timeout_seconds + PROBE_SECONDS)
        return True

    def _note_call(self, well, now, error=None):
        """What a call says about the endpoint."""
        if well:
            stale = not self.last_success or (now - self.last_success).total_seconds() >= SUCCESS_SECONDS
            if self.failures or self.open_until or stale:
                self.write({"failures": 0, "open_until": False, "times_opened": 0, "last_success": now})
            return
        values = {"failures": self.failures + 1, "last_failure": now, "last_error": error}
        if values["failures"] >= self.failures_most:
            values["times_opened"] = self.times_opened + 1
            seconds = patience.wait(
                values["times_opened"], self.open_seconds, max(self.open_seconds, self.longest_wait_seconds)
            )
            values["open_until"] = patience.moment(now, seconds)
        self.write(values)

    # Places

    @contextmanager
    def _place(self):
        """One of the channel's places for calls at once, or None when all are taken. It is free again when the process ends,
        however it ends."""
        taken = None
        for number in range(self.at_once if not self.in_order else 1):
            lock = (SLOT_LOCK << 32) + self.id % (1 << 24) * 256 + number
            self.env.cr.execute("SELECT pg_try_advisory_lock(%s)", [lock])
            if self.env.cr.fetchone()[0]:
                taken = lock
                break
        try:
            yield taken
        finally:
            if taken is not None:
                with suppress(PostgresError):
                    self.env.cr.execute("SELECT pg_advisory_unlock(%s)", [taken])
