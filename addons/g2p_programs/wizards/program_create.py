from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from odoo.addons.g2p_registry_base.tools import standing
from odoo.addons.g2p_registry_base.tools.domains import and_also

from ..models.benefit_codes import CASH_TYPES
from ..models.program.program import ACTIVATION
from ..tools.explain import DomainExplanation
from ..tools.kleene import three_valued


class ProgramCreateWizard(models.TransientModel):
    """A program that works, in two steps: what it is, and whether to bring the matching registrants in now."""

    _name = "g2p.program.create.wizard"
    _description = "Create a program"
    _inherit = ["g2p.cycle.recurrence.mixin", "g2p.condition.mixin"]

    state = fields.Selection([("step1", "Settings"), ("step2", "Import")], default="step1", readonly=True)

    name = fields.Char("Program name")
    description = fields.Text()
    target_type = fields.Selection([("group", "Group"), ("individual", "Individual")], required=True, default="group")
    company_id = fields.Many2one("res.company", required=True, default=lambda self: self.env.company)
    currency_id = fields.Many2one("res.currency", required=True, default=lambda self: self.env.company.currency_id)
    benefit_code_id = fields.Many2one("g2p.benefit.codes", "Benefit code")

    # Eligibility
    area_ids = fields.Many2many("g2p.area", string="Areas", help="Empty means all areas.")
    eligibility_domain = fields.Char("Registrants matching", default="[]")
    matching_count = fields.Integer("Number who match", compute="_compute_matching_count")
    matching_told = fields.Char("Registrants who match", compute="_compute_matching_count")
    unknown_told = fields.Char(
        "Can't be decided",
        compute="_compute_matching_count",
        help="Registrants of whom nobody can tell, because data that the conditions ask for is missing.",
    )

    # Cycles
    approver_group_id = fields.Many2one(
        "res.groups",
        "Approver group",
        default=lambda self: self.env.ref("g2p_programs.g2p_program_cycle_approver", raise_if_not_found=False),
    )
    auto_approve_entitlements = fields.Boolean()

    # Entitlements
    entitlement_kind = fields.Selection(
        [("default", "Default")], "Entitlement manager", required=True, default="default"
    )
    amount_per_cycle = fields.Monetary("Amount per cycle", help="What each beneficiary gets in a cycle.")
    amount_per_individual_in_group = fields.Monetary(help="Added for each member of a group.")
    max_individual_in_group = fields.Integer(help="So many members count at the most; 0 means all.")
    transfer_fee_pct = fields.Float("Transfer fee (%)", digits=(5, 2), help="Part of the amount.")
    transfer_fee_amt = fields.Monetary("Transfer fee", help="Part of the amount.")
    entitlement_validation_group_id = fields.Many2one(
        "res.groups",
        "Entitlement validation group",
        default=lambda self: self.env.ref("g2p_programs.g2p_finance_validator", raise_if_not_found=False),
    )

    no_account_policy = fields.Selection(
        [("block", "Not paid until they have one"), ("desk", "Paid at the cash desk")],
        "Beneficiaries without an account",
        required=True,
        default="block",
    )

    import_beneficiaries = fields.Selection(
        [("yes", "Yes, enrol everybody who matches now"), ("no", "No, I will do that later")],
        default="no",
        required=True,
    )

    start_notice = fields.Char(compute="_compute_start_notice")

    @api.depends("company_id")
    @api.depends_context("uid", "lang")
    def _compute_start_notice(self):
        kind = self.env["g2p.approval.kind"]._of(ACTIVATION)
        for wizard in self:
            if self.env.su or kind._is_off(wizard.company_id):
                wizard.start_notice = self.env._("The program becomes active. You can change its managers at any time.")
            else:
                wizard.start_notice = self.env._(
                    "The program becomes active as soon as somebody else agrees: they find it under Approvals. What you choose here "
                    "is done then. Until they agree you can change its managers, and ask again."
                )

    @api.onchange("transfer_fee_pct")
    def _onchange_transfer_fee_pct(self):
        if self.transfer_fee_pct:
            self.transfer_fee_amt = 0

    @api.onchange("transfer_fee_amt")
    def _onchange_transfer_fee_amt(self):
        if self.transfer_fee_amt:
            self.transfer_fee_pct = 0

    def _registrant_conditions(self):
        """The conditions of the wizard as a domain in text: what the person typed, and the areas."""
        text = self.eligibility_domain or "[]"
        return and_also(self.env, text, ("area_id", "child_of", self.area_ids.ids)) if self.area_ids else text

    def _condition_fields(self):
        return {**super()._condition_fields(), "eligibility_domain": "res.partner"}

    @api.depends("eligibility_domain", "area_ids", "target_type", "company_id")
    @api.depends_context("uid")
    def _compute_matching_count(self):
        """As the manager that is made of it will decide: who lacks data does not match for certain."""
        partners = self.env["res.partner"]
        for wizard in self:
            count, wizard.unknown_told = 0, False
            if not wizard.conditions_problem:
                domain = wizard._conditions("eligibility_domain")
                if wizard.area_ids:
                    domain &= Domain("area_id", "child_of", wizard.area_ids.ids)
                verdict, reached = three_valued(domain, partners), wizard._reached()
                count = partners.search_count(verdict.certain & reached)
                if not verdict.is_decided:
                    unknown = partners.search_count(verdict.possible & ~verdict.certain & reached)
                    wizard.unknown_told = wizard._unknown_words(unknown, domain)
            wizard.matching_count, wizard.matching_told = self.env.user._g2p_told(count)

    def _reached(self):
        """A domain: the registrants of whom the conditions are asked."""
        return standing.PRESENT & Domain(
            [
                ("is_registrant", "=", True),
                ("is_group", "=", self.target_type == "group"),
                ("company_id", "in", [self.company_id.id, False]),
            ]
        )

    def _unknown_words(self, count, domain):
        """How many more can't be decided, and what is not known of them; False where there is nobody."""
        told, words = self.env.user._g2p_told(count)
        if not told and not self.env.user.g2p_least_told:
            return False
        missing = DomainExplanation(domain, self.env["res.partner"]).missing_labels()
        return self.env._(
            "%(count)s more can't be decided. Not known: %(missing)s", count=words, missing=", ".join(missing)
        )

    def next_step(self):
        """Button: check the settings, then ask about the import."""
        self.ensure_one()
        self._check_settings()
        self.state = "step2"
        return self._reopen()

    def prev_step(self):
        """Button: back to the settings."""
        self.ensure_one()
        self.state = "step1"
        return self._reopen()

    def _reopen(self):
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Create a program"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }

    def _check_settings(self):
        if not (self.name or "").strip():
            raise UserError(self.env._("Give the program a name."))
        for code in self._chosen_benefit_codes():
            if code.benefit_type not in CASH_TYPES or code.measurement_unit == self.currency_id.name:
                continue
            raise UserError(
                self.env._(
                    "%(code)s pays in %(unit)s, and the program in %(currency)s: choose another benefit code or currency.",
                    code=code.benefit_mnemonic,
                    unit=code.measurement_unit,
                    currency=self.currency_id.name,
                )
            )
        if self.transfer_fee_pct and self.transfer_fee_amt:
            raise UserError(self.env._("Give the transfer fee as a percentage or as an amount, not both."))
        self._check_conditions("eligibility_domain", self.eligibility_domain, "res.partner")
        self._check_entitlement_settings()

    def _check_entitlement_settings(self):
        if self.entitlement_kind != "default":
            return
        if self.target_type == "individual" and not self.amount_per_cycle > 0:
            raise UserError(self.env._("Say what a beneficiary gets: an amount per cycle."))
        if not (self.amount_per_cycle > 0 or self.amount_per_individual_in_group > 0):
            raise UserError(self.env._("Say what a beneficiary gets: an amount per cycle, per individual, or both."))

    def create_program(self):
        """Make the program with all its managers, active once somebody else agrees; import the matching registrants then if asked.

        :return: the action that opens the program.
        """
        self.ensure_one()
        self._check_settings()
        program = self.env["g2p.program"].with_context(g2p_no_default_managers=True).create(self._program_values())
        program = program.with_context(g2p_no_default_managers=False)
        self._create_managers(program)
        program._create_default_managers()
        if self.import_beneficiaries == "yes":
            program._activate_and_import()
        else:
            program.action_activate()
        # The form says what it waits for.
        return {
            "type": "ir.actions.act_window",
            "name": program.name,
            "res_model": "g2p.program",
            "res_id": program.id,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "current",
        }

    def _program_values(self):
        values = {
            "name": self.name.strip(),
            "description": self.description,
            "target_type": self.target_type,
            "company_id": self.company_id.id,
            "currency_id": self.currency_id.id,
            "no_account_policy": self.no_account_policy,
        }
        values["benefit_code_line_ids"] = [
            (0, 0, {"benefit_code_id": code.id}) for code in self._chosen_benefit_codes()
        ]
        return values

    def _chosen_benefit_codes(self):
        """What the program gives; the first is what a manager gives that names none."""
        return self.benefit_code_id

    def _create_managers(self, program):
        """The managers whose settings the wizard holds; all other kinds get the default one."""
        self.env["g2p.program_membership.manager.default"].create(
            {
                "name": self.env._("Conditions"),
                "program_id": program.id,
                "eligibility_domain": self._registrant_conditions(),
            }
        )
        self.env["g2p.cycle.manager.default"].create(
            {
                "name": self.env._("Default"),
                "program_id": program.id,
                "approver_group_id": self.approver_group_id.id,
                "auto_approve_entitlements": self.auto_approve_entitlements,
                **{
                    field: self[field]
                    for field in self.env["g2p.cycle.recurrence.mixin"]._fields
                    if field not in models.MAGIC_COLUMNS and self._fields[field].store
                },
            }
        )
        self._create_entitlement_manager(program)

    def _create_entitlement_manager(self, program):
        if self.entitlement_kind == "default":
            self.env["g2p.program.entitlement.manager.default"].create(
                {
                    "name": self.env._("Default"),
                    "program_id": program.id,
                    "amount_per_cycle": self.amount_per_cycle,
                    "benefit_code_id": self.benefit_code_id.benefit_type in CASH_TYPES and self.benefit_code_id.id,
                    # What was typed before the target type was changed to individuals is hidden, and means nothing.
                    **(
                        {
                            "amount_per_individual_in_group": self.amount_per_individual_in_group,
                            "max_individual_in_group": self.max_individual_in_group,
                        }
                        if self.target_type == "group"
                        else {}
                    ),
                    "transfer_fee_pct": self.transfer_fee_pct,
                    "transfer_fee_amt": self.transfer_fee_amt,
                    "entitlement_validation_group_id": self.entitlement_validation_group_id.id,
                }
            )
