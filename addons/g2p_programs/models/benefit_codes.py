from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from ..tools.money import round_sql

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
        "UNIQUE (benefit_mnemonic)", "This benefit code exists already: choose another code."
    )
    _decimal_places_range = models.Constraint(
        "CHECK (decimal_places BETWEEN 0 AND 4)", "Decimal places go from 0 to 4."
    )
    _cash_unit_is_currency = models.Constraint(
        "CHECK (benefit_type NOT IN ('CASH_DIGITAL', 'CASH_PHYSICAL') OR measurement_unit ~ '^[A-Z]{3}$')",
        "The unit of a cash benefit is a currency code of ISO 4217, such as ETB.",
    )

    benefit_mnemonic = fields.Char(
        "Code",
        required=True,
        help="A short code for what is given, such as CASH-ETB. It stands on entitlements and in files.",
    )
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

    def _is_cash(self):
        self.ensure_one()
        return self.benefit_type in CASH_TYPES

    def _rounded(self, currency, expression, bounded):
        """`expression` rounded to the places of this code, which of money are at most those of the currency: half up, and
        down where it is `bounded` (SQL, a condition), so that rounding passes no maximum."""
        step = Decimal(str(currency.rounding or 0.01)).normalize()
        if self:
            step = max(step, Decimal(1).scaleb(-self.decimal_places))
        down = SQL("FLOOR((%s) / %s::numeric) * %s::numeric", expression, step, step)
        nearest = (
            round_sql(currency, expression)
            if step == Decimal(str(currency.rounding or 0.01)).normalize()
            else SQL("ROUND(%s, %s)", expression, self.decimal_places)
        )
        return SQL("CASE WHEN %s THEN %s ELSE %s END", bounded, down, nearest)

    def write(self, vals):
        changed = self.filtered(
            lambda code: any(name in vals and code[name] != vals[name] for name in ("benefit_type", "measurement_unit"))
        )
        # sudo: a program counts whether or not the user may see it; only the refusal is shown
        if changed and self.env["g2p.program.benefit.codes"].sudo().search_count(
            [("benefit_code_id", "in", changed.ids)], limit=1
        ):
            raise ValidationError(
                self.env._(
                    "Type and unit of a benefit code that programs give can't be changed: archive %s and make a new code.",
                    changed[0].benefit_mnemonic,
                )
            )
        if "decimal_places" in vals and any(code.decimal_places != vals["decimal_places"] for code in self):
            raise ValidationError(
                self.env._("Decimal places can't be changed once a benefit code exists: make a new code.")
            )
        return super().write(vals)


class ProgramBenefitCodes(models.Model):
    """A benefit code of a program definition, with the most that one beneficiary may get of it in a cycle."""

    _name = "g2p.program.benefit.codes"
    _inherit = ["g2p.change.mixin", "g2p.approval.proposal.mixin"]
    _description = "Benefit code of a program"
    _order = "definition_id, id"
    _rec_name = "benefit_code_id"
    _changes_on = "definition_id"
    _proposal_through = "definition_id"

    _definition_code_uniq = models.Constraint(
        "UNIQUE (definition_id, benefit_code_id)", "The program has this benefit code already."
    )
    _max_quantity_not_negative = models.Constraint(
        "CHECK (max_quantity >= 0)", "The maximum quantity can't be negative: 0 means no limit."
    )

    definition_id = fields.Many2one("g2p.program.definition", required=True, index=True, ondelete="cascade")
    benefit_code_id = fields.Many2one("g2p.benefit.codes", "Benefit code", required=True, ondelete="restrict")
    benefit_type = fields.Selection(related="benefit_code_id.benefit_type")
    measurement_unit = fields.Char(related="benefit_code_id.measurement_unit")
    max_quantity = fields.Float(
        "Max quantity",
        digits=(16, 4),
        help="The most that one beneficiary may get in a cycle; 0 means no limit.",
    )

    def _proposal_owner(self):
        """The program that the definition is of; where it was run again, one that is in use."""
        # sudo: whether a program is in use, whatever the user may see of it
        programs = self.env["g2p.program"].sudo().with_context(active_test=False)
        programs = programs.search([("definition_id", "in", self.definition_id.ids)])
        return (programs._in_use() or programs)[:1].sudo(self.env.su)

    def _proposal_asks(self):
        # sudo: the company of it, compared
        kind = self.env["g2p.approval.kind"]._of("program_amounts")
        return super()._proposal_asks().filtered(lambda line: not kind._is_off(line.sudo().definition_id.company_id))

    @api.constrains("definition_id", "benefit_code_id")
    def _check_currency(self):
        """Cash is paid in the program's currency: amounts are never converted."""
        for line in self:
            code, currency = line.benefit_code_id, line.definition_id.currency_id
            if code.benefit_type in CASH_TYPES and code.measurement_unit != currency.name:
                raise ValidationError(
                    self.env._(
                        "%(code)s pays in %(unit)s, and the program in %(currency)s: choose a benefit code in %(currency)s.",
                        code=code.benefit_mnemonic,
                        unit=code.measurement_unit,
                        currency=currency.name,
                    )
                )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_given(self):
        """A code that a manager of the program gives stays among the program's."""
        for line in self:
            # sudo: a manager counts whether or not the user may see it; only the refusal is shown
            for program in self.env["g2p.program"].sudo().search([("definition_id", "=", line.definition_id.id)]):
                for manager in program.get_managers(program.MANAGER_ENTITLEMENT):
                    if line.benefit_code_id in manager._chosen_benefit_codes():
                        raise ValidationError(
                            self.env._(
                                "%(manager)s gives %(code)s: choose another benefit code there first.",
                                manager=manager.name,
                                code=line.benefit_code_id.benefit_mnemonic,
                            )
                        )
