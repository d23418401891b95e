from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from ..tools.constants import ENROLLMENT_CANDIDATES, GROUP_VALIDATOR


class ProgramMembership(models.Model):
    """A registrant in a program. One row for each (program, registrant), for ever: states change, rows stay."""

    _name = "g2p.program_membership"
    _description = "Program membership"
    _inherit = ["g2p.state.mixin"]
    _order = "id desc"
    _rec_name = "partner_id"

    _protected_fields = (
        "state",
        "eligibility_verdict",
        "enrollment_date",
        "exit_date",
        "reason",
        "deduplication_status",
        "duplicate_ids",
    )

    _program_partner_uniq = models.Constraint(
        "UNIQUE (program_id, partner_id)", "The registrant is in the program already."
    )
    _program_state = models.Index("(program_id, state)")
    _program_unknown = models.Index("(program_id) WHERE eligibility_verdict = 'unknown'")
    _program_latest = models.Index("(program_id, id)")
    _enrolled_on = models.Index("USING brin (enrollment_date) WITH (autosummarize = on)")

    partner_id = fields.Many2one("res.partner", "Registrant", required=True, index=True, ondelete="restrict")
    program_id = fields.Many2one("g2p.program", required=True, ondelete="restrict")
    company_id = fields.Many2one(related="program_id.company_id")
    target_type = fields.Selection(related="program_id.target_type")
    area_id = fields.Many2one(related="partner_id.area_id")
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("enrolled", "Enrolled"),
            ("paused", "Paused"),
            ("exited", "Exited"),
            ("graduated", "Graduated"),
            ("not_eligible", "Not eligible"),
            ("duplicated", "Duplicated"),
        ],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
    )
    reason = fields.Char(
        readonly=True, copy=False, help="Why the member is not eligible, duplicated, paused, graduated or exited."
    )
    eligibility_verdict = fields.Selection(
        [("eligible", "Eligible"), ("not_eligible", "Not eligible"), ("unknown", "Data missing")],
        string="Eligibility",
        readonly=True,
        copy=False,
        help="What the eligibility managers said when they were last asked; empty when they never were.",
    )
    enrollment_date = fields.Datetime(readonly=True, copy=False)
    exit_date = fields.Datetime(readonly=True, copy=False, help="When the member exited or graduated.")
    registrant_id = fields.Integer(
        "Registrant's number", compute="_compute_registrant_id", help="The name by which OpenG2P's clients know it."
    )
    last_deduplication = fields.Datetime(related="program_id.last_deduplication")
    deduplication_status = fields.Selection(
        [("new", "New"), ("processing", "Processing"), ("verified", "Verified"), ("duplicated", "Duplicated")],
        compute="_compute_deduplication_status",
    )
    duplicate_ids = fields.Many2many(
        "g2p.program.membership.duplicate",
        "g2p_program_membership_duplicate_rel",
        "membership_id",
        "duplicate_id",
        string="Sets of duplicates",
    )
    entitlements_count = fields.Integer(compute="_compute_money")
    payments_count = fields.Integer(compute="_compute_money")

    @api.depends("state", "create_date", "program_id.last_deduplication")
    def _compute_deduplication_status(self):
        for membership in self:
            checked = membership.last_deduplication
            if membership.state == "duplicated":
                membership.deduplication_status = "duplicated"
            elif checked and membership.create_date and membership.create_date <= checked:
                membership.deduplication_status = "verified"
            else:
                membership.deduplication_status = "new"

    def _compute_money(self):
        """Two grouped counts, whatever the number of members shown."""
        for model, field in (("g2p.entitlement", "entitlements_count"), ("g2p.payment", "payments_count")):
            counts = {
                (program, partner): count
                for program, partner, count in self.env[model]._read_group(
                    [("program_id", "in", self.program_id.ids), ("partner_id", "in", self.partner_id.ids)],
                    ["program_id", "partner_id"],
                    ["__count"],
                )
            }
            for membership in self:
                membership[field] = counts.get((membership.program_id, membership.partner_id), 0)

    @api.depends("partner_id", "program_id")
    def _compute_display_name(self):
        for membership in self:
            membership.display_name = f"{membership.partner_id.name or ''} · {membership.program_id.name or ''}"

    @api.depends("partner_id")
    def _compute_registrant_id(self):
        for membership in self:
            membership.registrant_id = membership.partner_id.id

    # Constraints

    @api.constrains("partner_id", "program_id")
    def _check_target(self):
        """A member is a registrant of the program's target type, of its company, and not disabled."""
        for membership in self:
            registrant, program = membership.partner_id, membership.program_id
            if not registrant.is_registrant or registrant.is_group != (program.target_type == "group"):
                raise UserError(
                    self.env._(
                        "%(program)s is for %(target)s: %(registrant)s can't be a member.",
                        program=program.name,
                        target=self.env._("groups") if program.target_type == "group" else self.env._("individuals"),
                        registrant=registrant.name,
                    )
                )
            if registrant.disabled:
                raise UserError(self.env._("%s is disabled and can't become a member.", registrant.name))
            if registrant.company_id and registrant.company_id != program.company_id:
                raise UserError(self.env._("%s is a registrant of another company than the program.", registrant.name))

    # CRUD

    @api.model_create_multi
    def create(self, vals_list):
        memberships = super().create(vals_list)
        for program in memberships.program_id:
            if program.state == "ended":
                raise UserError(self.env._("%s has ended: nobody can be added to it.", program.name))
            program._check_not_paused()
        memberships.program_id._bulk_check("edit_members")
        memberships.program_id._refresh_counters()
        return memberships

    def write(self, vals):
        for field in ("partner_id", "program_id"):
            if field in vals and any(membership[field].id != vals[field] for membership in self):
                raise UserError(self.env._("A membership stays with its registrant and its program."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        kept = self.filtered(lambda membership: membership.state not in ("draft", "not_eligible"))
        if kept:
            raise UserError(
                self.env._("Only draft and not eligible members can be removed; %s of these are not.", len(kept))
            )
        for model in ("g2p.cycle.membership", "g2p.entitlement"):
            # sudo: what depends on a member counts whether or not the user may see it; only the refusal is shown
            domain = [("partner_id", "in", self.partner_id.ids), ("program_id", "in", self.program_id.ids)]
            if self.env[model].sudo().search_count(domain, limit=1):
                raise UserError(self.env._("A member who was in a cycle can't be removed: their history must stay."))

    def unlink(self):
        programs = self.program_id
        programs._bulk_check("edit_members")
        result = super().unlink()
        programs._refresh_counters()
        return result

    # Buttons

    def verify_eligibility(self):
        """Button: decide again for these members, and say what came out."""
        return self._decide(("enrolled", "not_eligible"), dry=self.filtered(lambda m: m.state == "draft"), exits=True)

    def enroll_eligible_registrants(self):
        """Button: draft members who are eligible become enrolled, the others not eligible."""
        return self._decide(ENROLLMENT_CANDIDATES)

    def _decide(self, states, dry=None, exits=False):
        """Run the eligibility managers on these members.

        :param states: members in other states stay as they are.
        :param dry: members whose state is not changed; only the answer is given.
        :param exits: who loses eligibility leaves, where the program says so.
        """
        self.program_id._check_can(GROUP_VALIDATOR)
        self.check_access("write")
        self.program_id._check_active()
        self.program_id._bulk_check("edit_members")
        self.env.flush_all()
        counts = dict.fromkeys(("enrolled", "already", "not_eligible", "unknown", "exited"), 0)
        for program in self.program_id:
            members = self.filtered(lambda member, program=program: member.program_id == program)
            ids = members.partner_id.ids
            leave = exits and program.auto_exit
            outcome = program._apply_eligibility(min(ids) - 1, max(ids), states, members=members, exits=leave)
            counts = {name: counts[name] + outcome[name] for name in counts}
            program._refresh_counters()
        lines = []
        if dry:
            verdicts = dry._eligibility_reasons()
            eligible = sum(verdict == "eligible" for verdict, _reason in verdicts.values())
            lines.append(self.env._("Draft members who would be eligible: %s.", eligible))
            lines += sorted({reason for _verdict, reason in verdicts.values() if reason})
        if counts["enrolled"]:
            lines.append(self.env._("Enrolled: %s.", counts["enrolled"]))
        if counts["already"]:
            lines.append(self.env._("Still eligible: %s.", counts["already"]))
        if counts["not_eligible"]:
            lines.append(self.env._("Not eligible: %s.", counts["not_eligible"]))
            lines += sorted({member.reason for member in self if member.state == "not_eligible" and member.reason})
        if counts["exited"]:
            lines.append(self.env._("Not eligible any more, exited: %s.", counts["exited"]))
        if counts["unknown"]:
            lines.append(self.env._("Data missing, nobody can tell: %s.", counts["unknown"]))
            lines += sorted({member.reason for member in self if member.eligibility_verdict == "unknown"})
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning" if counts["not_eligible"] or counts["unknown"] else "success",
                "message": " ".join(lines) or self.env._("Nothing to decide: these members stay as they are."),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def _eligibility_reasons(self):
        """{membership id: (verdict, reason or None)} of members of any state, without changing them."""
        reasons = {}
        for program in self.program_id:
            members = self.filtered(lambda member, program=program: member.program_id == program)
            ids = members.partner_id.ids
            candidates = program._members_sql(members)
            verdicts = program._eligibility_verdicts(candidates, min(ids) - 1, max(ids))
            reasons.update(program._read_verdicts(verdicts))
        return reasons

    def deduplicate_beneficiaries(self):
        """Button: look for duplicates in the member's program."""
        return self.program_id.deduplicate_beneficiaries()

    def back_to_draft(self):
        """Button: a not eligible or duplicated member may be decided on again."""
        self.program_id._check_can(GROUP_VALIDATOR)
        self.check_access("write")
        if any(member.state not in ("not_eligible", "duplicated") for member in self):
            raise UserError(self.env._("Only members who are not eligible or duplicated can go back to draft."))
        self.program_id._bulk_check("edit_members")
        self._transition("draft")
        self.sudo().write(
            {"reason": False, "eligibility_verdict": False}
        )  # sudo: role and access were checked above; `reason` is protected
        self.program_id._refresh_counters()
        return True

    # The name by which OpenG2P's clients call the button
    Back_to_draft = back_to_draft
    birthdate = fields.Date(related="partner_id.birthdate")
    registration_date = fields.Date(related="partner_id.registration_date")
    household_size = fields.Integer("Members of the group", related="partner_id.z_ind_grp_num_individuals")
    household_id = fields.Many2one("res.partner", "Group", compute="_compute_household_id")
    history_ids = fields.One2many(
        "g2p.state.history",
        "res_id",
        "History",
        domain=[("res_model", "=", "g2p.program_membership")],
        groups="g2p_bulk.group_g2p_bulk_user",
        readonly=True,
    )
    explanation = fields.Html(compute="_compute_explanation", sanitize=False)

    def open_entitlements(self):
        """Stat button."""
        return self._open_money("g2p.entitlement", self.env._("Entitlements"))

    def open_payments(self):
        """Stat button."""
        return self._open_money("g2p.payment", self.env._("Payments"))

    def _open_money(self, model, name):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": model,
            "view_mode": "list,form",
            "domain": [("partner_id", "=", self.partner_id.id), ("program_id", "=", self.program_id.id)],
        }

    def _compute_household_id(self):
        """The group in which an individual lives now, the latest if there are several: one query."""
        households = {}
        if self.partner_id:
            households = dict(
                self.env.execute_query(
                    SQL(
                        """
                        SELECT DISTINCT ON (link.individual) link.individual, link."group"
                          FROM g2p_group_membership AS link
                         WHERE link.individual = ANY(%s)
                           AND (link.ended_date IS NULL OR link.ended_date > %s)
                         ORDER BY link.individual, link.id DESC
                        """,
                        self.partner_id.ids,
                        fields.Datetime.now(),
                    )
                )
            )
        # The statement above asks no record rules: only groups that the user may see are shown.
        visible = set(self.env["res.partner"].search([("id", "in", list(households.values()))]).ids)
        for membership in self:
            household = households.get(membership.partner_id.id)
            membership.household_id = household if household in visible else False

    @api.depends_context("uid")
    def _compute_explanation(self):
        """What the managers would say today. For the form: one member at a time."""
        for member in self:
            member.explanation = False
            if member.program_id and member.partner_id and len(self) == 1:
                try:
                    member.explanation = member.program_id._explain_html(member.partner_id)
                except (AccessError, UserError) as error:
                    member.explanation = Markup("<p>%s</p>") % str(error)
