from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL, format_date

from odoo.addons.g2p_approval.tools import digest
from odoo.addons.g2p_bulk.tools import roles
from odoo.addons.g2p_programs.tools.side_by_side import SideBySide, differ
from odoo.addons.g2p_registry_base.tools.suggestions import Suggestions

from ..tools import merge_rows, row_mover
from ..tools.merge_obstacles import Obstacles
from ..tools.merge_undo import MergeUndo
from .registry_deduplication import GROUP_ADMIN, GROUP_REGISTRAR

GROUP_MANAGER = "g2p_programs.g2p_program_manager"
KIND = "merge"  # of approval
UNDO_DAYS = 30
MERGED_FIELDS = (
    "family_name",
    "given_name",
    "addl_name",
    "name",
    "birthdate",
    "birthdate_not_exact",
    "birth_place",
    "gender",
    "kind",
    "area_id",
    "address",
    "civil_status",
    "occupation",
    "income",
    "email",
)


class RegistrantMerge(models.Model):
    """Two registrants become one. A registrar proposes, which asks for approval; it is merged when somebody else agrees, a program
    manager or an administrator. For some days it can be undone. The record stays: who, when, why, and what was moved."""

    _name = "g2p.registrant.merge"
    _description = "Merge of registrants"
    _inherit = ["g2p.state.mixin", "g2p.duplicate.comparison", "g2p.approval.mixin"]
    _personal_fields = dict.fromkeys(("survivor_facts", "merged_facts", "both_kept"), "identity")
    _order = "id desc"
    _rec_names_search = ["survivor_id", "merged_id"]

    # A draft may be about others yet (and is swapped by a button): `write` refuses it afterwards.
    _loose_fields = ("survivor_id", "merged_id")
    _approval_presses = ("action_propose", "action_merge")
    _approval_done_states = ("merged", "undone")
    _protected_fields = (
        "state",
        "proposed_by_id",
        "proposed_on",
        "merged_by_id",
        "merged_on",
        "undone_by_id",
        "undone_on",
        "undo_until",
        "journal",
        "outcome",
    )

    _not_self = models.Constraint("CHECK (survivor_id <> merged_id)", "A registrant can't be merged into themselves.")
    _once = models.UniqueIndex(
        "(merged_id) WHERE state IN ('draft', 'proposed', 'merged')",
        "A merge of this registrant is under way, or done, already.",
    )

    survivor_id = fields.Many2one(
        "res.partner", "Stays", required=True, index=True, ondelete="restrict", domain=[("is_registrant", "=", True)]
    )
    merged_id = fields.Many2one(
        "res.partner",
        "Is merged into the other",
        required=True,
        index=True,
        ondelete="restrict",
        domain=[("is_registrant", "=", True)],
    )
    duplicate_id = fields.Many2one("g2p.registry.duplicate", "Set of duplicates", index=True, ondelete="set null")
    company_id = fields.Many2one(related="survivor_id.company_id")
    reason = fields.Text(help="Why these two are the same: it stays in the history.")
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("proposed", "Proposed"),
            ("merged", "Merged"),
            ("undone", "Undone"),
            ("rejected", "Rejected"),
        ],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
    )
    line_ids = fields.One2many("g2p.registrant.merge.line", "merge_id", "Where they differ", copy=False)
    prepared_by_ids = fields.Many2many(
        "res.users",
        "g2p_registrant_merge_author_rel",
        "merge_id",
        "user_id",
        "Changed by",
        readonly=True,
        copy=False,
        help="Who chose what is kept, or said why: they don't agree to it.",
    )
    proposed_by_id = fields.Many2one("res.users", "Proposed by", readonly=True, copy=False)
    proposed_on = fields.Datetime(readonly=True, copy=False)
    merged_by_id = fields.Many2one("res.users", "Merged by", readonly=True, copy=False)
    merged_on = fields.Datetime(readonly=True, copy=False)
    undone_by_id = fields.Many2one("res.users", "Undone by", readonly=True, copy=False)
    undone_on = fields.Datetime(readonly=True, copy=False)
    undo_until = fields.Datetime("Can be undone until", readonly=True, copy=False)
    journal = fields.Json(readonly=True, copy=False)
    outcome = fields.Char("What was moved", readonly=True, copy=False)
    survivor_facts = fields.Char("Who that is", compute="_compute_facts")
    merged_facts = fields.Char("Who the other is", compute="_compute_facts")
    both_kept = fields.Text(
        "Of both is kept",
        compute="_compute_facts",
        help="What a registrant may have several of goes to the one who stays.",
    )
    obstacle = fields.Char("What stands in the way", compute="_compute_obstacle")

    def _compute_display_name(self):
        for merge in self:
            merge.display_name = self.env._(
                "%(merged)s into %(survivor)s",
                merged=merge.merged_id.name or "",
                survivor=merge.survivor_id.name or "",
            )

    @api.depends("survivor_id", "merged_id")
    @api.depends_context("uid", "allowed_company_ids", "lang")
    def _compute_facts(self):
        """What tells the two apart, as far as the user may see them."""
        for merge in self:
            pair = merge.survivor_id | merge.merged_id
            facts = Suggestions(pair).facts()
            merge.survivor_facts, merge.merged_facts = facts.get(merge.survivor_id.id), facts.get(merge.merged_id.id)
            merge.both_kept = (
                "\n".join(
                    self.env._("%(what)s: %(values)s", what=label, values=" / ".join(value or "–" for value in values))
                    for label, values in SideBySide(pair).kept_of_all()
                    if differ([value or "–" for value in values])
                )
                if len(pair._filtered_access("read")) == 2
                else False
            )

    @api.depends("survivor_id", "merged_id", "state")
    def _compute_obstacle(self):
        for merge in self:
            open_merge = merge.state in ("draft", "proposed") and merge.survivor_id and merge.merged_id
            # sudo: an entitlement stands in the way whether or not the user may see it; only the sentence is shown
            merge.obstacle = open_merge and Obstacles(merge.sudo()).first()

    # Comparison

    def _compared_members(self):
        return self.survivor_id | self.merged_id, 2

    def _partners_of(self, members):
        return members

    def _comparison_buttons(self):
        return {"open": False, "decided": True}

    # CRUD

    @api.model_create_multi
    def create(self, vals_list):
        for partner in self.env["res.partner"].browse(vals["merged_id"] for vals in vals_list if vals.get("merged_id")):
            if partner.merged_into_id:
                raise UserError(
                    self.env._(
                        "%(name)s was merged into %(other)s: merge with that one.",
                        name=partner.name,
                        other=partner.merged_into_id.name,
                    )
                )
        merges = super().create(vals_list)
        for merge in merges:
            merge._check_pair()
            merge._make_lines()
        return merges

    def write(self, vals):
        changed = {"survivor_id", "merged_id"} & vals.keys()
        if changed or (vals.get("duplicate_id") and not self.env.su):
            self._require_state("draft")
        elif not self.env.su and {"line_ids", "reason"} & vals.keys():
            # What somebody else is to decide on does not change before they do.
            self._require_state("draft")
        result = super().write(vals)
        if changed or {"line_ids", "reason"} & vals.keys():
            self._note_author()
        if changed:
            for merge in self:
                merge._check_pair()
                merge._make_lines()
        elif vals.get("duplicate_id"):
            for merge in self:
                merge._check_pair()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_history(self):
        if any(merge.state not in ("draft", "rejected") for merge in self):
            raise UserError(self.env._("Only drafts and rejected proposals can be deleted: merges are history."))

    def _note_author(self):
        if not self.env.su:
            # sudo: who changes it now, whose access was checked by writing it
            self.sudo().prepared_by_ids = [fields.Command.link(self.env.uid)]

    def _check_pair(self):
        """Both are registrants of one type and company whom the user may read."""
        survivor, merged = self.survivor_id, self.merged_id
        (survivor | merged).check_access("read")
        if not (survivor.is_registrant and merged.is_registrant) or survivor.is_group != merged.is_group:
            raise UserError(self.env._("Two individuals, or two groups, can be merged; nothing else."))
        if survivor.company_id and merged.company_id and survivor.company_id != merged.company_id:
            raise UserError(self.env._("These two are registrants of different companies."))
        if survivor.company_id and not merged.company_id:
            # Programs of other companies would lose a member.
            raise UserError(
                self.env._("%s is a registrant of all companies: let them stay, and merge the other one.", merged.name)
            )
        # sudo: who is in the set, whoever may see it; only the refusal is shown
        if self.duplicate_id and (survivor | merged) - self.duplicate_id.sudo().partner_ids:
            raise UserError(self.env._("The set of duplicates does not hold both of these registrants."))

    def _make_lines(self):
        """A line for each field in which they differ; what only the merged one has is taken over unless somebody objects."""
        # sudo: the lines are the merge's own, whose pair the user may read
        lines = self.sudo().line_ids
        lines.unlink()
        lines.create(
            [
                {
                    "merge_id": self.id,
                    "field_name": name,
                    "take": "survivor" if self.survivor_id[name] else "merged",
                }
                for name in self._merged_fields()
                if self.survivor_id[name] != self.merged_id[name]
            ]
        )

    def _merged_fields(self):
        names = [name for name in MERGED_FIELDS if name in self.env["res.partner"]._fields]
        # The name of an individual is made of its parts.
        return [name for name in names if name != "name" or self.survivor_id.is_group]

    def _references(self):
        """The columns that refer to a registrant and are moved, see :func:`row_mover.references`."""
        return row_mover.references(self.env)

    # Steps

    def action_swap(self):
        """Button: the other one stays."""
        self.ensure_one()
        self._check_role(GROUP_REGISTRAR)
        self.check_access("write")
        self.write({"survivor_id": self.merged_id.id, "merged_id": self.survivor_id.id})
        return True

    def action_propose(self):
        """draft → proposed: somebody else is asked to agree; then they are merged."""
        self._check_role(GROUP_REGISTRAR)
        self.check_access("write")
        self._require_state("draft")
        for merge in self:
            if not (merge.reason or "").strip():
                raise UserError(self.env._("Say why these two are the same before you propose the merge."))
            if merge.obstacle:
                raise UserError(merge.obstacle)
        # sudo: role, access and state were checked above; who proposed is protected
        self.sudo().write({"proposed_by_id": self.env.uid, "proposed_on": fields.Datetime.now()})
        self._transition("proposed")
        answers = [merge._approval_submit() for merge in self if merge._approval_asks(KIND)]
        return next(filter(None, answers), True)

    def action_reset_to_draft(self):
        """proposed → draft: to correct the proposal."""
        self._check_role(GROUP_REGISTRAR, GROUP_MANAGER)
        self.check_access("write")
        self._require_state("proposed")
        self._transition("draft")
        self._approval_drop(self.env._("It is corrected first."))
        return True

    def action_reject(self, remark=None):
        """proposed → rejected: nothing is merged. Of what others were asked, the remark says why.

        :return: without a remark the dialog that asks for it
        """
        self._check_role(GROUP_ADMIN, GROUP_MANAGER)
        self.check_access("write")
        self._require_state("proposed")
        for merge in self:
            request = merge._approval_open(KIND)
            # sudo: whether the user themself has a part in it
            if request and self.env.user not in merge.sudo()._approval_authors(KIND):
                if not (remark or "").strip():
                    return request.action_ask_reject()
                request._decide("rejected", remark)
            else:
                merge._transition("rejected", remark or self.env._("Rejected"))
                merge._approval_drop(remark or self.env._("Rejected"))
        return True

    def action_merge(self):
        """proposed → merged, by who agrees: all of the merged one goes to the one who stays, in one transaction."""
        self.ensure_one()
        self._check_role(GROUP_ADMIN, GROUP_MANAGER)
        self.check_access("write")
        if self.proposed_by_id == self.env.user and (self._approval_asks(KIND) or self._approval_open(KIND)):
            raise UserError(self.env._("You proposed this merge: somebody else must look at it and merge."))
        self._check_idle()
        self._lock()
        self._approval_check(KIND)
        return self._approval_submit() or True

    def _merge(self):
        """Move everything; as superuser, when everybody agreed."""
        self._check_idle()
        self._lock()
        self._approval_check(KIND)
        # sudo: role, access and approval were checked by who calls this; the rows are of many models
        merge = self.sudo()
        journal = merge_rows.MergeRows(merge).move()
        days = merge._undo_days()
        merge.write(
            {
                "journal": journal,
                "outcome": merge_rows.outcome(self.env, journal),
                "merged_by_id": self.env.uid,
                "merged_on": fields.Datetime.now(),
                "undo_until": fields.Datetime.now() + timedelta(days=days),
            }
        )
        self._transition("merged", self.reason)
        merge._note_history(self.env._("Merged: %(merge)s. %(reason)s", merge=self.display_name, reason=self.reason))
        merge._close_set()

    def action_undo(self):
        """merged → undone: everything goes back, if it is still as the merge left it; otherwise nothing does."""
        self.ensure_one()
        self._check_role(GROUP_ADMIN, GROUP_MANAGER)
        self.check_access("write")
        self._check_idle()
        self._lock()
        self._require_state("merged")
        if self.undo_until < fields.Datetime.now():
            raise UserError(
                self.env._(
                    "This merge could be undone until %s. Register the person again if they are somebody else.",
                    format_date(self.env, self.undo_until),
                )
            )
        # sudo: role, access, state and time were checked above; the rows are of many models
        merge = self.sudo()
        MergeUndo(merge).move_back()
        merge.write({"undone_by_id": self.env.uid, "undone_on": fields.Datetime.now()})
        self._transition("undone", self.env._("Undone"))
        merge._note_history(self.env._("Merge undone: %s", self.display_name))
        # A closed set waits for a decision again.
        merge.duplicate_id.filtered(lambda duplicate: duplicate.state == "resolved")._transition(
            "duplicate", self.env._("Merge undone")
        )
        return True

    # Approval

    def _approval_kind(self):
        return KIND

    def _approval_name(self, kind):
        """Without names: requests stay, and are told by mail."""
        values = {"number": self.id}
        if self.survivor_id.is_group:
            return self.env._("Merge no. %(number)s of two groups", **values)
        return self.env._("Merge no. %(number)s of two individuals", **values)

    def _approval_authors(self, kind):
        return (self.create_uid | self.proposed_by_id | self.prepared_by_ids).sudo(False)

    def _approval_check(self, kind):
        self._require_state("proposed")
        if obstacle := Obstacles(self.sudo()).first():  # sudo: see `_compute_obstacle`
            raise UserError(obstacle)

    def _approval_lock(self, kind):
        self._lock()

    def _approval_digest(self, kind):
        """Of who goes into whom, why, what is kept, and of what it is chosen."""
        self.env.flush_all()
        partners = self.env["res.partner"]
        columns = SQL(", ").join(
            SQL("%s::text", SQL.identifier(name))
            for name in MERGED_FIELDS
            if name in partners._fields and partners._fields[name].store
        )
        pair = self.env.execute_query(
            SQL(
                "SELECT id, %s FROM res_partner WHERE id = ANY(%s) ORDER BY id",
                columns,
                [self.survivor_id.id, self.merged_id.id],
            )
        )
        lines = self.env.execute_query(
            SQL(
                "SELECT field_name, take FROM g2p_registrant_merge_line WHERE merge_id = %s ORDER BY field_name",
                self.id,
            )
        )
        said = [self.survivor_id.id, self.merged_id.id, self.duplicate_id.id, self.reason]
        return digest.of_values([self._name, self.id, kind, said, lines, pair])

    def _approval_figures(self, kind):
        """Fields by their names: whose values they are is for who may open the merge."""
        taken = {"survivor": self.env._("Kept of who stays"), "merged": self.env._("Taken from who is merged")}
        figures = [{"label": self.env._("Where they differ"), "value": len(self.line_ids)}]
        for take, label in taken.items():
            if lines := self.line_ids.filtered(lambda line, take=take: line.take == take):
                figures.append({"label": label, "value": ", ".join(lines.mapped("label"))})
        return figures

    def _approval_people(self, kind):
        """Who stays and who goes, each as far as the user may see them, and in what they differ."""
        if not self.has_access("read"):
            return []
        people = []
        pair = self.survivor_id | self.merged_id
        seen = pair._filtered_access("read")
        for partner, label in (
            (self.survivor_id, self.env._("Stays")),
            (self.merged_id, self.env._("Is merged into the other")),
        ):
            told = self.env._("somebody whom you can't see")
            if partner in seen:
                told = ", ".join(filter(None, (partner.name, Suggestions(partner).facts().get(partner.id))))
            people.append((label, told))
        if len(seen) == 2:
            lines = SideBySide(pair).lines()
            if unlike := [label for label, values in lines if differ([value or "–" for value in values])]:
                people.append((self.env._("They differ in"), ", ".join(unlike)))
        return people

    def _approval_granted(self, request):
        self._merge()

    def _approval_refused(self, request):
        if self.state == "proposed":
            refused = request.state == "refused"
            # What was taken back, or changed meanwhile, can be proposed again.
            self._transition("rejected" if refused else "draft", refused and request.decision_ids[-1:].remark)

    def _lock(self):
        """Lock the merge and both registrants, in the order of their ids: two merges of one of them take turns."""
        self.env.flush_all()
        self.env.cr.execute(SQL("SELECT FROM g2p_registrant_merge WHERE id = %s FOR UPDATE", self.id))
        self.env.cr.execute(
            SQL(
                "SELECT FROM res_partner WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
                [self.survivor_id.id, self.merged_id.id],
            )
        )
        self.env.invalidate_all()

    def _check_idle(self):
        """No step works on a program, or on one of its cycles, of which one of the two is a member."""
        # sudo: a step stands in the way whether or not the user may see it; only its name is told
        members = self.env["g2p.program_membership"].sudo()
        programs = members.search([("partner_id", "in", (self.survivor_id | self.merged_id).ids)]).program_id
        programs.sorted("id")._bulk_check("merge_members")

    def _check_role(self, *groups):
        roles.check(self.env, *groups)

    @api.model
    def _undo_days(self):
        # sudo: one parameter, read by name
        value = self.env["ir.config_parameter"].sudo().get_param("g2p_deduplication.undo_days")
        return int(value) if str(value or "").isdigit() else UNDO_DAYS

    def _note_history(self, body):
        """A note on both registrants, in the name of who did it."""
        partners = self.survivor_id | self.merged_id
        partners._message_log_batch(bodies=dict.fromkeys(partners.ids, body), author_id=self.env.user.partner_id.id)

    def _close_set(self):
        """The set is resolved when only one of its registrants is left."""
        duplicate = self.duplicate_id
        if duplicate.state == "duplicate" and len(duplicate.partner_ids.filtered(lambda p: not p.merged_into_id)) < 2:
            duplicate._transition("resolved", self.env._("Merged"))


