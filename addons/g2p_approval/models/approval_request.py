from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.tools import SQL
from odoo.tools.misc import formatLang

from odoo.addons.g2p_bulk.models import evidence

ADMIN = "g2p_approval.group_g2p_approval_admin"
OPEN_STATES = ("waiting", "granted")
# How many people one message is sent to. More find it in the menu, in their activities and in the inbox, as all do.
MOST_MAILED = 500

# What was asked stays as it was asked, and what is over stays over, whoever writes.
OBJECTS = """
CREATE OR REPLACE FUNCTION g2p_approval_request_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'Requests for approval stay on record' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF (NEW.kind_code, NEW.res_model, NEW.res_id, NEW.digest, NEW.requested_by, NEW.requested_on, NEW.company_id,
        NEW.several_stages, NEW.name, NEW.figures::text, NEW.amount)
       IS DISTINCT FROM
       (OLD.kind_code, OLD.res_model, OLD.res_id, OLD.digest, OLD.requested_by, OLD.requested_on, OLD.company_id,
        OLD.several_stages, OLD.name, OLD.figures::text, OLD.amount)
    THEN
        RAISE EXCEPTION 'What approval request % asks for stays as it is', OLD.id USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF OLD.state <> NEW.state AND OLD.state NOT IN ('waiting', 'granted') THEN
        RAISE EXCEPTION 'Approval request % is over', OLD.id USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER g2p_approval_request_stays BEFORE UPDATE OR DELETE ON g2p_approval_request
    FOR EACH ROW EXECUTE FUNCTION g2p_approval_request_stays();
"""


