from odoo import Command, api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from odoo.addons.g2p_programs.tools.constants import GROUP_VALIDATOR

OPEN_STATES = ("active", "inprogress")
GROUP_REGISTRAR = "g2p_registry_base.group_g2p_registrar"
SEQUENCE = "g2p.program.registrant_info"

# Whoever leaves a program, on whichever way, has no open application in it.
TRIGGERS = """
CREATE OR REPLACE FUNCTION g2p_application_member_left() RETURNS trigger AS $$
BEGIN
    WITH open AS MATERIALIZED (
        SELECT id, state
        FROM g2p_program_registrant_info
        WHERE program_membership_id = NEW.id AND state IN ('active', 'inprogress')
        FOR NO KEY UPDATE
    ), closed AS (
        UPDATE g2p_program_registrant_info AS application
        SET state = 'closed', write_uid = NEW.write_uid, write_date = statement_timestamp() AT TIME ZONE 'UTC'
        FROM open
        WHERE application.id = open.id
        RETURNING open.id, open.state
    )
    INSERT INTO g2p_state_history (res_model, res_id, from_state, to_state, reason, user_id, date)
    SELECT 'g2p.program.registrant_info', id, state, 'closed', NEW.reason, NEW.write_uid,
        statement_timestamp() AT TIME ZONE 'UTC'
    FROM closed;
    RETURN NULL;
END $$ LANGUAGE plpgsql;

CREATE OR REPLACE TRIGGER g2p_application_member_left AFTER UPDATE OF state ON g2p_program_membership
    FOR EACH ROW WHEN (NEW.state IN ('exited', 'graduated') AND OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION g2p_application_member_left();
"""


class _Numbers:
    """Drawn numbers, handed from `create` to the field's default. Nothing that comes from outside is one."""

    def __init__(self, numbers):
        self.numbers = iter(numbers)

    def __next__(self):
        return next(self.numbers)


