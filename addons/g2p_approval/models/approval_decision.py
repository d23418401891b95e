from odoo import api, fields, models
from odoo.exceptions import AccessError

# What a decision has to hold to be one is asked by the database, whoever inserts it.
OBJECTS = """
CREATE OR REPLACE FUNCTION g2p_approval_decision_made() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    request g2p_approval_request%ROWTYPE;
BEGIN
    SELECT * INTO request FROM g2p_approval_request WHERE id = NEW.request_id;
    IF request.state <> 'waiting' OR request.stage_id IS DISTINCT FROM NEW.stage_id THEN
        RAISE EXCEPTION 'Approval request % does not wait for a decision in this stage', NEW.request_id
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF request.digest <> NEW.digest THEN
        RAISE EXCEPTION 'Approval request % asks for something else', NEW.request_id
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (
        SELECT FROM g2p_approval_request_author_rel AS author
         WHERE author.request_id = NEW.request_id AND author.user_id IN (NEW.user_id, NEW.voice_id)
    ) OR request.requested_by IN (NEW.user_id, NEW.voice_id) THEN
        RAISE EXCEPTION 'Approval request %: nobody decides on their own work', NEW.request_id
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT request.several_stages AND EXISTS (
        SELECT FROM g2p_approval_decision AS earlier
         WHERE earlier.request_id = NEW.request_id AND earlier.stage_id <> NEW.stage_id
           AND (earlier.user_id IN (NEW.user_id, NEW.voice_id) OR earlier.voice_id IN (NEW.user_id, NEW.voice_id))
    ) THEN
        RAISE EXCEPTION 'Approval request %: nobody decides in two stages', NEW.request_id
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER g2p_approval_decision_made BEFORE INSERT ON g2p_approval_decision
    FOR EACH ROW EXECUTE FUNCTION g2p_approval_decision_made();

CREATE OR REPLACE FUNCTION g2p_approval_decision_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Decisions stay on record: % is not allowed', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE OR REPLACE TRIGGER g2p_approval_decision_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON g2p_approval_decision
    FOR EACH STATEMENT EXECUTE FUNCTION g2p_approval_decision_stays();
"""


class ApprovalDecision(models.Model):
    """Who said what in which stage, when, and about exactly what. Rows are only ever added."""

    _name = "g2p.approval.decision"
    _description = "Approval decision"
    _order = "id"
    _rec_name = "user_id"
    _log_access = False

    _once_a_user = models.Constraint("UNIQUE (stage_id, user_id)", "You decided in this stage already.")
    _once_a_voice = models.Constraint("UNIQUE (stage_id, voice_id)", "This was decided for the same person already.")

    request_id = fields.Many2one("g2p.approval.request", required=True, readonly=True, index=True, ondelete="restrict")
    stage_id = fields.Many2one("g2p.approval.request.stage", required=True, readonly=True, ondelete="restrict")
    user_id = fields.Many2one("res.users", "Who", required=True, readonly=True, ondelete="restrict")
    voice_id = fields.Many2one(
        "res.users", "For", required=True, readonly=True, ondelete="restrict", help="Another person when they stood in."
    )
    decision = fields.Selection([("approved", "Approved"), ("rejected", "Rejected")], required=True, readonly=True)
    date = fields.Datetime("When", required=True, readonly=True, default=fields.Datetime.now)
    remark = fields.Text(readonly=True)
    digest = fields.Char(required=True, readonly=True, help="Of exactly what was agreed to, or not.")

    def init(self):
        # The request's table is made before this one, by its place in the package.
        self.env.cr.execute(OBJECTS)

    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su:
            self._refuse()
        return super().create(vals_list)

    def write(self, vals):
        self._refuse()

    def unlink(self):
        self._refuse()

    def _who_text(self):
        """Who decided, and for whom they stood in."""
        if self.user_id == self.voice_id:
            return self.user_id.name
        return self.env._("%(user)s for %(voice)s", user=self.user_id.name, voice=self.voice_id.name)

    def _refuse(self):
        raise AccessError(self.env._("Decisions are made by the buttons of the request, and stay on record."))
