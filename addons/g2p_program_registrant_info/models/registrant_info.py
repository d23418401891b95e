import uuid

from odoo import Command, api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from odoo.addons.g2p_programs.tools.constants import GROUP_VALIDATOR

from ..tools import answers
from ..tools.new_applications import NewApplications
from ..tools.numbers import Numbering, Numbers

OPEN_STATES = ("active", "inprogress")
GROUP_REGISTRAR = "g2p_registry_base.group_g2p_registrar"

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
        read = field.convert_to_read_multi([application.program_registrant_info for application in self], self)
        for application, given in zip(self, read, strict=True):
            application.answers_text = answers.in_words(self.env, given)

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
        memberships = NewApplications(self).memberships(vals_list)
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
        numbered = self.with_context(g2p_application_numbers=Numbering(self.env).draw(len(prepared)))
        return super(RegistrantInfo, numbered).create(prepared).with_env(self.env)

    @api.model
    def _numbered(self):
        numbers = self.env.context.get("g2p_application_numbers")
        return next(numbers) if isinstance(numbers, Numbers) else False

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

    # As sets: they follow entitlements and payments, and take entitlements along when rejected

    @api.model
    def _link_entitlements(self, entitlements):
        """The latest open application of a member, and their assessments, belong to the entitlement made for them.

        :param SQL entitlements: condition over `g2p_entitlement AS entitlement`. Of several, the first counts. An
            application keeps its entitlement as long as that one may still be paid.
        """
        self.env.flush_all()
        first = SQL(
            """
            SELECT DISTINCT ON (entitlement.program_id, entitlement.partner_id)
                   entitlement.id, entitlement.program_id, entitlement.partner_id
              FROM g2p_entitlement AS entitlement
             WHERE %s AND entitlement.state = 'draft'
             ORDER BY entitlement.program_id, entitlement.partner_id, entitlement.id
            """,
            entitlements,
        )
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_program_registrant_info AS application
                   SET entitlement_id = first.id
                  FROM (%s) AS first
                 WHERE application.is_latest AND application.state IN ('active', 'inprogress')
                   AND application.program_id = first.program_id AND application.registrant_id = first.partner_id
                   AND NOT EXISTS (
                       SELECT FROM g2p_entitlement AS alive
                        WHERE alive.id = application.entitlement_id
                          AND alive.state NOT IN ('cancelled', 'rejected1', 'rejected2', 'rejected3', 'expired')
                   )
                """,
                first,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_program_assessment AS assessment
                   SET entitlement_id = first.id
                  FROM (%s) AS first
                  JOIN g2p_program_membership AS membership
                    ON membership.program_id = first.program_id AND membership.partner_id = first.partner_id
                 WHERE assessment.program_membership_id = membership.id AND assessment.entitlement_id IS NULL
                """,
                first,
            )
        )
        self.invalidate_model(["entitlement_id"], flush=False)
        self.env["g2p.program.assessment"].invalidate_model(["entitlement_id"], flush=False)

    @api.model
    def _complete_where(self, entitlements, operation=None):
        """In progress → completed, where the application's entitlement meets a condition.

        :param SQL entitlements: over `g2p_entitlement AS entitlement`.
        """
        return self._transition_where(
            SQL(
                """
                t.entitlement_id IN (
                    SELECT entitlement.id FROM g2p_entitlement AS entitlement WHERE %s
                )
                """,
                entitlements,
            ),
            "completed",
            operation=operation,
            from_state="inprogress",
        )

    def _reject(self, reason):
        """Open and assessed → rejected, with what was prepared for the applicant and is not approved yet."""
        self._check_can_assess()
        self._check_can_be_rejected()
        entitlement = self.env["g2p.entitlement"].sudo()  # sudo: role and access were checked above
        # cycles of which something is taken back count again
        cycles = self.sudo().entitlement_id.cycle_id
        key = str(uuid.uuid4())
        entitlement._leave_where(
            SQL(
                """
                EXISTS (
                    SELECT FROM g2p_program_registrant_info AS application
                      JOIN g2p_entitlement AS linked ON linked.id = application.entitlement_id
                     WHERE application.id = ANY(%s) AND t.cycle_id = linked.cycle_id AND t.partner_id = linked.partner_id
                )
                """,
                self.ids,
            ),
            ("draft", "pending_validation"),
            "rejected3",
            key,
            reason=reason,
        )
        self.env["g2p.fund.hold"].sudo()._settle(key, reference=reason)
        cycles._refresh_counters()
        self._transition("rejected", reason)
        return True
