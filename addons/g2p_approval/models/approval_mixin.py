from lxml import etree

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..tools import digest
from .approval_request import OPEN_STATES

USERS = "g2p_approval.group_g2p_approval_user"


class ApprovalMixin(models.AbstractModel):
    """A record of which something has to be agreed to by others: the record itself, or a set that an operation will move.

    The button that does it calls :meth:`_approval_submit`, and what it did before moves into :meth:`_approval_granted`. A kind
    is a record of ``g2p.approval.kind``; where a record has several, the hooks are told which.

    A record that is changed after somebody agreed has a void request: the digest is compared under the record's lock when a
    decision is made, and again at the act.
    """

    _name = "g2p.approval.mixin"
    _description = "Something to be agreed to"

    # Stored fields that are exactly what is agreed to, where a record is; a set overrides `_approval_digest`.
    _agreed_fields = ()
    # Buttons of forms whose press is a decision: they hand on what the form shows. Those that ask first hand it on from the
    # question, see `_approval_seen`.
    _approval_presses = ()
    # States in which it is history that it was rejected before.
    _approval_done_states = ("done",)

    approval_request_ids = fields.One2many(
        "g2p.approval.request",
        "res_id",
        "Approvals",
        domain=lambda self: [("res_model", "=", self._name)],
        groups=USERS,
        copy=False,
        readonly=True,
    )
    approval_stage_ids = fields.Many2many(
        "g2p.approval.request.stage", string="History of approvals", compute="_compute_approval", groups=USERS
    )
    approval_state = fields.Char("Stage of approval", compute="_compute_approval", groups=USERS)
    approval_text = fields.Char("Approval", compute="_compute_approval", groups=USERS)
    approval_can_decide = fields.Boolean(compute="_compute_approval", groups=USERS)
    approval_outcome = fields.Char("Rejected or changed since", compute="_compute_approval_outcome", groups=USERS)
    approval_seen = fields.Char(
        "What is shown", compute="_compute_approval_seen", help="By its digest: what a press agrees to."
    )
    approval_waits = fields.Boolean(
        compute="_compute_approval_waits", groups=USERS, help="It is as it was asked for: asking again is of no use."
    )

    @api.depends_context("uid", "allowed_company_ids", "lang")
    def _compute_approval(self):
        requests = self.env["g2p.approval.request"].search([("res_model", "=", self._name), ("res_id", "in", self.ids)])
        by_record = requests.grouped("res_id")
        for record in self:
            own = by_record.get(record._origin.id, requests.browse())
            waiting = own.filtered(lambda request: request.state in OPEN_STATES)[:1]
            record.approval_stage_ids = own.stage_ids
            record.approval_state = waiting.stage_id.name
            record.approval_can_decide = waiting.can_decide
            record.approval_text = waiting._record_text() if waiting else False

    @api.depends_context("uid", "allowed_company_ids", "lang")
    def _compute_approval_outcome(self):
        requests = self.env["g2p.approval.request"].search([("res_model", "=", self._name), ("res_id", "in", self.ids)])
        by_record = requests.grouped("res_id")
        for record in self:
            last = by_record.get(record._origin.id, requests.browse())[:1]
            over = "state" in record._fields and record.state in self._approval_done_states
            record.approval_outcome = bool(last) and not over and last._outcome_text()

    @api.depends_context("uid", "allowed_company_ids")
    def _compute_approval_seen(self):
        for record in self:
            record.approval_seen = record._origin and record._origin._approval_shown()

    @api.depends_context("uid", "allowed_company_ids")
    def _compute_approval_waits(self):
        for record in self:
            # sudo: whether it was changed since; what the request says is not shown
            waiting = record._origin._approval_open().sudo()
            record.approval_waits = bool(waiting) and not any(waiting.mapped("is_changed"))

    # What a model says about what is to be agreed to

    def _approval_kind(self):
        """The code of what its button asks for."""
        raise NotImplementedError(f"{self._name} declares no kind of approval")

    def _approval_name(self, kind):
        """What is asked for, in words, as it will be read later."""
        return f"{self.env['g2p.approval.kind']._of(kind).name}: {self.display_name}"

    def _approval_company(self):
        return (self.company_id if "company_id" in self._fields else False) or self.env.company

    def _approval_scope(self):
        """The record that stages may be set for, such as the program."""
        return

    def _approval_of(self):
        """What it belongs to, in words."""
        scope = self._approval_scope()
        return scope.display_name if scope else False

    def _approval_lock(self, kind):
        """Hold what is agreed to until the end of the transaction."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL("SELECT id FROM %s WHERE id = ANY(%s) FOR NO KEY UPDATE", SQL.identifier(self._table), self.ids)
        )

    def _approval_digest(self, kind):
        """The digest of exactly what is agreed to, as the database holds it now: see `tools/digest.py`. Of a set: `of_rows`."""
        self.ensure_one()
        self.env.flush_all()
        columns = SQL(", ").join(SQL("%s::text", SQL.identifier(name)) for name in sorted(self._agreed_fields))
        rows = self.env.execute_query(
            SQL("SELECT %s FROM %s WHERE id = %s", columns, SQL.identifier(self._table), self.id)
        )
        return digest.of_values([self._name, self.id, kind, *rows])

    def _approval_figures(self, kind):
        """What whoever decides has to see: [{"label": words, "value": a number or text, "money": id of the currency,
        "groups": who may see it, by XML ids, "then": True of what changes while it waits}], the last three where they apply."""
        return []

    def _approval_figures_now(self, kind, figures):
        """What stands, while it waits, in the place of the figures that are marked `then`: the same as they are now. Asked
        as superuser."""
        return []

    def _approval_people(self, kind):
        """Whom it is about, as the user may see them: [(label, text)]. Read whenever it is shown, so that what stays on record
        and is mailed names nobody."""
        return []

    def _approval_amount(self, kind):
        """(amount, currency) by which stages are chosen; None: not known, so every stage applies."""
        return None, None

    def _approval_authors(self, kind):
        """Who prepared or changed it, or set an amount: they don't agree to it. Who made what it is made of, and who made,
        changed or deleted anything of that, by the history of changes; models that keep more of who had a part add it."""
        self.ensure_one()
        return self.env["g2p.change.history"]._changers(self._approval_parts(kind))

    def _approval_parts(self, kind):
        """What it is made of: recordsets, each with all that belongs to it."""
        return [self]

    def _approval_asker(self, kind):
        """Who asks when a button is pressed: the user, or who made the record where the user had no part in it."""
        return self.create_uid if self.env.user not in self._approval_authors(kind) else self.env.user

    def _approval_stages(self, kind, amount, currency):
        """The stages of a request that is made now, as values of `g2p.approval.request.stage`."""
        return self.env["g2p.approval.stage"]._values_for(
            self.env["g2p.approval.kind"]._of(kind), self._approval_company(), self._approval_scope(), amount, currency
        )

    def _approval_check(self, kind):
        """Raise where it makes no sense to ask: what can't be done anyhow."""

    def _approval_check_decider(self, kind):
        """Raise where the user, who is about to agree, does not see all of what they agree to. Asked as the user."""

    def _approval_granted(self, request):
        """Everybody has agreed: do it. As superuser with the last one who agreed as user, in the company.

        :param request: empty where no approval is asked for
        :return: False when it is done later, by :meth:`_approval_use`
        """
        raise NotImplementedError(f"{self._name} does nothing that is agreed to")

    def _approval_refused(self, request):
        """It was refused, taken back, or became void: `request.state` says which."""

    def _approval_thread(self):
        """The record whose log says that it was rejected, or changed meanwhile; None where there is no log."""
        return self if hasattr(self, "_message_log") else None

    def _approval_follow(self, request):
        """What begins when the inbox decided, or took a request back, and that is written: operations, which commit. As
        superuser with the one who decided as user; a button of the record begins it by itself.

        :return: the action that the client shows, if any
        """

    # What buttons call

    def _approval_submit(self, kind=None):
        """Do it where nobody else has to agree; else ask, and agree as far as the user may.

        Whoever presses the button and had no part in the record agrees to it by that; whoever prepared it asks.

        :return: None when it is done, else the client action that says what it waits for
        """
        self.ensure_one()
        code = kind or self._approval_kind()
        request = self._approval_open(code)
        seen = not self.env.su and self.env.context.get("approval_digest")
        if seen and not request and self.sudo()._approval_digest(code) not in str(seen).split():
            self._approval_refuse_unseen(code)
        # What waits goes on as it was asked for, also where the kind was switched off since.
        if self.env.su or (not request and not self._approval_asks(code)):
            self._approval_check(code)
            # sudo: role and access were checked by the button
            self.sudo()._approval_granted(self.env["g2p.approval.request"])
            self._approval_drop(self.env._("It was done without."), kind=code)
            return None
        if asked := not request:
            self._approval_check(code)
            # sudo: whether the user has a part in it
            asker = self.sudo()._approval_asker(code)
            request = self.env["g2p.approval.request"]._ask(self, code, asker)
        if seen and request.digest not in str(seen).split():
            self._approval_refuse_unseen(code)
        if request._voice():
            request._decide("approved")
            request.invalidate_recordset()
            if request.state in ("done", "granted"):
                return None
        elif not asked:
            raise UserError(request._refusal_text())
        if asked and request.state == "waiting":
            request._check_somebody_can()
            if request.stage_id == request.stage_ids[:1]:
                # sudo: the request was just asked for by this user, above; messages to others are written
                request.sudo()._tell()
        return request._notification()

    def _approval_refuse_unseen(self, kind):
        # sudo: the name of what the user may press the button of
        name = self.sudo()._approval_name(kind)
        raise UserError(self.env._("“%s” is not what you saw: look at it again. Nothing was decided.", name))

    def _approval_notice(self, kind=None):
        """What a button's question says about who has to agree; empty where the user's own word is enough."""
        self.ensure_one()
        code = kind or self._approval_kind()
        if not self._approval_asks(code):
            return ""
        # sudo: who has to agree is told to whoever may press the button
        record = self.sudo()
        stages = record._approval_stages(code, *record._approval_amount(code))
        names = ", ".join(dict.fromkeys(stage["name"] for stage in stages))
        if self.env.user in record._approval_authors(code):
            return self.env._("You prepared it, so it waits until somebody else agrees: %s.", names)
        if len(stages) > 1 or stages[0].get("needed", 1) > 1:
            return self.env._("It waits until all who have to agree did so: %s.", names)
        return ""

    def _approval_shown(self):
        """The digests of what a screen shows, as text: of what waits, else of the record as it is. A set that nobody was asked to
        agree to yet has none: then nobody agrees by a press."""
        self.ensure_one()
        # sudo: of a record that the user reads; a digest tells nothing of it
        digests = self._approval_open().sudo().mapped("digest")
        if not digests and self._agreed_fields:
            digests = [self.sudo()._approval_digest(self._approval_kind())]
        return " ".join(digests)

    def _approval_seen(self):
        """What a question hands on to the button that it asks for: the press agrees to what was shown with the question."""
        shown = self._approval_shown()
        return {"context": {"approval_digest": shown}} if shown else {}

    def _approval_asks(self, kind):
        """Whether somebody else has to agree to this kind of thing here."""
        if self.env.su:
            return False
        # sudo: only the company of the record is asked, which the button's caller may act on
        return not self.env["g2p.approval.kind"]._of(kind)._is_off(self.sudo()._approval_company())

    def _approval_hold(self, kind=None):
        """Hold the requests that wait, before the record: in this order decisions take them."""
        for request in self._approval_open(kind).sorted("id"):
            # sudo: a lock; what may be done with the request is asked of it
            request.sudo()._lock()

    def _approval_open(self, kind=None):
        """The requests that wait, or are agreed to and not done yet."""
        # sudo: whether there is one; what the user may do with it is asked of the request
        requests = (
            self.env["g2p.approval.request"]
            .sudo()
            .search(
                [
                    ("res_model", "=", self._name),
                    ("res_id", "in", self.ids),
                    ("state", "in", OPEN_STATES),
                    *([("kind_code", "=", kind)] if kind else []),
                ]
            )
        )
        return requests.with_env(self.env)

    def _approval_use(self, kind):
        """Do what was agreed to earlier, exactly that: for kinds whose `_approval_granted` returns False.

        :raise UserError: when it was not agreed to, or is not what was agreed to any more
        """
        self.ensure_one()
        # sudo: the act's button has checked role and access
        request = self._approval_open(kind).sudo()
        if self.env.su or (not request and not self._approval_asks(kind)):
            self._approval_drop(self.env._("It was done without."), kind=kind)
            return
        if not request or request.state != "granted":
            raise UserError(self.env._("“%s” was not agreed to yet: ask for approval first.", self.display_name))
        request._lock()
        self.sudo()._approval_lock(kind)
        if self.sudo()._approval_digest(kind) != request.digest:
            raise UserError(
                self.env._("“%s” was changed after it was agreed to: ask for approval again.", request.name)
            )
        request._end("done")

    def _approval_recheck(self):
        """What was changed is not what somebody was asked to agree to."""
        # sudo: whoever wrote the record has passed its access check in `write`
        for request in self._approval_open().sudo():
            record = request._record()
            if record and record._approval_digest(request.kind_code) != request.digest:
                request._end("void", self.env._("It was changed after it was asked for."))
                if not self._approval_open(request.kind_code):
                    # Who saved it reads at once that nobody is asked any more.
                    told = {"type": "warning", "sticky": True, "message": request._outcome_text()}
                    self.env.user._bus_send("simple_notification", told)

    def _approval_drop(self, reason, state="withdrawn", kind=None):
        """What waits is not asked for any more.

        :param state: "void" where it was changed
        :param kind: of this kind only
        """
        # sudo: whoever moves the record on has passed the check of that
        for request in self._approval_open(kind).sudo():
            request._end(state, reason)

    # CRUD

    def write(self, vals):
        result = super().write(vals)
        if not vals.keys().isdisjoint(self._agreed_fields):
            self._approval_recheck()
        return result

    def unlink(self):
        # sudo: what waits is over when the record is gone, which its own guards decide on
        waiting = self._approval_open().sudo()
        # sudo: stages for what is not there any more
        keys = [f"{self._name},{record.id}" for record in self]
        self.env["g2p.approval.stage"].sudo().with_context(active_test=False).search([("scope", "in", keys)]).unlink()
        result = super().unlink()
        for request in waiting:
            request._end("withdrawn", self.env._("What it was about was deleted."))
        return result

    # Screens

    @api.model
    def _get_view(self, view_id=None, view_type="form", **options):
        """Each form of something that is agreed to says what it waits for, and shows all stages; nobody has to think of it."""
        arch, view = super()._get_view(view_id, view_type, **options)
        if view_type == "form" and not self._transient and (sheet := arch.find(".//sheet")) is not None:
            sheet.insert(0, self._approval_banner())
            sheet.insert(0, self._approval_outcome_banner())
            page = self._approval_page()
            if (notebook := sheet.find(".//notebook")) is None:
                notebook = etree.SubElement(sheet, "notebook")
            notebook.append(page)
            self._approval_hand_on(arch)
        return arch, view

    def _approval_hand_on(self, arch):
        """The buttons whose press is a decision say what the form showed."""
        buttons = [button for button in arch.iter("button") if button.get("name") in self._approval_presses]
        for button in buttons:
            context = (button.get("context") or "{}").strip().removesuffix("}").rstrip().removesuffix(",")
            comma = "" if context == "{" else ", "
            button.set("context", f"{context}{comma}'approval_digest': approval_seen}}")
        if buttons:
            seen = etree.Element("field", {"name": "approval_seen", "invisible": "1"})
            arch.find(".//sheet").insert(0, seen)

    def _approval_banner(self):
        banner = etree.Element(
            "div",
            {
                "class": "alert alert-info d-flex flex-wrap flex-md-nowrap gap-2 align-items-center",
                "role": "status",
                "groups": USERS,
                "invisible": "not approval_text",
            },
        )
        etree.SubElement(banner, "field", {"name": "approval_can_decide", "invisible": "1", "groups": USERS})
        etree.SubElement(banner, "field", {"name": "approval_text", "class": "flex-grow-1", "groups": USERS})
        etree.SubElement(
            banner,
            "button",
            {
                "name": "action_view_approval",
                "type": "object",
                "class": "btn-link",
                "string": self.env._("Look at it, approve or reject"),
                "groups": USERS,
                "invisible": "not approval_can_decide",
            },
        )
        etree.SubElement(
            banner,
            "button",
            {
                "name": "action_view_approval",
                "type": "object",
                "class": "btn-link",
                "string": self.env._("Look at the request"),
                "groups": USERS,
                "invisible": "approval_can_decide",
            },
        )
        return banner

    def _approval_outcome_banner(self):
        banner = etree.Element(
            "div",
            {
                "class": "alert alert-danger d-flex gap-2 align-items-center",
                "role": "alert",
                "groups": USERS,
                "invisible": "not approval_outcome",
            },
        )
        etree.SubElement(banner, "field", {"name": "approval_outcome", "class": "flex-grow-1", "groups": USERS})
        return banner

    def _approval_page(self):
        page = etree.Element(
            "page",
            {
                "name": "approvals",
                "string": self.env._("Approvals"),
                "groups": USERS,
                "invisible": "not approval_stage_ids",
            },
        )
        stages = etree.SubElement(
            page,
            "field",
            {"name": "approval_stage_ids", "readonly": "1", "nolabel": "1", "mode": "list,kanban", "groups": USERS},
        )
        listed = etree.SubElement(stages, "list", {"create": "0", "delete": "0", "edit": "0"})
        for name in ("request_name", "request_state", "name", "who", "state", "opened_on", "said"):
            etree.SubElement(listed, "field", {"name": name})
        # On a phone, where a list would be cut.
        kanban = etree.SubElement(stages, "kanban", {"create": "0", "delete": "0", "edit": "0"})
        card = etree.SubElement(etree.SubElement(kanban, "templates"), "t", {"t-name": "card"})
        for name in ("request_name", "name", "who", "state", "said"):
            etree.SubElement(card, "field", {"name": name})
        return page

    def action_view_approval(self):
        """Button: the request that waits, else all of them."""
        self.ensure_one()
        self.check_access("read")
        action = {"type": "ir.actions.act_window", "name": self.env._("Approvals"), "res_model": "g2p.approval.request"}
        if waiting := self.env["g2p.approval.request"].search(
            [("res_model", "=", self._name), ("res_id", "=", self.id), ("state", "in", OPEN_STATES)], limit=1
        ):
            return {**action, "res_id": waiting.id, "view_mode": "form"}
        return {
            **action,
            "view_mode": "list,form",
            "domain": [("res_model", "=", self._name), ("res_id", "=", self.id)],
        }
