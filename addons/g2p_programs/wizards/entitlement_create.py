from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.entitlement import DEAD_STATES
from ..tools.constants import GROUP_MANAGER

MAX_BY_HAND = 200


class EntitlementCreateWizard(models.TransientModel):
    """Draft entitlements by hand: for whom, what, and why. They go the way of all others: submitted, approved by somebody
    else, reserved, paid."""

    _name = "g2p.entitlement.create.wizard"
    _description = "Add entitlements by hand"

    cycle_id = fields.Many2one("g2p.cycle", required=True, domain="[('state', '=', 'draft')]", ondelete="cascade")
    program_id = fields.Many2one(related="cycle_id.program_id")
    currency_id = fields.Many2one(related="cycle_id.currency_id")
    partner_id = fields.Many2one("res.partner", "Beneficiary", help="One beneficiary; several are chosen below.")
    cycle_membership_ids = fields.Many2many(
        "g2p.cycle.membership",
        "g2p_entitlement_create_wizard_member_rel",
        "wizard_id",
        "membership_id",
        string="Beneficiaries",
        domain="[('cycle_id', '=', cycle_id), ('state', '=', 'enrolled')]",
    )
    # Under its earlier name, as in managers: all that the program gives.
    cash_benefit_code_ids = fields.Many2many("g2p.benefit.codes", compute="_compute_cash_benefit_code_ids")
    benefit_code_id = fields.Many2one(
        "g2p.benefit.codes", "Benefit code", domain="[('id', 'in', cash_benefit_code_ids)]", ondelete="cascade"
    )
    measurement_unit = fields.Char(related="benefit_code_id.measurement_unit")
    is_quantity = fields.Boolean(
        compute="_compute_is_quantity", help="Goods or a service: a quantity is given, not money."
    )
    quantity = fields.Float(digits=(16, 4))
    initial_amount = fields.Monetary("Amount")
    transfer_fee = fields.Monetary(default=0, help="Part of the amount: the beneficiary receives the rest.")
    valid_from = fields.Date(compute="_compute_validity", store=True, readonly=False)
    valid_until = fields.Date(compute="_compute_validity", store=True, readonly=False)
    reason = fields.Char(help="Why these get it. It stays with the entitlement, and the approver reads it.")

    @api.depends("cycle_id")
    def _compute_cash_benefit_code_ids(self):
        for wizard in self:
            wizard.cash_benefit_code_ids = wizard.program_id.benefit_code_line_ids.benefit_code_id

    @api.depends("benefit_code_id")
    def _compute_is_quantity(self):
        for wizard in self:
            wizard.is_quantity = bool(wizard.benefit_code_id) and not wizard.benefit_code_id._is_cash()

    @api.depends("cycle_id")
    def _compute_validity(self):
        for wizard in self:
            wizard.valid_from = wizard.cycle_id.start_date
            managers = (
                wizard.program_id.get_managers(wizard.program_id.MANAGER_ENTITLEMENT) if wizard.program_id else []
            )
            days = managers[0].validity_days if managers else 365
            end = wizard.cycle_id.end_date
            wizard.valid_until = end and fields.Date.add(end, days=days)

    def create_entitlement(self):
        """Button: make the drafts.

        :return: the action that shows them.
        """
        self.ensure_one()
        cycle = self.cycle_id
        cycle.program_id._check_can(GROUP_MANAGER)
        cycle.check_access("write")
        cycle._require_state("draft")
        cycle.program_id._check_active()
        if not (self.reason or "").strip():
            raise UserError(self.env._("Say why these beneficiaries get it: the approver reads the reason."))
        self._check_amount()
        partners = self._partners()
        entitlements = self.env["g2p.entitlement"].create(
            [
                {
                    "partner_id": partner.id,
                    "cycle_id": cycle.id,
                    "benefit_code_id": self.benefit_code_id.id,
                    # Of what is no money the amount is the quantity.
                    "initial_amount": self.quantity if self.is_quantity else self.initial_amount,
                    "transfer_fee": 0 if self.is_quantity else self.transfer_fee,
                    "valid_from": self.valid_from,
                    "valid_until": self.valid_until,
                    "reason": self.reason,
                }
                for partner in partners
            ]
        )
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Added by hand"),
            "res_model": "g2p.entitlement",
            "view_mode": "list,form",
            "domain": [("id", "in", entitlements.ids)],
        }

    def _partners(self):
        """Whom it is for: up to so many as somebody chooses by hand."""
        if foreign := self.cycle_membership_ids.filtered(lambda member: member.cycle_id != self.cycle_id):
            raise UserError(self.env._("%s is in another cycle.", foreign[0].partner_id.name))
        partners = self.partner_id | self.cycle_membership_ids.partner_id
        partners.check_access("read")
        if not partners:
            raise UserError(self.env._("Choose at least one beneficiary of the cycle."))
        if len(partners) > MAX_BY_HAND:
            raise UserError(
                self.env._(
                    "%(count)s beneficiaries are chosen; up to %(most)s can get an entitlement by hand at a time. What is due "
                    "to many is a rule: set it in the entitlement manager.",
                    count=len(partners),
                    most=MAX_BY_HAND,
                )
            )
        # sudo: an entitlement counts whether or not the user may see it; only the refusal is shown
        twice = (
            self.env["g2p.entitlement"]
            .sudo()
            .search(
                [
                    ("cycle_id", "=", self.cycle_id.id),
                    ("partner_id", "in", partners.ids),
                    ("benefit_code_id", "=", self.benefit_code_id.id),
                    ("item_id", "=", 0),
                    ("state", "not in", DEAD_STATES),
                ],
                limit=1,
            )
        )
        if twice:
            raise UserError(
                self.env._(
                    "%(beneficiary)s has this already in %(cycle)s: correct the amount of that entitlement, or choose another "
                    "benefit code.",
                    beneficiary=twice.partner_id.name,
                    cycle=self.cycle_id.name,
                )
            )
        return partners

    def _check_amount(self):
        if self.is_quantity and not self.quantity > 0:
            raise UserError(self.env._("Give a quantity above 0."))
        if not self.is_quantity and not self.initial_amount > 0:
            raise UserError(self.env._("Give an amount above 0."))


class EntitlementCorrectWizard(models.TransientModel):
    """Another amount or fee for drafts, with the reason."""

    _name = "g2p.entitlement.correct.wizard"
    _description = "Correct draft entitlements"

    entitlement_ids = fields.Many2many(
        "g2p.entitlement", "g2p_entitlement_correct_wizard_rel", "wizard_id", "entitlement_id", string="Entitlements"
    )
    entitlements_count = fields.Integer("Number of entitlements", compute="_compute_entitlements_count")
    currency_id = fields.Many2one("res.currency", compute="_compute_entitlements_count")
    initial_amount = fields.Monetary("Amount", required=True)
    transfer_fee = fields.Monetary()
    reason = fields.Char(required=True)

    @api.model
    def default_get(self, fields_list):
        values = super().default_get(fields_list)
        entitlements = self.env["g2p.entitlement"].browse(
            self.env.context.get("active_ids") if self.env.context.get("active_model") == "g2p.entitlement" else []
        )
        values["entitlement_ids"] = entitlements.ids
        if entitlements:
            values |= {"initial_amount": entitlements[0].initial_amount, "transfer_fee": entitlements[0].transfer_fee}
        return values

    @api.depends("entitlement_ids")
    def _compute_entitlements_count(self):
        for wizard in self:
            wizard.entitlements_count = len(wizard.entitlement_ids)
            wizard.currency_id = wizard.entitlement_ids[:1].currency_id

    def action_correct(self):
        """Button. Who corrected an amount can't approve it."""
        self.ensure_one()
        entitlements = self.entitlement_ids
        for program in entitlements.program_id:
            program._check_can(GROUP_MANAGER)
            program._check_active()
        if not entitlements:
            raise UserError(self.env._("No entitlements are chosen."))
        if len(entitlements) > MAX_BY_HAND:
            raise UserError(self.env._("Up to %s entitlements are corrected by hand at a time.", MAX_BY_HAND))
        if not self.reason.strip():
            raise UserError(self.env._("Say why the amount is another one: the approver reads the reason."))
        entitlements.with_context(g2p_reason=self.reason.strip()).write(
            {"initial_amount": self.initial_amount, "transfer_fee": self.transfer_fee}
        )
        return {"type": "ir.actions.act_window_close"}
