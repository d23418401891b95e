from odoo import Command, api, fields, models
from odoo.exceptions import UserError


class ProgramCreateWizard(models.TransientModel):
    _inherit = "g2p.program.create.wizard"

    entitlement_kind = fields.Selection(selection_add=[("cash", "Cash items")], ondelete={"cash": "set default"})
    cash_item_ids = fields.One2many("g2p.program.create.wizard.cash.item", "wizard_id", string="Items")
    evaluate_one_item = fields.Boolean("First match only")
    max_amount = fields.Monetary("Maximum amount", help="Nobody gets more in a cycle. 0 means no maximum.")

    def _chosen_benefit_codes(self):
        codes = super()._chosen_benefit_codes()
        return codes | self.cash_item_ids.benefit_code_id if self.entitlement_kind == "cash" else codes

    def _check_entitlement_settings(self):
        if self.entitlement_kind == "cash" and not self.cash_item_ids:
            raise UserError(self.env._("Say what a beneficiary gets: add at least one item."))
        return super()._check_entitlement_settings()

    def _create_entitlement_manager(self, program):
        if self.entitlement_kind != "cash":
            return super()._create_entitlement_manager(program)
        return self.env["g2p.program.entitlement.manager.cash"].create(
            {
                "name": self.env._("Cash"),
                "program_id": program.id,
                "evaluate_one_item": self.evaluate_one_item,
                "max_amount": self.max_amount,
                "transfer_fee_pct": self.transfer_fee_pct,
                "transfer_fee_amt": self.transfer_fee_amt,
                "entitlement_validation_group_id": self.entitlement_validation_group_id.id,
                "entitlement_item_ids": [
                    Command.create(
                        {
                            "sequence": item.sequence,
                            "name": item.name,
                            "amount": item.amount,
                            "benefit_code_id": item.benefit_code_id.id,
                            "condition": item.condition,
                            "multiplier": item.multiplier,
                            "max_multiplier": item.max_multiplier,
                        }
                    )
                    for item in self.cash_item_ids
                ],
            }
        )


class ProgramCreateWizardCashItem(models.TransientModel):
    """An item of the cash manager that the wizard is going to make."""

    _name = "g2p.program.create.wizard.cash.item"
    _description = "Item of a cash entitlement, in the program wizard"
    _inherit = ["g2p.condition.mixin", "g2p.figure.mixin"]
    _order = "sequence, id"

    def _condition_fields(self):
        return {**super()._condition_fields(), "condition": "res.partner"}

    def _figure_fields(self):
        return (*super()._figure_fields(), "multiplier")

    def _figure_program(self):
        """The program that is going to be made: the wizard knows its target type and company."""
        return self.wizard_id

    wizard_id = fields.Many2one("g2p.program.create.wizard", required=True, ondelete="cascade")
    currency_id = fields.Many2one(related="wizard_id.currency_id")
    sequence = fields.Integer(default=10)
    name = fields.Char(required=True)
    amount = fields.Monetary(required=True)
    benefit_code_id = fields.Many2one(
        "g2p.benefit.codes",
        "Benefit code",
        domain="[('benefit_type', 'in', ('CASH_DIGITAL', 'CASH_PHYSICAL')), ('measurement_unit', '=', currency_name)]",
        help="What has a code of its own is an entitlement of its own. Empty: the benefit code of the program.",
    )
    currency_name = fields.Char(related="currency_id.name", string="Currency code")
    condition = fields.Char("Who gets it", default="[]")
    multiplier = fields.Selection(selection="_selection_figure", string="Multiplied by")
    max_multiplier = fields.Integer("Maximum of the number")

    @api.depends("wizard_id.target_type")
    def _compute_conditions_target(self):
        for item in self:
            item.conditions_target = item.wizard_id.target_type