class RegistrantMergeLine(models.Model):
    """A field in which the two differ, and whose value stays."""

    _name = "g2p.registrant.merge.line"
    _personal_fields = dict.fromkeys(("survivor_text", "merged_text"), "identity")
    _description = "Choice of a merge"
    _order = "id"

    merge_id = fields.Many2one("g2p.registrant.merge", required=True, readonly=True, index=True, ondelete="cascade")
    field_name = fields.Char(required=True, readonly=True)
    label = fields.Char("Field", compute="_compute_texts")
    survivor_text = fields.Char("Who stays", compute="_compute_texts")
    merged_text = fields.Char("Who is merged", compute="_compute_texts")
    take = fields.Selection(
        [("survivor", "Of who stays"), ("merged", "Of who is merged")], "Keep", required=True, default="survivor"
    )

    @api.depends("field_name", "merge_id.survivor_id", "merge_id.merged_id")
    def _compute_texts(self):
        partners = self.env["res.partner"]
        for line in self:
            field = partners._fields.get(line.field_name)
            line.label = field and field._description_string(self.env)
            for name, partner in (
                ("survivor_text", line.merge_id.survivor_id),
                ("merged_text", line.merge_id.merged_id),
            ):
                line[name] = field and self._text(field, partner)

    def _text(self, field, partner):
        value = partner[field.name]
        if field.type == "date":
            return format_date(self.env, value)
        if field.type == "selection":
            return dict(field._description_selection(self.env)).get(value, "")
        if field.type == "many2one":
            return value.display_name or ""
        if field.type == "boolean":
            return self.env._("Yes") if value else self.env._("No")
        return str(value or "")

    def write(self, vals):
        if not self.env.su:
            if vals.keys() - {"take"}:
                raise AccessError(self.env._("Of a line only the choice can be changed."))
            self.merge_id._require_state("draft")
            self.merge_id._note_author()
        return super().write(vals)
