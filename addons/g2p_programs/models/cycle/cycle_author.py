from odoo import api, fields, models
from odoo.tools import SQL

# Authors are noted by the database, so no way of making or changing an entitlement goes round it. A trigger a statement where
# rows come in thousands; a trigger a row where amounts are corrected, which a change of state does not even wake.
OBJECTS = """
CREATE OR REPLACE FUNCTION g2p_cycle_author_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO g2p_cycle_author (cycle_id, user_id, act, date)
    SELECT made.cycle_id, made.create_uid, 'created', now() AT TIME ZONE 'UTC'
      FROM (SELECT DISTINCT cycle_id, create_uid FROM made WHERE create_uid IS NOT NULL) AS made
     -- First looked up: to insert what another transaction is inserting is to wait for it.
     WHERE NOT EXISTS (
            SELECT FROM g2p_cycle_author AS known
             WHERE known.cycle_id = made.cycle_id AND known.user_id = made.create_uid
               AND known.act IN ('created', 'prepared')
           )
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER g2p_cycle_author_created AFTER INSERT ON g2p_entitlement
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION g2p_cycle_author_created();

CREATE OR REPLACE FUNCTION g2p_cycle_author_amount() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO g2p_cycle_author (cycle_id, user_id, act, date)
    VALUES (NEW.cycle_id, NEW.write_uid, 'amount', now() AT TIME ZONE 'UTC')
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER g2p_cycle_author_amount AFTER UPDATE OF initial_amount, transfer_fee ON g2p_entitlement
    FOR EACH ROW
    WHEN (
        (OLD.initial_amount, OLD.transfer_fee) IS DISTINCT FROM (NEW.initial_amount, NEW.transfer_fee)
        AND NEW.write_uid IS NOT NULL
    )
    EXECUTE FUNCTION g2p_cycle_author_amount();

CREATE OR REPLACE FUNCTION g2p_cycle_author_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- With a draft cycle that is deleted its authors go.
    IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM g2p_cycle WHERE id = OLD.cycle_id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'Who worked on a cycle stays on record: % is not allowed', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE OR REPLACE TRIGGER g2p_cycle_author_stays BEFORE UPDATE OR DELETE ON g2p_cycle_author
    FOR EACH ROW EXECUTE FUNCTION g2p_cycle_author_stays();
"""


class CycleAuthor(models.Model):
    """Who had a hand in what a cycle pays: they approve neither the cycle nor its entitlements. Rows are only ever added."""

    _name = "g2p.cycle.author"
    _description = "Author of a cycle"
    _order = "date, id"
    _rec_name = "user_id"
    _log_access = False

    _once = models.Constraint("UNIQUE (cycle_id, user_id, act)", "This is on record already.")

    cycle_id = fields.Many2one("g2p.cycle", required=True, readonly=True, ondelete="cascade")
    user_id = fields.Many2one("res.users", "Who", required=True, readonly=True, ondelete="restrict")
    act = fields.Selection(
        [
            ("prepared", "Prepared the entitlements"),
            ("created", "Made an entitlement"),
            ("amount", "Set an amount or a fee"),
            ("submitted", "Sent the cycle for approval"),
        ],
        "Did",
        required=True,
        readonly=True,
    )
    date = fields.Datetime("First", required=True, readonly=True)

    def init(self):
        self._watch_entitlements()

    @api.model
    def _watch_entitlements(self):
        """Make the triggers; where cycles are older than this table, take their authors from what is known.

        Asked when either table is made: whichever comes last does it.
        """
        self.env.cr.execute("SELECT to_regclass('g2p_entitlement') IS NULL OR to_regclass('g2p_cycle_author') IS NULL")
        if self.env.cr.fetchone()[0]:
            return
        self.env.cr.execute(OBJECTS)
        self.env.cr.execute("SELECT EXISTS (SELECT FROM g2p_cycle_author)")
        if self.env.cr.fetchone()[0]:
            return
        self.env.cr.execute(
            """
            INSERT INTO g2p_cycle_author (cycle_id, user_id, act, date)
            SELECT cycle_id, user_id, act, now() AT TIME ZONE 'UTC'
              FROM (
                    SELECT id, prepared_by, 'prepared' FROM g2p_cycle
                     UNION SELECT id, submitted_by, 'submitted' FROM g2p_cycle
                     UNION SELECT cycle_id, create_uid, 'created' FROM g2p_entitlement
                     UNION SELECT cycle_id, amount_set_by, 'amount' FROM g2p_entitlement
                   ) AS known (cycle_id, user_id, act)
             WHERE user_id IS NOT NULL
            """
        )

    @api.model
    def _add(self, cycle, user, act):
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_cycle_author (cycle_id, user_id, act, date)
                VALUES (%s, %s, %s, now() AT TIME ZONE 'UTC') ON CONFLICT DO NOTHING
                """,
                cycle.id,
                user.id,
                act,
            )
        )
        cycle.invalidate_recordset(["author_ids"], flush=False)

    @api.model
    def _has(self, cycle, user):
        """Whether the user is an author of the cycle: one look-up in the index, however many entitlements there are."""
        self.env.flush_all()
        return bool(
            self.env.execute_query(
                SQL("SELECT FROM g2p_cycle_author WHERE cycle_id = %s AND user_id = %s LIMIT 1", cycle.id, user.id)
            )
        )