class ApprovalRequest(models.Model):
    """What somebody asks others to agree to: one thing, whatever it holds, with its figures and the digest of exactly what is
    to be agreed. It is as visible as what it is about."""

    _name = "g2p.approval.request"
    _description = "Approval request"
    _inherit = ["mail.thread", "mail.activity.mixin", "g2p.state.mixin", "g2p.evidence.mixin", "g2p.approval.about"]
    _order = "id desc"
    _about = "g2p.approval.mixin"
    # Whoever may see what is asked for may say something about it, and add papers while it waits.
    _mail_post_access = "read"

    _one_open = models.UniqueIndex(
        "(res_model, res_id, kind_code) WHERE state IN ('waiting', 'granted')",
        "Somebody asked for this approval already: reload the page.",
    )
    _record_idx = models.Index("(res_model, res_id)")
    _waiting_idx = models.Index("(stage_id) WHERE state = 'waiting'")

    name = fields.Char("What", required=True, readonly=True)
    kind_id = fields.Many2one("g2p.approval.kind", "Kind", readonly=True, index=True, ondelete="set null")
    kind_code = fields.Char(required=True, readonly=True)
    res_model = fields.Char("Model", required=True, readonly=True)
    res_id = fields.Many2oneReference("Record number", model_field="res_model", required=True, readonly=True)
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True, ondelete="restrict")
    scope_name = fields.Char("Of", readonly=True)
    requested_by = fields.Many2one("res.users", "Asked by", required=True, readonly=True, ondelete="restrict")
    requested_on = fields.Datetime("Since", required=True, readonly=True, default=fields.Datetime.now)
    author_ids = fields.Many2many(
        "res.users",
        "g2p_approval_request_author_rel",
        "request_id",
        "user_id",
        "Prepared by",
        readonly=True,
        help="Who prepared or changed it, or set an amount: they can't agree to it.",
    )
    # Some of them are for some roles only: read by `_figure_lines`.
    figures = fields.Json("Stored figures", readonly=True, groups=fields.NO_ACCESS)
    people_text = fields.Char("About", compute="_compute_figures_text")
    figures_text = fields.Char("Figures", compute="_compute_figures_text")
    figures_table = fields.Html("All figures", compute="_compute_figures_text")
    amount = fields.Monetary(readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True, ondelete="restrict")
    digest = fields.Char(required=True, readonly=True, help="Of exactly what is to be agreed.")
    several_stages = fields.Boolean("One person in several stages", readonly=True)
    state = fields.Selection(
        [
            ("waiting", "Waits"),
            ("granted", "Agreed"),
            ("done", "Agreed and done"),
            ("refused", "Rejected"),
            ("withdrawn", "Taken back"),
            ("void", "Changed, so void"),
        ],
        required=True,
        readonly=True,
        default="waiting",
        index=True,
    )
    ended_on = fields.Datetime("Until", readonly=True)
    decided = fields.Integer("Decisions", readonly=True, default=0)
    stage_id = fields.Many2one("g2p.approval.request.stage", "Stage", readonly=True, ondelete="restrict")
    stage_ids = fields.One2many("g2p.approval.request.stage", "request_id", "Stages", readonly=True)
    decision_ids = fields.One2many("g2p.approval.decision", "request_id", "Decisions made", readonly=True)
    waits_for = fields.Char("Waits for", compute="_compute_waits_for")
    is_overdue = fields.Boolean("Overdue", compute="_compute_is_overdue", search="_search_is_overdue")
    is_changed = fields.Boolean("Changed since", compute="_compute_is_changed")
    can_decide = fields.Boolean("Waits for me", compute="_compute_can_decide", search="_search_can_decide")
    refusal = fields.Char("Why not by me", compute="_compute_refusal")
    can_withdraw = fields.Boolean(compute="_compute_can_withdraw")
    paper_ids = fields.Many2many("ir.attachment", string="Papers", compute="_compute_paper_ids")

    def init(self):
        self.env.cr.execute(OBJECTS)

    # Computes

    @api.depends("figures", "currency_id", "state")
    @api.depends_context("lang", "uid")
    def _compute_figures_text(self):
        now = self._figures_now()
        for request in self:
            # sudo: only to find what is asked for; its people are told as the user may see them
            record = request.sudo()._record()
            people = record.sudo(False)._approval_people(request.kind_code) if record else []
            request.people_text = " · ".join(f"{label}: {text}" for label, text in people)
            lines = [*people, *request._figure_lines(self.env.user, now.get(request.id))]
            request.figures_text = " · ".join(f"{label} {value}" for label, value in lines)
            rows = Markup("").join(
                Markup("<tr><td>%s</td><td style='text-align: right'>%s</td></tr>") % line for line in lines
            )
            request.figures_table = lines and Markup("<table class='table table-sm'>%s</table>") % rows

    def _figures_now(self):
        """{id of a request that waits: its figures, those that change meanwhile as they are now}"""
        told = {}
        # sudo: figures that are for some roles only are left out where lines are made of them
        waiting = self.sudo().filtered(
            lambda request: (
                request.state in OPEN_STATES
                and request.res_model in self.env
                and any(figure.get("then") for figure in request.figures or [])
            )
        )
        for (name, company), requests in waiting.grouped(lambda one: (one.res_model, one.company_id)).items():
            records = self.env[name].sudo().with_company(company).browse(requests.mapped("res_id")).exists()
            by_id = {record.id: record for record in records}
            for request in requests:
                if record := by_id.get(request.res_id):
                    fixed = [figure for figure in request.figures if not figure.get("then")]
                    told[request.id] = fixed + record._approval_figures_now(request.kind_code, request.figures)
        return told

    def _figure_lines(self, user=None, figures=None):
        """[(label, value in words)] of the figures that matter to this user; to whoever may see the request, without.

        :param figures: those to tell; without, as they were when it was asked for
        """
        self.ensure_one()
        lines = []
        # sudo: figures that are for some roles only are left out below
        for figure in self.sudo().figures or [] if figures is None else figures:
            if figure.get("groups") and not (user and user.has_groups(figure["groups"])):
                continue
            value = figure["value"]
            if figure.get("money") and value is not None:
                currency = self.env["res.currency"].browse(figure["money"])
                value = formatLang(self.env, float(value), currency_obj=currency)
            elif isinstance(value, int) and not isinstance(value, bool):
                value = formatLang(self.env, value, digits=0)
            lines.append((figure["label"], "–" if value is None else value))
        return lines

    @api.depends("state", "stage_id", "stage_id.decision_ids", "stage_id.escalated_on")
    def _compute_waits_for(self):
        for request in self:
            stage = request.stage_id
            if request.state != "waiting":
                request.waits_for = False
            elif stage.needed > 1:
                agreed = len(stage.decision_ids.filtered(lambda decision: decision.decision == "approved"))
                request.waits_for = self.env._("%(who)s: %(agreed)s agreed so far", who=stage.who, agreed=agreed)
            else:
                request.waits_for = stage.who

    @api.depends("state", "stage_id.due_on")
    def _compute_is_overdue(self):
        now = fields.Datetime.now()
        for request in self:
            due = request.stage_id.due_on
            request.is_overdue = request.state == "waiting" and bool(due) and due < now

    def _search_is_overdue(self, operator, value):
        if operator != "in":
            return NotImplemented
        return Domain("state", "=", "waiting") & Domain("stage_id.due_on", "<", fields.Datetime.now())

    @api.depends("state")
    def _compute_is_changed(self):
        for request in self:
            record = request._record() if request.state in OPEN_STATES else None
            # sudo: `_record` compares digests only; what the record holds is not shown
            request.is_changed = record is not None and (
                not record or record.sudo()._approval_digest(request.kind_code) != request.digest
            )

    @api.depends("state", "stage_id", "decision_ids")
    @api.depends_context("uid")
    def _compute_can_decide(self):
        known = self.filtered("id")
        mine = self.env(su=False)[self._name].search([("id", "in", known.ids), ("can_decide", "in", [True])])
        for request in self:
            request.can_decide = request.id in mine._ids

    def _search_can_decide(self, operator, value):
        if operator != "in":
            return NotImplemented
        voices = self._voices(self.env.user)
        if not voices:
            return Domain.FALSE

        def to_sql(model, alias, query):
            return SQL("EXISTS (%s)", self._voice_sql(SQL.identifier(alias), self.env.user, voices))

        return Domain("state", "=", "waiting") & Domain.custom(to_sql=to_sql)

    @api.depends("state", "stage_id", "decision_ids")
    @api.depends_context("uid")
    def _compute_refusal(self):
        for request in self:
            request.refusal = not request.can_decide and request.state == "waiting" and request._refusal_text()

    @api.depends("state", "requested_by", "author_ids")
    @api.depends_context("uid")
    def _compute_can_withdraw(self):
        for request in self:
            request.can_withdraw = request.state in OPEN_STATES and request._may_withdraw()

    def _compute_paper_ids(self):
        papers = self.env["ir.attachment"]
        for request in self:
            belongs = Domain("res_model", "=", request._name) & Domain("res_id", "=", request.id)
            if request.res_model in self.env:
                belongs |= Domain("res_model", "=", request.res_model) & Domain("res_id", "=", request.res_id)
            request.paper_ids = papers.search(belongs & Domain("res_field", "=", False))

    def _about_gone(self):
        """Where what it is about is gone, who sees all changes sees the request."""
        return self.env.user.has_group("g2p_bulk.group_g2p_change_auditor")

    # Who may decide

    @api.model
    def _voices(self, user):
        """[(user whose word it is, ids of their groups, kinds that they hold the right for, whether another decides for them)]
        of this user: their own, and of those for whom they stand in."""
        kinds = self.env["g2p.approval.kind"]
        own = kinds._codes_of(user)
        if not own or not user.active or user.share:
            return []
        # sudo: groups of users, compared with stages; nothing of them is shown
        voices = [(user.id, user.sudo().all_group_ids.ids, own, False)]
        for away, delegations in self.env["g2p.approval.delegation"]._to(user).grouped("user_id").items():
            held = set(own) & set(kinds._codes_of(away))
            if all(delegation.kind_ids for delegation in delegations):
                held &= set(delegations.kind_ids.mapped("code"))
            if held:
                voices.append((away.id, away.all_group_ids.ids, sorted(held), True))
        return voices

    @api.model
    def _voice_sql(self, request, user, voices):
        """The voices by which a user may decide on a request now, their own first: SQL of (id).

        :param SQL request: alias of the row of the request
        """
        listed = SQL(", ").join(SQL("(%s::int, %s::int[], %s::varchar[], %s::bool)", *voice) for voice in voices)
        return SQL(
            """
            SELECT voice.id
              FROM (VALUES %(voices)s) AS voice (id, group_ids, kinds, delegated)
              JOIN g2p_approval_request_stage AS stage ON stage.id = %(request)s.stage_id
             WHERE %(request)s.state = 'waiting'
               AND %(request)s.kind_code = ANY(voice.kinds)
               AND (stage.may_delegate OR NOT voice.delegated)
               AND (
                    stage.group_id = ANY(voice.group_ids)
                    OR EXISTS (
                        SELECT FROM g2p_approval_request_stage_user_rel AS named
                         WHERE named.stage_id = stage.id AND named.user_id = voice.id
                    )
                    OR stage.escalated_on IS NOT NULL AND (
                        stage.escalate_group_id = ANY(voice.group_ids)
                        OR EXISTS (
                            SELECT FROM g2p_approval_request_stage_escalate_rel AS named
                             WHERE named.stage_id = stage.id AND named.user_id = voice.id
                        )
                    )
               )
               AND %(request)s.requested_by NOT IN (%(user)s, voice.id)
               AND NOT EXISTS (
                    SELECT FROM g2p_approval_request_author_rel AS author
                     WHERE author.request_id = %(request)s.id AND author.user_id IN (%(user)s, voice.id)
               )
               AND NOT EXISTS (
                    SELECT FROM g2p_approval_decision AS earlier
                     WHERE earlier.request_id = %(request)s.id
                       AND (earlier.stage_id = stage.id OR NOT %(request)s.several_stages)
                       AND (earlier.user_id IN (%(user)s, voice.id) OR earlier.voice_id IN (%(user)s, voice.id))
               )
             ORDER BY voice.delegated, voice.id
            """,
            voices=listed,
            request=request,
            user=user.id,
        )

    def _voice(self):
        """By whose word the user may decide on this request now: a user, or none."""
        self.ensure_one()
        users = self.env["res.users"]
        voices = self._voices(self.env.user)
        if not voices:
            return users
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                "SELECT voice.id FROM g2p_approval_request AS request CROSS JOIN LATERAL (%s) AS voice"
                " WHERE request.id = %s LIMIT 1",
                self._voice_sql(SQL.identifier("request"), self.env.user, voices),
                self.id,
            )
        )
        return users.browse(rows[0][0] if rows else ())

    def _refusal_text(self):
        """Why the user may not decide on this request, in words."""
        self.ensure_one()
        user, stage = self.env.user, self.stage_id
        if self.state != "waiting":
            return self.env._(
                "“%(what)s” does not wait for a decision any more: %(state)s.",
                what=self.name,
                state=dict(self._fields["state"]._description_selection(self.env))[self.state],
            )
        # sudo: whether the user themself has a part in it
        request = self.sudo()
        if user == request.requested_by or user in request.author_ids:
            return self.env._(
                "You prepared or changed this, or asked for it, so somebody else has to agree: %s.", self.waits_for
            )
        earlier = request.decision_ids.filtered(lambda decision: user in (decision.user_id, decision.voice_id))
        if earlier.filtered(lambda decision: decision.stage_id == stage):
            return self.env._("You decided on this already. It waits for %s.", self.waits_for)
        if earlier and not request.several_stages:
            return self.env._(
                "You agreed in an earlier stage, so somebody else decides in this one: %s.", self.waits_for
            )
        return self.env._("“%(what)s” waits for %(who)s.", what=self.name, who=self.waits_for)

    @api.model
    def _deciders(self, stage, request):
        """Users who can decide in a stage, as a domain: members of its group and people named, who hold the right, work for the
        company, and had no part in it."""
        who = Domain("id", "in", stage.user_ids.ids)
        if stage.group_id:
            who |= Domain("all_group_ids", "in", stage.group_id.ids)
        if stage.escalated_on:
            who |= Domain("id", "in", stage.escalate_user_ids.ids)
            if stage.escalate_group_id:
                who |= Domain("all_group_ids", "in", stage.escalate_group_id.ids)
        return (
            who
            & Domain("all_group_ids", "in", request.kind_id.right_ids.ids)
            & Domain("share", "=", False)
            & Domain("company_ids", "in", request.company_id.ids)
            & Domain("id", "not in", (request.author_ids | request.requested_by).ids)
        )

    def _may_withdraw(self):
        self.ensure_one()
        # sudo: whether the user themself has a part in it
        request = self.sudo()
        return self.env.user in request.requested_by | request.author_ids or self.env.user.has_group(ADMIN)

    # CRUD

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(
            self.env._("What was asked for, and who decided, stays on record. Take the request back instead.")
        )

    def _evidence_locked(self):
        return self.filtered(lambda request: request.state not in OPEN_STATES)

    # Buttons

    def action_approve(self, remark=None, digest=None):
        """Agree to these requests, as they were shown.

        :param remark: what to say to it
        :param digest: the `digest` of the request that was read; {id: digest} where there are several. The context key
            `approval_digest` says the same.
        """
        return self._decide_all("approved", remark, digest)

    def action_reject(self, remark=None, digest=None):
        """Reject these requests; the remark says why."""
        if not (remark or "").strip():
            raise UserError(self.env._("Say why you reject it: who asked will read it."))
        return self._decide_all("rejected", remark, digest)

    def action_withdraw(self, remark=None):
        """Take these requests back: by who asked or prepared."""
        for request in self:
            request.check_access("read")
            if not request._may_withdraw():
                raise AccessError(
                    self.env._("Only who asked for “%s”, or prepared it, can take it back.", request.name)
                )
            # sudo: access and part were checked; the fields are protected
            request.sudo()._lock()
            request.sudo()._require_state(*OPEN_STATES)
            request.sudo()._end("withdrawn", remark or self.env._("Taken back by %s", self.env.user.name))
            request._follow()
        return True

    def action_ask_approve(self):
        """Button: show what is agreed to, and ask for a remark."""
        return self._ask_decision("approved")

    def action_ask_reject(self):
        """Button: show what is rejected, and ask why."""
        return self._ask_decision("rejected")

    def _ask_decision(self, decision):
        self.check_access("read")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Approve") if decision == "approved" else self.env._("Reject"),
            "res_model": "g2p.approval.decide",
            "view_mode": "form",
            "target": "new",
            "context": {"default_request_ids": self.ids, "default_decision": decision},
        }

    # Transitions

    def _decide_all(self, decision, remark, digest):
        requests = self.union()
        if not requests:
            raise UserError(self.env._("Choose what to decide on."))
        requests.check_access("read")
        seen = digest if digest is not None else self.env.context.get("approval_digest")
        if len(requests) > 1 and (single := requests.filtered(lambda request: not request.stage_id.several_at_once)):
            raise UserError(
                self.env._("“%s” is decided on by itself, not together with others: open it.", single[0].name)
            )
        for request in requests:
            named = seen
            if isinstance(seen, dict):
                named = seen.get(request.id) or seen.get(str(request.id))
            if named != request.digest:
                raise UserError(
                    self.env._(
                        "“%s”: say what you saw by its digest; what you named is not what is asked for. Look at it again. "
                        "Nothing was decided.",
                        request.name,
                    )
                )
        answers = []
        for request in requests:
            request._decide(decision, remark)
            # What it begins may commit: each decision with what follows from it.
            answers.append(request._follow())
        return answers[0] if len(answers) == 1 and answers[0] else requests._notification()

    def _follow(self):
        """What begins with a decision that is written; returns what the client shows of it."""
        self.ensure_one()
        # sudo: the decision was checked
        request = self.sudo()
        record = request._record()
        return record._approval_follow(request) if record else None

    def _decide(self, decision, remark=None):
        """Let the user decide on this request, whose digest they have named.

        What was changed since it was asked for becomes void, and nobody's decision is taken.
        """
        self.ensure_one()
        # sudo: who may decide is asked just below; the fields are protected
        request = self.sudo()
        request._lock()
        if request.state != "waiting":
            raise UserError(request.with_user(self.env.user)._refusal_text())
        record = request._record()
        if not record:
            request._end("void", self.env._("What it was about is gone."))
            return
        record._approval_lock(request.kind_code)
        if record._approval_digest(request.kind_code) != request.digest:
            request._end("void", self.env._("It was changed after it was asked for."))
            return
        voice = self._voice()
        if not voice:
            raise AccessError(self._refusal_text())
        if {self.env.user, *voice} & {*record._approval_authors(request.kind_code)}:
            raise AccessError(
                self.env._(
                    "You prepared or changed this, or asked for it, so somebody else has to agree: %s.", self.waits_for
                )
            )
        if decision == "approved":
            record.with_user(self.env.user)._approval_check_decider(request.kind_code)
        stage = request.stage_id
        # sudo: who may decide was asked just above, by `_voice` and of the authors
        self.env["g2p.approval.decision"].sudo().create(
            {
                "request_id": request.id,
                "stage_id": stage.id,
                "user_id": self.env.uid,
                "voice_id": voice.id,
                "decision": decision,
                "remark": remark,
                "digest": request.digest,
            }
        )
        if decision == "rejected":
            stage.state = "refused"
            request._end("refused", remark)
            return
        request._say(self.env._("Agreed in stage “%s”.", stage.name), remark)
        self.env.flush_all()
        # sudo: how many agreed, counted; the decision itself was checked above
        agreed = (
            self.env["g2p.approval.decision"]
            .sudo()
            .search_count([("stage_id", "=", stage.id), ("decision", "=", "approved")])
        )
        if agreed >= stage.needed:
            stage.state = "passed"
            request._go_on()

    def _lock(self):
        """Hold the row of the request; of two who decide at once, one begins again and sees the other."""
        self.ensure_one()
        self.env.flush_all()
        self.env.cr.execute(
            SQL("UPDATE g2p_approval_request SET decided = decided + 1 WHERE id = %s RETURNING id", self.id)
        )
        self.invalidate_recordset()

    def _record(self):
        """What the request is about, as superuser in its company; empty when it is gone, None when its model is."""
        self.ensure_one()
        if self.res_model not in self.env or not hasattr(self.env[self.res_model], "_approval_digest"):
            return None
        # sudo: whoever sees the request may read the record (its record rule); decisions ask the user's own rights
        return (
            self.env[self.res_model]
            .sudo()
            .with_company(self.company_id)
            .with_context(active_test=False)
            .browse(self.res_id)
            .exists()
        )

    def _go_on(self, first=False):
        """Open the next stage; behind the last one, it is agreed to."""
        self.ensure_one()
        following = self.stage_ids.filtered(lambda stage: stage.state == "later")[:1]
        if following:
            now = fields.Datetime.now()
            following.write(
                {
                    "state": "open",
                    "opened_on": now,
                    "due_on": following.escalate_days and fields.Datetime.add(now, days=following.escalate_days),
                }
            )
            self.stage_id = following
            if not first:
                self._tell()
            return
        self.activity_ids.unlink()
        self._transition("granted")
        record = self._record()
        if record._approval_granted(self) is not False:
            self._end("done")

    def _end(self, state, reason=None):
        """The request is over: done, refused, taken back or void."""
        self.ensure_one()
        self.stage_ids.filtered(lambda stage: stage.state in ("later", "open")).state = "closed"
        self.write({"ended_on": fields.Datetime.now()})
        self._transition(state, reason)
        self.activity_ids.unlink()
        self._say(dict(self._fields["state"]._description_selection(self.env))[state] + ".", reason, tell=True)
        if state != "done" and (record := self._record()):
            record._approval_refused(self)
            if (words := self._outcome_text()) and (thread := record._approval_thread()):
                told = words if thread == record else f"{self.name}: {words}"
                thread._message_log(body=Markup("<p>%s</p>") % told, author_id=self.env.user.partner_id.id)

    def _say(self, what, reason=None, tell=False):
        """What happened, on the request; `tell`: who asked and is not the one who did it."""
        body = Markup("<p>%s</p>") % what
        if reason:
            body += Markup("<p>%s</p>") % reason
        asked = self.requested_by if tell else self.env["res.users"]
        self.message_post(body=body, partner_ids=(asked - self.env.user).partner_id.ids)

    def _tell(self):
        """An activity, and one message, for those who can decide now: however many they are."""
        for request in self.filtered(lambda request: request.state == "waiting"):
            stage = request.stage_id
            # sudo: who can decide is told, and to nobody else
            people = self.env["res.users"].sudo().search(request._deciders(stage, request), limit=MOST_MAILED + 1)
            deadline = (
                fields.Date.context_today(self, stage.due_on) if stage.due_on else fields.Date.context_today(self)
            )
            request.activity_ids.unlink()
            # Of nobody in particular: each of them has it among their activities, see res.users.
            self.env["mail.activity"].create(
                {
                    "res_model_id": self.env["ir.model"]._get_id(request._name),
                    "res_id": request.id,
                    "activity_type_id": self.env.ref("mail.mail_activity_data_todo").id,
                    "summary": self.env._("Approve or reject: %s", request.name),
                    "date_deadline": deadline,
                    "user_id": False,
                }
            )
            lines = Markup("").join(
                Markup("<li>%s: %s</li>") % (label, value) for label, value in request._figure_lines()
            )
            request.with_context(**evidence.READERS).message_post(
                subject=self.env._("To approve: %s", request.name),
                body=Markup("<p>%s</p><ul>%s</ul>")
                % (
                    self.env._(
                        "%(user)s asks you to agree: %(what)s. Open the request to approve or reject it.",
                        user=request.requested_by.name,
                        what=request.name,
                    ),
                    lines,
                ),
                partner_ids=people.partner_id.ids if len(people) <= MOST_MAILED else [],
            )

    # Asking

    @api.model
    def _ask(self, record, code, asker):
        """Ask for approval of a record, or of the set behind it. Its stages and figures are those of now.

        :param asker: who asks, or prepared it
        """
        kind = self.env["g2p.approval.kind"]._of(code)
        # sudo: what is asked for is written down whole, whatever who asks may see
        record = record.sudo()
        record._approval_lock(code)
        company = record._approval_company()
        amount, currency = record._approval_amount(code)
        stages = record._approval_stages(code, amount, currency)
        # sudo: role and access were checked by the button that asks; nobody else makes a request
        request = self.sudo().create(
            {
                "name": record._approval_name(code),
                "kind_id": kind.id,
                "kind_code": kind.code,
                "res_model": record._name,
                "res_id": record.id,
                "company_id": company.id,
                "scope_name": record._approval_of(),
                "requested_by": asker.id,
                "author_ids": [fields.Command.set((record._approval_authors(code) | asker).ids)],
                "figures": record._approval_figures(code),
                "amount": float(amount) if amount is not None else False,
                "currency_id": currency.id if currency else False,
                "digest": record._approval_digest(code),
                "several_stages": kind.several_stages,
                "stage_ids": [
                    fields.Command.create({**values, "sequence": number}) for number, values in enumerate(stages, 1)
                ],
            }
        )
        request._go_on(first=True)
        # What the user may do with it is asked of the database.
        self.env.flush_all()
        return request.with_env(self.env)

    def _check_somebody_can(self):
        """Refuse to ask what nobody could agree to."""
        for request in self:
            # sudo: stages of a request that this user just asked for; told is how many can decide, not who
            for stage in request.sudo().stage_ids:
                count = (
                    self.env["res.users"].sudo().search_count(self._deciders(stage, request.sudo()), limit=stage.needed)
                )
                if count < stage.needed:
                    raise UserError(
                        self.env._(
                            "“%(what)s” needs %(needed)s of %(who)s to agree who had no part in it, and there are %(count)s. An "
                            "administrator sets who agrees, or that your department does without (Configuration, Approvals).",
                            what=request.name,
                            needed=stage.needed,
                            who=stage._who_text(),
                            count=count,
                        )
                    )

    # Escalation

    @api.model
    def _cron_escalate(self):
        """What waits longer than its stage allows may be decided on by those whom the stage names for that, and they are told."""
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                UPDATE g2p_approval_request_stage AS stage
                   SET escalated_on = %(now)s
                  FROM g2p_approval_request AS request
                 WHERE request.stage_id = stage.id AND request.state = 'waiting'
                   AND stage.state = 'open' AND stage.due_on < %(now)s AND stage.escalated_on IS NULL
                RETURNING request.id
                """,
                now=fields.Datetime.now(),
            )
        )
        self.env.invalidate_all(flush=False)
        for request in self.browse(request_id for [request_id] in rows):
            request._say(self.env._("It waits too long: others may decide too (%s).", request.waits_for))
            request._tell()
        return len(rows)

    # Words

    def _record_text(self):
        """What the form of the record says."""
        self.ensure_one()
        if self.state == "granted":
            return self.env._("“%s” is agreed to, and not done yet.", self.name)
        return self.env._(
            "“%(what)s” was asked for by %(user)s and waits for %(who)s.",
            what=self.name,
            # sudo: the name of who asked, for whoever may see the request
            user=self.sudo().requested_by.name,
            who=self.waits_for,
        )

    def _outcome_text(self):
        """What the form and the log of the record say when it was rejected, or changed meanwhile; False otherwise."""
        self.ensure_one()
        if self.state == "void":
            return self.env._("Changed since it was asked for, so it has to be asked for again.")
        if self.state != "refused":
            return False
        # sudo: who rejected it and why, for whoever may see the request
        decision = self.sudo().decision_ids.filtered(lambda decision: decision.decision == "rejected")[-1:]
        if not decision:
            return self.env._("Rejected.")
        return self.env._(
            "Rejected by %(user)s: %(remark)s",
            user=decision._who_text(),
            remark=decision.remark or self.env._("no remark"),
        )

    def _notification(self):
        """The client action that says what became of these requests."""
        words = {
            "waiting": (self.env._("“%(what)s” waits for %(who)s."), "info"),
            "granted": (self.env._("“%(what)s” is agreed to."), "success"),
            "done": (self.env._("“%(what)s” is agreed to, and done."), "success"),
            "refused": (self.env._("“%(what)s” was rejected."), "warning"),
            "withdrawn": (self.env._("“%(what)s” was taken back."), "warning"),
            "void": (
                self.env._(
                    "“%(what)s” was changed after it was asked for, so nothing was decided. It has to be asked for again."
                ),
                "danger",
            ),
        }
        self.invalidate_recordset()
        # sudo: what became of what the user asked for, or decided on, just now; they may not see the record any more
        self = self.sudo()
        kinds = [words[request.state][1] for request in self]
        worst = next((kind for kind in ("danger", "warning", "info", "success") if kind in kinds), "info")
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": worst,
                "sticky": worst == "danger",
                "message": " ".join(
                    words[request.state][0] % {"what": request.name, "who": request.waits_for or ""} for request in self
                ),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }
