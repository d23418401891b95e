from contextlib import closing

from lxml import etree

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools.misc import formatLang

from .approval_proposal import Pass

USERS = "g2p_approval.group_g2p_approval_user"
# Values that are longer stand in the table only.
MOST_OF_TITLE = 60


def line_stored(line):
    """The stored values of a line."""
    return {
        name: field.convert_to_read(line[name], line, use_display_name=False)
        for name, field in sorted(line._fields.items())
        if field.store and name not in models.LOG_ACCESS_COLUMNS and field.type != "binary"
    }


def line_words(line):
    """A line with what it says."""
    told = [
        f"{field._description_string(line.env)} {words}"
        for name, field in line._fields.items()
        if field.store
        and not field.related
        and field.type != "binary"
        and name not in (*models.MAGIC_COLUMNS, line._rec_name, getattr(line, "_proposal_through", None))
        and (words := line._proposal_words(name) if hasattr(line, "_proposal_words") else field_words(line, name))
    ]
    return f"{line.display_name} ({', '.join(told)})" if told else line.display_name


def field_words(record, name):
    """The value of a field in words; of lines: each of them, with what it says."""
    field, value = record._fields[name], record[name]
    if field.type == "one2many":
        return "; ".join(map(line_words, value))
    if field.relational:
        return ", ".join(value.mapped("display_name"))
    if field.type == "boolean":
        return record.env._("Yes") if value else record.env._("No")
    if field.type == "monetary" and value:
        return formatLang(record.env, value, currency_obj=record[field.get_currency_field(record)])
    if field.type == "float" and value:
        return f"{value:g}"
    return str(field.convert_to_export(value, record) or "")


def new_records(commands):
    """Whether these commands of a many2many make, change or delete what it points to."""
    own = (Command.CREATE, Command.UPDATE, Command.DELETE)
    return any(isinstance(command, list | tuple) and command[0] in own for command in commands or ())


def check_commands(record, values):
    """What is proposed is of this record: no command reaches a line of another one, or what a many2many points to. The record is
    empty for a line that is made."""
    for name, value in values.items():
        field = record._fields.get(name)
        if field is None or field.type not in ("one2many", "many2many"):
            continue
        label = field._description_string(record.env)
        if field.type == "many2many":
            if new_records(value):
                raise UserError(
                    record.env._(
                        "“%s” is chosen from what there is: make or change it on its own screen, then choose it here.",
                        label,
                    )
                )
            continue
        for command in value or ():
            code, ids = command[0], command[2] if command[0] == Command.SET else [command[1]]
            if code not in (Command.CREATE, Command.CLEAR) and not set(ids) <= set(record[name].ids):
                raise UserError(
                    record.env._(
                        "“%s”: a line of something else is not changed by this. Open what it belongs to.", label
                    )
                )
            if code in (Command.CREATE, Command.UPDATE):
                line = record.env[field.comodel_name].browse(ids if code == Command.UPDATE else ())
                check_commands(line, command[2])


