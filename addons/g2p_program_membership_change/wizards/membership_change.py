"""The wizard that changes members: it says what will happen in cycles, entitlements and payments, then does it."""

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL
from odoo.tools.misc import format_date, formatLang

from odoo.addons.g2p_bulk.models.evidence import OPEN

from ..models.kinds import KIND_LABELS, KINDS, LEFT_STATES, METHODS, UNPAID_STATES
from ..models.membership_change import READMIT


class MembershipChangeWizard(models.TransientModel):
    """Pause, resume, exit, graduate, re-admit, or record proof of life: of one member, of some, or of all that match."""

    _name = "g2p.membership.change.wizard"
    _description = "Change members"

    kind = fields.Selection(KIND_LABELS, required=True, readonly=True)
    member_domain = fields.Json(readonly=True, help="Which members, as far as the user may see them.")
    member_name = fields.Char(compute="_compute_effects")
    members_count = fields.Integer("Members chosen", compute="_compute_effects")
    moving_count = fields.Integer("Of whom are changed", compute="_compute_effects")
    effects = fields.Html("What will happen", compute="_compute_effects")
    reason_id = fields.Many2one("g2p.membership.change.reason")
    needs_remark = fields.Boolean(related="reason_id.needs_remark")
    date = fields.Date("From", required=True, default=fields.Date.context_today)
    is_planned = fields.Boolean(compute="_compute_is_planned")
    is_asked = fields.Boolean(compute="_compute_is_asked", help="Somebody else has to agree.")
    until = fields.Date("Paused until", help="On this day the members are resumed by themselves. Empty: until resumed.")
    method = fields.Selection(METHODS, "How", help="How the proof of life was given.")
    remark = fields.Text()
    attachment_ids = fields.Many2many("ir.attachment", string="Documents")

    @api.depends("date")
    def _compute_is_planned(self):
        for wizard in self:
            wizard.is_planned = bool(wizard.date) and wizard.date > fields.Date.context_today(self)

    @api.depends("kind", "member_domain")
    def _compute_is_asked(self):
        for wizard in self:
            wizard.is_asked = wizard.kind == "readmit" and any(
                self.env["g2p.membership.change"].new({"program_id": program.id})._approval_asks(READMIT)
                for [program] in self.env["g2p.program_membership"]._read_group(wizard._members(), ["program_id"])
            )

    def _members(self):
        """The members chosen, as a domain; who searches with it sees what the record rules of the user let them see."""
        return Domain(self.member_domain or Domain.FALSE)

    def _members_sql(self, *columns, program=None):
        """Columns of the members chosen, of all programs or of one, narrowed by the record rules of the user."""
        members = self.env["g2p.program_membership"]
        query = members._search(self._members() & (Domain("program_id", "=", program.id) if program else Domain.TRUE))
        self.env.flush_all()
        return query.select(*(SQL.identifier(members._table, column) for column in columns))

    @api.depends("kind", "member_domain")
    def _compute_effects(self):
        for wizard in self:
            kind = KINDS[wizard.kind]
            rows = self.env["g2p.membership.change"]._effects(
                kind, wizard._members_sql("partner_id", "program_id", "state")
            )
            members = {state: count for what, state, _held, _currency, count, _amount in rows if what == "member"}
            wizard.members_count = sum(members.values())
            wizard.moving_count = sum(count for state, count in members.items() if state in kind.from_states)
            only = self.env["g2p.program_membership"]
            only = only.search(wizard._members(), limit=1) if wizard.members_count == 1 else only
            wizard.member_name = only.display_name if only else False
            wizard.effects = wizard._effects_table(wizard._effect_lines(kind, members, rows))

    def _effect_lines(self, kind, members, rows):
        """[(what happens, count, amount, currency id)]"""
        _ = self.env._
        states = dict(self.env["g2p.program_membership"]._fields["state"]._description_selection(self.env))
        moves = {
            "pause": _("Members paused"),
            "resume": _("Members enrolled again"),
            "exit": _("Members who exit"),
            "graduate": _("Members who graduate"),
            "readmit": _("Members who become drafts, to be enrolled again; they enter the next cycle"),
            "verify": _("Members whose proof of life is recorded"),
        }
        lines = [(moves[self.kind], self.moving_count, None, None)]
        for state, count in sorted(members.items()):
            if state == kind.to_state:
                lines.append((_("Left as they are: %s already", states[state].lower()), count, None, None))
            elif state not in kind.from_states:
                lines.append((_("Left as they are: %s", states[state].lower()), count, None, None))
        if self.kind in ("readmit", "verify"):
            return lines
        for what, state, held, currency, count, amount in rows:
            if text := self._effect_text(what, state, held):
                lines.append((text, count, amount, currency))
        return lines

    def _effect_text(self, what, state, held):
        """What happens to a place, an entitlement or a payment in this state; None when nothing does."""
        _ = self.env._
        leaves = KINDS[self.kind].to_state in LEFT_STATES
        if what == "place":
            if leaves and state in ("draft", "enrolled", "paused", "not_eligible"):
                return _("Places in open cycles given up")
            if self.kind == "pause" and state in ("draft", "enrolled"):
                return _("Places in open cycles paused")
            if self.kind == "resume" and state == "paused":
                return _("Places in open cycles taken up again")
        elif what == "entitlement":
            if leaves:
                return {
                    "draft": _("Draft entitlements cancelled"),
                    "pending_validation": _("Entitlements that wait for approval cancelled"),
                    "approved": _("Approved entitlements cancelled, and their money released in the fund"),
                    "rdpd2ben": _("Entitlements paid already: they stay"),
                }.get(state)
            if self.kind == "pause" and state in UNPAID_STATES:
                if state == "approved":
                    return _("Approved entitlements held, and their money kept in the fund")
                return _("Entitlements not approved yet, held")
            if self.kind == "resume" and held and state in UNPAID_STATES:
                return _("Held entitlements that go on")
        elif what == "payment" and self.kind != "resume":
            if state == "sent":
                return _("Payments sent already: they stay, and can still be paid")
            return _("Payments not sent yet, taken back")
        return None

    def _effects_table(self, lines):
        currencies = self.env["res.currency"].browse({currency for *_line, currency in lines if currency})
        currencies = {currency.id: currency for currency in currencies}
        rows = Markup()
        # What differs only in a detail that the text does not tell is one line.
        merged = {}
        for text, count, amount, currency in lines:
            known = merged.setdefault((text, currency), [0, 0.0, amount is not None])
            known[0] += count
            known[1] += float(amount or 0)
        for (text, currency), (count, amount, has_amount) in merged.items():
            rows += Markup('<tr><td>%s</td><td class="text-end">%s</td><td class="text-end">%s</td></tr>') % (
                text,
                formatLang(self.env, count, digits=0),
                formatLang(self.env, amount, currency_obj=currencies[currency]) if has_amount else "",
            )
        return Markup('<table class="table table-sm mb-0"><tbody>%s</tbody></table>') % rows

    # Buttons

    def action_confirm(self):
        """Button: do it now, or plan it for the day that is given. One change for each program concerned."""
        self.ensure_one()
        kind = KINDS[self.kind]
        members = self.env["g2p.program_membership"]
        members.check_access("write")
        self._check_filled()
        programs = self.env["g2p.program"].browse(
            program.id for [program] in members._read_group(self._members(), ["program_id"])
        )
        if not programs:
            raise UserError(self.env._("No members are chosen."))
        programs._check_can(kind.group)
        if kind.comes_back:
            programs._check_active()
        changes = self.env["g2p.membership.change"]
        for program in programs:
            changes += changes._plan(
                program,
                self._members_sql("id", "partner_id", program=program),
                kind=self.kind,
                state="planned" if self.is_planned else "draft",
                date=self.date,
                until=self.until if self.kind == "pause" else False,
                method=self.method if self.kind == "verify" else False,
                reason_id=self.reason_id.id,
                remark=self.remark,
                effects=self.effects,
                attachment_ids=[(6, 0, self.attachment_ids.ids)],
            )
        self._hand_over_documents(changes)
        if self.kind == "readmit" and (asking := changes.filtered(lambda change: change._approval_asks(READMIT))):
            answers = [change._ask_readmission() for change in asking]
            if asking == changes:
                return self._notify(" ".join(answer["params"]["message"] for answer in answers))
            changes -= asking
        if self.is_planned:
            return self._notify(
                self.env._(
                    "Planned for %(date)s. Members: %(count)s. Until then it can be cancelled under Changes of members.",
                    date=format_date(self.env, self.date),
                    count=formatLang(self.env, sum(changes.mapped("members_count")), digits=0),
                )
            )
        # All of them or none: each start is final.
        changes._bulk_check("apply")
        operations = [change._bulk_start("apply") for change in changes]
        if len(operations) == 1:
            action = operations[0]._notification()
            action["params"]["next"] = {"type": "ir.actions.client", "tag": "soft_reload"}
            return action
        return self._notify(
            " ".join(f"{operation.name}. {operation._notification()['params']['text']}" for operation in operations)
        )

    def _check_filled(self):
        """Bad input gets one clear sentence, before anything is written."""
        _ = self.env._
        today = fields.Date.context_today(self)
        if self.kind == "verify":
            if not self.method:
                raise UserError(_("Say how the proof of life was given."))
            if self.date > today:
                raise UserError(_("A proof of life can't be of the future."))
            return
        if not self.reason_id:
            raise UserError(_("Choose a reason."))
        if not self.reason_id[f"for_{self.kind}"]:
            raise UserError(_("“%s” is no reason for this change: choose another one.", self.reason_id.name))
        if self.reason_id.needs_remark and not (self.remark or "").strip():
            raise UserError(_("“%s” needs a remark: say more.", self.reason_id.name))
        if self.kind == "pause" and self.until and self.until <= max(self.date, today):
            raise UserError(_("The pause has to end after it begins, and after today."))

    def _hand_over_documents(self, changes):
        """Who may read the change may read its documents. What has become of them since they were chosen is asked again: a
        document that went with another change stays there."""
        self.attachment_ids._check_handed_to(self)
        documents = self.attachment_ids.with_context(**OPEN)
        for change in changes[1:]:
            # sudo: role and access were checked by the button; the field is protected
            change.sudo().with_context(**OPEN).attachment_ids = documents.copy(
                {"res_model": change._name, "res_id": change.id}
            )
        # Last: from now on they stay as they are.
        documents.write({"res_model": changes._name, "res_id": changes[:1].id})

    def _notify(self, message):
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": message,
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }
