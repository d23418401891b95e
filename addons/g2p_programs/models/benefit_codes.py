from odoo import api, fields, models
from odoo.exceptions import ValidationError

CASH_TYPES = ("CASH_DIGITAL", "CASH_PHYSICAL")


class BenefitCodes(models.Model):
    """What a program gives: cash in a currency, goods in a unit, a service in sessions."""

    _name = "g2p.benefit.codes"
    _inherit = ["g2p.change.mixin"]
    _description = "Benefit code"
    _order = "benefit_mnemonic"
    _rec_name = "benefit_mnemonic"
    _rec_names_search = ["benefit_mnemonic", "benefit_description"]

    _benefit_mnemonic_uniq = models.Constraint(
        "UNIQUE (benefit_mnemonic)", "A benefit code with this mnemonic exists already: choose another mnemonic."
    )
    _decimal_places_range = models.Constraint(
        "CHECK (decimal_places BETWEEN 0 AND 4)", "Decimal places go from 0 to 4."
    )
    _cash_unit_is_currency = models.Constraint(
        "CHECK (benefit_type NOT IN ('CASH_DIGITAL', 'CASH_PHYSICAL') OR measurement_unit ~ '^[A-Z]{3}$')",
        "The unit of a cash benefit is a currency code of ISO 4217, such as ETB.",
    )

    benefit_mnemonic = fields.Char("Mnemonic", required=True)
    benefit_type = fields.Selection(
        [
            ("CASH_DIGITAL", "Cash, digital"),
            ("CASH_PHYSICAL", "Cash, physical"),
            ("COMMODITY", "Commodity"),
            ("SERVICE", "Service"),
            ("COMBINATION", "Combination"),
        ],
        required=True,
        default="CASH_DIGITAL",
    )
    measurement_unit = fields.Char(
        required=True, help="A currency code of ISO 4217 for cash; otherwise kilogram, litre, session …"
    )
    decimal_places = fields.Integer(default=2, help="Quantities are rounded half up to so many places.")
    benefit_description = fields.Char("Description")
    active = fields.Boolean(default=True)

    @api.constrains("benefit_type", "measurement_unit")
    def _check_measurement_unit(self):
        cash = self.filtered(lambda code: code.benefit_type in CASH_TYPES)
        if not cash:
            return
        currencies = set(self.env["res.currency"].with_context(active_test=False).search([]).mapped("name"))
        for code in cash:
            if code.measurement_unit not in currencies:
                raise ValidationError(
                    self.env._(
                        "%(unit)s is not a currency code of ISO 4217. Benefit %(code)s pays cash, "
                        "so its unit must be one, such as ETB or USD.",
                        unit=code.measurement_unit,
                        code=code.benefit_mnemonic,
                    )
                )

    def write(self, vals):
        if "decimal_places" in vals and any(code.decimal_places != vals["decimal_places"] for code in self):
            raise ValidationError(
                self.env._("Decimal places can't be changed once a benefit code exists: make a new code.")
            )
        return super().write(vals)


class ProgramBenefitCodes(models.Model):
    """A benefit code of a program definition, with the most that one beneficiary may get of it in a cycle."""

    _name = "g2p.program.benefit.codes"
    _inherit = ["g2p.change.mixin"]
    _description = "Benefit code of a program"
    _order = "definition_id, id"
    _rec_name = "benefit_code_id"
    _changes_on = "definition_id"

    _definition_code_uniq = models.Constraint(
        "UNIQUE (definition_id, benefit_code_id)", "The program has this benefit code already."
    )
    _max_quantity_not_negative = models.Constraint(
        "CHECK (max_quantity >= 0)", "The maximum quantity can't be negative: 0 means no limit."
    )

    definition_id = fields.Many2one("g2p.program.definition", required=True, index=True, ondelete="cascade")
    benefit_code_id = fields.Many2one("g2p.benefit.codes", required=True, ondelete="restrict")
    benefit_type = fields.Selection(related="benefit_code_id.benefit_type")
    measurement_unit = fields.Char(related="benefit_code_id.measurement_unit")
    max_quantity = fields.Float(
        digits=(16, 4), help="The most that one beneficiary may get in a cycle; 0 means no limit."
    )