class ApprovalProposalMixin(models.AbstractModel):
    """A record whose changes somebody else has to agree to, once it is in use.

    The model names its kind and says when it is in use. Pressing Save on its form makes a proposal of the change; whoever writes
    otherwise is refused, and told how. Lines that are its own inherit this too, and name the field that leads to it in
    ``_proposal_through``.
    """

    _name = "g2p.approval.proposal.mixin"
    _description = "Changed by proposals"

    # The kind of approval; None: changes wait for nobody.
    _proposal_kind = None
    # Fields that are no terms of it.
    _proposal_free = ("name",)
    # A line: the field that leads to the record that it belongs to.
    _proposal_through = None

    proposal_text = fields.Char("Proposed change", compute="_compute_proposal_text", groups=USERS)
    proposal_can_remove = fields.Boolean(compute="_compute_proposal_text", groups=USERS)

    @api.depends_context("uid", "allowed_company_ids", "lang")
    def _compute_proposal_text(self):
        by_record = self._proposals_waiting()
        waits = self._proposal_waits()
        for record in self:
            proposals = by_record.get(record._origin.id)
            record.proposal_text = " ".join(proposals.mapped("approval_text")) if proposals else False
            record.proposal_can_remove = record._origin in waits and not proposals

    def _proposals_waiting(self):
        """{id: the proposals about it that wait}"""
        proposals = self.env["g2p.approval.proposal"].search(
            [("res_model", "=", self._name), ("res_id", "in", self.ids), ("state", "=", "proposed")]
        )
        return proposals.grouped("res_id")

    # What a model says

    def _proposal_in_use(self):
        """Those of these records that are in use, so that their changes are proposed."""
        return self.browse()

    @api.model
    def _proposal_kind_of(self, names):
        """The kind of approval of a change of these fields."""
        return self._proposal_kind

    def _proposal_scope(self):
        """The record that stages may be set for."""
        return

    def _proposal_company(self):
        return (self.company_id if "company_id" in self._fields else False) or self.env.company

    def _proposal_add(self):
        """It comes into force: what `create` left out."""

    def _proposal_remove(self):
        self.unlink()

    def _proposal_dismiss(self):
        """It is not to come into force."""
        self.unlink()

    # Guards

    def _proposal_owner(self):
        return self[self._proposal_through] if self._proposal_through else self

    def _proposal_waits(self):
        """Those of these records of which a change by this user waits for somebody else."""
        asks = self._proposal_asks()
        if not asks or self._proposal_through:
            return asks
        # sudo: whether it is in use, whatever the user may see of what uses it
        in_use = asks.sudo()._origin._proposal_in_use()
        return asks.filtered(lambda record: record._origin.id in in_use._ids)

    def _proposal_asks(self):
        """Those of these records whose kind and company ask for somebody else, were they in use."""
        if self.env.su or not self:
            return self.browse()
        if self._proposal_through:
            return self.filtered(lambda line: line._proposal_owner()._proposal_waits())
        if not self._proposal_kind:
            return self.browse()
        kind = self.env["g2p.approval.kind"]._of(self._proposal_kind)
        # sudo: the company of it, compared
        return self.filtered(
            lambda record: not record._proposal_is_open() and not kind._is_off(record.sudo()._proposal_company())
        )

    def _proposal_is_open(self):
        """Whether its change was agreed to, or is only tried."""
        return Pass.of(self.env) == self._origin

    @api.model
    def _proposal_terms(self):
        """Names of the fields whose change is proposed."""
        free = {*models.MAGIC_COLUMNS, *self._proposal_free, self._proposal_through}
        return [
            name
            for name, field in self._fields.items()
            if name not in free and (not field.compute or field.inverse or not field.readonly)
        ]

    def _proposal_differs(self, vals):
        """Names of the terms that these values would change."""
        self.ensure_one()
        names = []
        for name in self._proposal_terms():
            if name not in vals:
                continue
            field = self._fields[name]
            if field.type == "one2many":
                names += [name] if vals[name] else []
                continue
            if field.type == "many2many":
                if new_records(vals[name]) or self.new({name: vals[name]}, origin=self)[name]._origin != self[name]:
                    names.append(name)
                continue
            asked = field.convert_to_cache(vals[name], self, validate=False)
            if asked != field.convert_to_cache(field.convert_to_write(self[name], self), self, validate=False):
                names.append(name)
        return names

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        if self._proposal_through and (waits := records._proposal_waits()):
            waits[:1]._proposal_refuse(self._fields[self._proposal_through]._description_string(self.env))
        return records

    def write(self, vals):
        touched = not vals.keys().isdisjoint(self._proposal_terms())
        for record in self._proposal_waits() if touched else ():
            if names := record._proposal_differs(vals):
                record._proposal_refuse(", ".join(self._fields[name]._description_string(self.env) for name in names))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_proposed(self):
        for record in self._proposal_waits():
            owner = record._proposal_owner()
            raise UserError(
                self.env._(
                    "“%s” is in use, so somebody else has to agree that it is removed: open it and press “Propose to remove”.",
                    owner.display_name,
                )
                if owner == record
                else self.env._(
                    "“%s” is in use, so somebody else has to agree to a change: remove the line on its form and save. That "
                    "proposes it.",
                    owner.display_name,
                )
            )

    def _proposal_refuse(self, labels):
        raise UserError(
            self.env._(
                "“%(what)s” is in use, so somebody else has to agree to a change of %(fields)s: change it on its own form and "
                "save. That proposes it, and nothing changes before it is agreed to.",
                what=self._proposal_owner().display_name,
                fields=labels,
            )
        )

    # Proposing

    def web_save(self, vals, specification, next_id=None):
        """Save on the form: what somebody else has to agree to becomes a proposal, the rest is saved."""
        if len(self) == 1 and not self._proposal_through and self._proposal_waits() and self._proposal_differs(vals):
            self._proposal_tell(self._propose(vals))
            vals = {}
        return super().web_save(vals, specification, next_id=next_id)

    def action_propose(self, values):
        """Propose to change these fields of this record, as Save on its form does.

        :param values: as for `write`
        :return: the client action that says what it waits for
        """
        self.ensure_one()
        self.check_access("write")
        if self._proposal_waits():
            return self._propose(values) or True
        return self.write(values)

    def action_propose_removal(self):
        """Button: ask somebody else to agree that it is removed."""
        self.ensure_one()
        self.check_access("unlink")
        if not self._proposal_waits():
            raise UserError(self.env._("“%s” is not in use: delete it.", self.display_name))
        lines = [{"label": self._description, "before": self.display_name, "after": self.env._("Removed")}]
        with closing(self.env.cr.savepoint()):
            # What can't be removed is refused now.
            self.with_context(**Pass.context(self))._proposal_remove()
        self.env.invalidate_all(flush=False)
        return self._proposal_make("remove", {}, lines) or True

    def action_view_proposals(self):
        """Button: the proposals about it."""
        self.ensure_one()
        self.check_access("read")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Proposed changes"),
            "res_model": "g2p.approval.proposal",
            "view_mode": "list,form",
            "domain": self._proposal_domain(),
        }

    def _proposal_domain(self):
        """All proposals about it."""
        return [("res_model", "=", self._name), ("res_id", "=", self.id)]

    def _propose(self, values):
        """Write what is no term, and propose the rest: make the change, see what came of it, and take it back. Whoever may not make
        it is refused now, and so is what makes no sense."""
        self.check_access("write")
        names = self._proposal_differs(values)
        if rest := {name: value for name, value in values.items() if name not in names}:
            self.write(rest)
        values = {name: values[name] for name in names}
        check_commands(self, values)
        self.env.flush_all()
        before, told = self._proposal_snapshot(), {name: self._proposal_words(name) for name in names}
        effects = self._proposal_effects(names)
        with closing(self.env.cr.savepoint()):
            # No mail of what is taken back.
            changed = self.with_context(mail_notify_force_send=False, **Pass.context(self))
            changed.write(values)
            self.env.flush_all()
            changed.invalidate_recordset()
            after = changed._proposal_snapshot()
            lines = [
                {
                    "label": self._fields[name]._description_string(self.env),
                    "before": told[name] or "–",
                    "after": changed._proposal_words(name) or "–",
                }
                for name in names
                if before[name] != after[name]
            ]
            follows = changed._proposal_effects(names) if lines else {}
        self.env.invalidate_all(flush=False)
        if not lines:
            return None
        # Beside what is changed: what comes of it, as far as that can be told.
        lines += [{"label": label, "before": effects.get(label, "–"), "after": told} for label, told in follows.items()]
        return self._proposal_make("write", values, lines, follows)

    def _propose_addition(self):
        """It is there, and comes into force when somebody else agreed."""
        with closing(self.env.cr.savepoint()):
            # What can't come into force is refused now.
            self.with_context(**Pass.context(self))._proposal_add()
            self.env.flush_all()
        self.env.invalidate_all(flush=False)
        lines = [
            {
                "label": self._fields[name]._description_string(self.env),
                "before": "–",
                "after": self._proposal_words(name),
            }
            for name in self._proposal_terms()
            if self._fields[name].store and self._proposal_words(name)
        ]
        answer = self._proposal_make("add", {}, lines)
        self._proposal_tell(answer)
        return answer

    def _proposal_renew(self):
        """What waits to come into force was filled in since: it is asked for anew, as it is now."""
        # sudo: who fills it in has passed the check of that
        waiting = (
            self.env["g2p.approval.proposal"]
            .sudo()
            .search([("res_model", "=", self._name), ("res_id", "=", self.id), ("state", "=", "proposed")])
        )
        if waiting:
            # First, so that it is not dismissed.
            waiting._transition("refused")
            waiting._approval_drop(self.env._("It was changed after it was asked for."), "void")
            self._propose_addition()

    def _proposal_make(self, act, values, lines, follows=()):
        """Make a proposal and ask for it.

        :param lines: [{label, before, after}]
        :param follows: labels of those lines that are not changed themselves, but follow
        """
        # sudo: for which stages and which company it is, of a record whose access was checked by who calls this
        scope = self.sudo()._proposal_scope()
        proposals = self.env["g2p.approval.proposal"]
        # sudo: access to the record was checked by who calls this; a proposal is made by nothing else
        if waiting := proposals.sudo().search(
            [("res_model", "=", self._name), ("res_id", "=", self.id), ("state", "=", "proposed")], limit=1
        ):
            raise UserError(
                self.env._(
                    "A change of this waits already: %s Take it back first, or wait for the decision.",
                    waiting.approval_text or waiting.name,
                )
            )
        # sudo: as above, nobody makes a proposal otherwise
        proposal = proposals.sudo().create(
            {
                "name": self._proposal_title(act, scope, [line for line in lines if line["label"] not in follows]),
                "kind_code": self._proposal_kind_of(values),
                "res_model": self._name,
                "res_id": self.id,
                "company_id": self.sudo()._proposal_company().id,
                "act": act,
                "values": values,
                "lines": lines,
            }
        )
        return proposal.with_env(self.env)._approval_submit()

    def _proposal_tell(self, answer):
        """Say on the screen what the change that was saved waits for."""
        if answer:
            self.env.user._bus_send(
                "simple_notification",
                {
                    "type": "info",
                    "sticky": True,
                    "message": self.env._("Nothing is changed yet. %s", answer["params"]["message"]),
                },
            )

    def _proposal_effects(self, names):
        """{label: words} of what the change of these fields decides: told as it is, and as it would be."""
        return {}

    def _proposal_title(self, act, scope, lines):
        """Whose, and what: as it is listed among what waits."""
        of = scope.display_name if scope else self._description
        if act != "write":
            words = {
                "add": self.env._("%(of)s: new: %(what)s"),
                "remove": self.env._("%(of)s: removal of %(what)s"),
            }
            return words[act] % {"of": of, "what": self.display_name}
        own = "" if not scope or scope == self else self._proposal_called(scope)
        if len(lines) == 1 and max(len(lines[0]["before"]), len(lines[0]["after"])) <= MOST_OF_TITLE:
            what = self.env._("%(label)s %(before)s → %(after)s", **lines[0])
        else:
            what = ", ".join(line["label"] for line in lines)
        return f"{of}: {own}{what}"

    def _proposal_called(self, scope):
        """Which of several it is, before what is changed of it; empty where there is no doubt."""
        return ""

    def _proposal_words(self, name):
        self.ensure_one()
        return field_words(self, name)

    def _proposal_snapshot(self):
        """Everything that is proposed to change, as it is now: what a digest is made of."""
        self.ensure_one()
        # As the database holds it, whatever it was typed as.
        self.invalidate_recordset(self._proposal_terms(), flush=False)
        snapshot = {}
        for name in sorted(self._proposal_terms()):
            field = self._fields[name]
            if field.type == "one2many":
                self[name].invalidate_recordset(flush=False)
                snapshot[name] = [line_stored(line) for line in self[name].sorted("id")]
            else:
                snapshot[name] = field.convert_to_read(self[name], self, use_display_name=False)
        return snapshot

    # Screens

    @api.model
    def _get_view(self, view_id=None, view_type="form", **options):
        """Each form says what was proposed and waits, and has the button to propose its removal."""
        arch, view = super()._get_view(view_id, view_type, **options)
        if view_type != "form" or not self._proposal_kind or (sheet := arch.find(".//sheet")) is None:
            return arch, view
        banner = etree.Element(
            "div",
            {
                "class": "alert alert-info d-flex flex-wrap flex-md-nowrap gap-2 align-items-center",
                "role": "status",
                "groups": USERS,
                "invisible": "not proposal_text",
            },
        )
        etree.SubElement(banner, "field", {"name": "proposal_text", "class": "flex-grow-1", "groups": USERS})
        look = {"name": "action_view_proposals", "type": "object", "class": "btn-link", "groups": USERS}
        etree.SubElement(banner, "button", {**look, "string": self.env._("Look at what was proposed")})
        sheet.insert(0, banner)
        if (header := arch.find(".//header")) is None:
            header = etree.Element("header")
            arch.insert(0, header)
        etree.SubElement(header, "field", {"name": "proposal_can_remove", "invisible": "1", "groups": USERS})
        etree.SubElement(
            header,
            "button",
            {
                "name": "action_propose_removal",
                "type": "object",
                "string": self.env._("Propose to remove"),
                "groups": USERS,
                "invisible": "not proposal_can_remove",
                "confirm": self.env._("Somebody else has to agree. It serves the program until then."),
            },
        )
        return arch, view
