from odoo import fields, models

# A row is made before the call and closed once after it; nothing else is ever changed, and nothing taken away.
KEPT = """
CREATE OR REPLACE FUNCTION g2p_outbox_attempt_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.outcome IS NULL AND NEW.outcome IS NOT NULL
       AND (OLD.id, OLD.batch_id, OLD.kind, OLD.user_id, OLD.worker, OLD.started_at, OLD.request_digest, OLD.request_bytes)
           IS NOT DISTINCT FROM
           (NEW.id, NEW.batch_id, NEW.kind, NEW.user_id, NEW.worker, NEW.started_at, NEW.request_digest, NEW.request_bytes)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'What was tried is on record: % is not allowed', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE OR REPLACE TRIGGER g2p_outbox_attempt_kept BEFORE UPDATE OR DELETE ON g2p_outbox_attempt
    FOR EACH ROW EXECUTE FUNCTION g2p_outbox_attempt_kept();
CREATE OR REPLACE TRIGGER g2p_outbox_attempt_whole BEFORE TRUNCATE ON g2p_outbox_attempt
    FOR EACH STATEMENT EXECUTE FUNCTION g2p_outbox_attempt_kept();
"""


class OutboxAttempt(models.Model):
    """What was done about a batch: a call, a question, a person's decision. Who, when, how long, what came of it, and digests
    of what was said; no data of people, no secret.

    A row stands in the database before its call is made, with its end open: a process that dies leaves it so, and whoever
    finds it knows that something may have left.
    """

    _name = "g2p.outbox.attempt"
    _description = "Outbox attempt"
    _order = "id desc"
    _rec_name = "kind"
    _log_access = False

    _batch_idx = models.Index("(batch_id, id)")

    batch_id = fields.Many2one("g2p.outbox.batch", required=True, readonly=True, ondelete="restrict")
    channel_id = fields.Many2one(related="batch_id.channel_id")
    kind = fields.Selection(
        [
            ("send", "Sent"),
            ("ask", "Asked"),
            ("told", "Told by them"),
            ("finish", "Written down"),
            ("again", "Try again"),
            ("give_up", "Give up"),
        ],
        "What",
        required=True,
        readonly=True,
    )
    user_id = fields.Many2one("res.users", "For", readonly=True, ondelete="restrict", help="Who queued it, or decided.")
    worker = fields.Char("Process", readonly=True, help="Machine and number of the process.")
    started_at = fields.Datetime("When", required=True, readonly=True)
    seconds = fields.Float("Took", readonly=True, aggregator=None, digits=(16, 3))
    outcome = fields.Selection(
        [
            ("delivered", "Delivered"),
            ("refused", "Refused"),
            ("accepted", "Taken, tells later"),
            ("absent", "Not there"),
            ("later", "Not taken now"),
            ("rejected", "Would not take it"),
            ("unknown", "Unknown"),
            ("lost", "Cut off"),
            ("error", "Our own error"),
            ("decided", "Decided"),
        ],
        readonly=True,
    )
    http_status = fields.Integer("HTTP status", readonly=True, aggregator=None)
    reason = fields.Char(readonly=True)
    request_digest = fields.Char(
        "Digest of what was sent",
        readonly=True,
        help="Of what was sent: the same for the same, and nothing can be read in it.",
    )
    request_bytes = fields.Integer("Bytes sent", readonly=True, aggregator=None)
    response_digest = fields.Char("Digest of the answer", readonly=True)
    response_bytes = fields.Integer("Bytes answered", readonly=True, aggregator=None)

    def init(self):
        self.env.cr.execute(KEPT)

    def _drop_triggers(self):
        self.env.cr.execute("DROP FUNCTION IF EXISTS g2p_outbox_attempt_kept() CASCADE")