class RegistrantInfo(models.Model):
    """An application: what a registrant answered to a program's questions, and what became of it.

    States: applied (active) → in progress → completed, or rejected, or closed. The latest of a member counts.
    """

    _name = "g2p.program.registrant_info"
    _personal_fields = {"program_registrant_info": "identity", "answers_text": "identity"}
    _description = "Application"
    _inherit = ["g2p.state.mixin", "g2p.properties.mixin", "g2p.document.mixin", "g2p.evidence.mixin"]
    _order = "id desc"
    _rec_name = "application_id"

    _protected_fields = ("state", "application_id", "entitlement_id", "is_latest", "several", "applied_date")

    _application_id_uniq = models.Constraint("UNIQUE (application_id)", "This number belongs to another application.")
    _one_latest = models.UniqueIndex(
        "(program_membership_id) WHERE is_latest", "Another application of this member was made just now: try again."
    )
    _one_alive = models.UniqueIndex(
        "(program_membership_id) WHERE state IN ('active', 'inprogress', 'completed') AND several IS NOT TRUE",
        "This registrant has an application to the program already.",
    )
    _program_state_idx = models.Index("(program_id, state, registrant_id)")
    _entitlement_idx = models.Index("(entitlement_id) WHERE entitlement_id IS NOT NULL")

    # Identity
    application_id = fields.Char(
        "Application number",
        required=True,
        readonly=True,
        copy=False,
        default=lambda self: self._numbered(),
        help="The day as ddmmyy, and a running number.",
    )
    applied_date = fields.Datetime("Applied on", required=True, readonly=True, copy=False, default=fields.Datetime.now)

    # Relations: the membership says which registrant and which program
    program_membership_id = fields.Many2one(
        "g2p.program_membership", "Beneficiary", required=True, index=True, ondelete="restrict"
    )
    registrant_id = fields.Many2one("res.partner", required=True, index=True, ondelete="restrict")
    program_id = fields.Many2one("g2p.program", required=True, ondelete="restrict")
    definition_id = fields.Many2one("g2p.program.definition", required=True, index=True, ondelete="restrict")
    company_id = fields.Many2one(related="program_id.company_id")
    target_type = fields.Selection(related="program_id.target_type")
    area_id = fields.Many2one(related="registrant_id.area_id")
    membership_state = fields.Selection(related="program_membership_id.state", string="Beneficiary is")
    entitlement_id = fields.Many2one(
        "g2p.entitlement", readonly=True, copy=False, ondelete="set null", help="What came of the application."
    )

    # State
    state = fields.Selection(
        [
            ("active", "Applied"),
            ("inprogress", "In progress"),
            ("completed", "Completed"),
            ("rejected", "Rejected"),
            ("closed", "Closed"),
        ],
        required=True,
        readonly=True,
        default="active",
        copy=False,
    )
    is_latest = fields.Boolean("Latest", readonly=True, copy=False, default=True)
    several = fields.Boolean(
        compute="_compute_several",
        store=True,
        precompute=True,
        copy=False,
        help="Made when the program allowed several applications at a time.",
    )

    # Content
    program_registrant_info = fields.Properties("Answers", definition="definition_id.application_schema", copy=True)
    answers_text = fields.Text("Answers in words", compute="_compute_answers_text")
    assessment_ids = fields.One2many("g2p.program.assessment", "registrant_info_id", "Assessments", copy=False)
    may_be_edited = fields.Boolean(compute="_compute_may_be_edited")

    def init(self):
        self.env.cr.execute(TRIGGERS)

    @api.depends("application_id", "registrant_id.name")
    def _compute_display_name(self):
        for application in self:
            parts = filter(None, (application.application_id, application.registrant_id.name))
            application.display_name = " · ".join(parts) or self.env._("New application")

    @api.depends("program_id")
    def _compute_several(self):
        """As the program had it on the day: a later change of its setting is for later applications."""
        for application in self:
            application.several = application.program_id.multiple_form_submission

    @api.depends("program_registrant_info")
    def _compute_answers_text(self):
        field = self._fields["program_registrant_info"]
        for application, answers in zip(
            self, field.convert_to_read_multi([a.program_registrant_info for a in self], self), strict=True
        ):
            lines = [
                f"{answer.get('string') or answer['name']}: {self._answer_in_words(answer)}"
                for answer in answers
                if answer.get("value") not in (None, False) or (answer["type"] == "boolean" and "value" in answer)
            ]
            application.answers_text = "\n".join(lines)

    @api.model
    def _answer_in_words(self, answer):
        value = answer["value"]
        if answer["type"] == "boolean":
            return self.env._("yes") if value else self.env._("no")
        if answer["type"] == "selection":
            return dict(answer.get("selection") or ()).get(value, value)
        if answer["type"] == "tags":
            labels = {tag[0]: tag[1] for tag in answer.get("tags") or ()}
            return ", ".join(labels.get(tag, tag) for tag in value)
        if answer["type"] == "many2one":
            return value[1] or ""
        return str(value)

    @api.depends("state")
    @api.depends_context("uid")
    def _compute_may_be_edited(self):
        for application in self:
            application.may_be_edited = application._may_be_edited()

    def _may_be_edited(self):
        """Answers and documents: by who registers until somebody takes the application up, then by who assesses it."""
        user = self.env.user
        if self.state == "active":
            return user.has_group(GROUP_REGISTRAR) or user.has_group(GROUP_VALIDATOR)
        return self.state == "inprogress" and user.has_group(GROUP_VALIDATOR)

    def _evidence_locked(self):
        """On its documents it was decided: whoever is asked, by whatever way."""
        return self.filtered(lambda application: application.state not in OPEN_STATES)

    def _properties_fields(self):
        return (*super()._properties_fields(), "program_registrant_info")

    # CRUD

    @api.model_create_multi
    def create(self, vals_list):
        """An application of a membership, or of a registrant and a program: then a draft membership is made if need be."""
        memberships = self._memberships_of(vals_list)
        self._lock_memberships(memberships)
        self._check_may_apply(memberships)
        self._forget_latest(memberships)
        prepared = [
            {
                **vals,
                "program_membership_id": membership.id,
                "registrant_id": membership.partner_id.id,
                "program_id": membership.program_id.id,
                "definition_id": membership.program_id.definition_id.id,
            }
            for vals, membership in zip(vals_list, memberships, strict=True)
        ]
        numbered = self.with_context(g2p_application_numbers=_Numbers(self._next_numbers(len(prepared))))
        return super(RegistrantInfo, numbered).create(prepared).with_env(self.env)

    def _memberships_of(self, vals_list):
        """The membership of each, found or made in the rights of the user; a list."""
        members = self.env["g2p.program_membership"]
        result = []
        for vals in vals_list:
            membership = members.browse(vals.get("program_membership_id"))
            if not membership:
                pair = {"partner_id": vals.get("registrant_id"), "program_id": vals.get("program_id")}
                if not all(pair.values()):
                    raise UserError(self.env._("An application is of a registrant, to a program."))
                membership = members.search([(name, "=", value) for name, value in pair.items()], limit=1)
                membership = membership or self._new_member(pair)
            membership.check_access("read")
            result.append(membership)
        return result

    @api.model
    def _new_member(self, vals):
        members = self.env["g2p.program_membership"]
        members.check_access("create")
        self.env["res.partner"].browse(vals["partner_id"]).check_access("read")
        self.env["g2p.program"].browse(vals["program_id"]).check_access("read")
        # sudo: the user may make members, and sees this registrant and this program; a member's set of duplicates, which
        # the ORM asks for too, is of no interest to registrars
        return members.sudo().create(vals).with_env(self.env)

    def _lock_memberships(self, memberships):
        """Applications of one member are made one after the other."""
        self.env.flush_all()
        ids = sorted({membership.id for membership in memberships})
        self.env.cr.execute(
            SQL("SELECT id FROM g2p_program_membership WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", ids)
        )

    def _forget_latest(self, memberships):
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_program_registrant_info SET is_latest = FALSE
                 WHERE is_latest AND program_membership_id = ANY(%s)
                """,
                [membership.id for membership in memberships],
            )
        )
        self.invalidate_model(["is_latest"], flush=False)

    def _check_may_apply(self, memberships):
        """Refuse, in words, what the database would refuse, and what it can't know."""
        if len({membership.id for membership in memberships}) < len(memberships):
            raise UserError(self.env._("Applications of one registrant to a program are made one after the other."))
        once = set()
        for membership in memberships:
            program = membership.program_id
            if program.state != "active":
                raise UserError(self.env._("%s is not active, so nobody can apply to it.", program.name))
            if membership.state in ("exited", "graduated"):
                raise UserError(
                    self.env._(
                        "%(registrant)s has left %(program)s and can't apply to it.",
                        registrant=membership.partner_id.name,
                        program=program.name,
                    )
                )
            if not program.multiple_form_submission:
                once.add(membership.id)
        taken = dict(
            # sudo: an application counts whether or not the user may see it; only the refusal is shown
            self.sudo()._read_group(
                [
                    ("program_membership_id", "in", list(once)),
                    ("state", "in", (*OPEN_STATES, "completed")),
                ],
                ["program_membership_id"],
                ["__count"],
            )
        )
        for membership in memberships:
            if membership in taken:
                raise UserError(
                    self.env._(
                        "%(registrant)s has an application to %(program)s already, which allows one.",
                        registrant=membership.partner_id.name,
                        program=membership.program_id.name,
                    )
                )

    @api.model
    def _numbered(self):
        numbers = self.env.context.get("g2p_application_numbers")
        return next(numbers) if isinstance(numbers, _Numbers) else False

    @api.model
    def _next_numbers(self, count):
        """Application numbers: the day as ddmmyy and five digits of a sequence, in one statement."""
        # sudo: drawing a number is part of creating an application
        sequence = self.env["ir.sequence"].sudo().search([("code", "=", SEQUENCE)], limit=1)
        prefix = sequence._get_prefix_suffix()[0]
        numbers = self.env.execute_query(
            SQL("SELECT nextval(%s) FROM generate_series(1, %s)", f"ir_sequence_{sequence.id:03}", count)
        )
        return (f"{prefix}{number:0{sequence.padding}}" for (number,) in numbers)

    def write(self, vals):
        if vals.keys() & {"program_membership_id", "registrant_id", "program_id", "definition_id"}:
            raise UserError(self.env._("An application stays with its registrant and its program: make a new one."))
        if not self.env.su and vals.keys() & {"program_registrant_info", "document_ids"}:
            for application in self:
                if not application._may_be_edited():
                    raise AccessError(
                        self.env._(
                            "%s can't be changed any more, or only by who assesses it.", application.display_name
                        )
                    )
        return super().write(vals)

    @api.model
    def _document_domain(self):
        """Whatever is handed in with an application is a document of it."""
        return [("res_model", "=", self._name)]

    def copy(self, default=None):
        raise UserError(self.env._("An application is not copied: press New and answer the questions."))

    # Buttons

    def action_start(self):
        """Button: applied → in progress. Enrolment does the same."""
        self._check_can_assess()
        self._require_state("active")
        self._transition("inprogress")
        return True

    def action_prepare_assessment(self):
        """Button: ask for the remarks."""
        self._check_can_assess()
        self._require_state(*OPEN_STATES)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Assess the application"),
            "res_model": "g2p.program.assessment.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_registrant_info_id": self.id},
        }

    def action_reject(self):
        """Button: ask for the reason."""
        self._check_can_assess()
        self._check_can_be_rejected()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Reject the application") if len(self) == 1 else self.env._("Reject applications"),
            "res_model": "g2p.application.reject.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_registrant_info_ids": [Command.set(self.ids)]},
        }

    def action_close(self):
        """Button: the applicant has withdrawn."""
        self._check_can_assess()
        self._require_state(*OPEN_STATES)
        self._transition("closed", self.env._("Withdrawn by the applicant"))
        return True

    def action_open_membership(self):
        """Stat button."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "g2p.program_membership",
            "res_id": self.program_membership_id.id,
            "view_mode": "form",
        }

    def action_open_entitlement(self):
        """Stat button."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "g2p.entitlement",
            "res_id": self.entitlement_id.id,
            "view_mode": "form",
        }

    def _check_can_assess(self):
        self.program_id._check_can(GROUP_VALIDATOR)
        self.check_access("write")

    def _check_can_be_rejected(self):
        self._require_state(*OPEN_STATES)
        if unassessed := self.filtered(lambda application: not application.assessment_ids):
            raise UserError(
                self.env._(
                    "%(count)s of these applications are not assessed yet (such as %(name)s): prepare an assessment first.",
                    count=len(unassessed),
                    name=unassessed[0].display_name,
                )
            )
