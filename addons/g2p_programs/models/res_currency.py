from odoo import models
from odoo.exceptions import UserError
from odoo.tools import SQL, float_compare


class ResCurrency(models.Model):
    _inherit = "res.currency"

    def write(self, vals):
        if "rounding" in vals:
            self._check_coarser(vals["rounding"])
        return super().write(vals)

    def _check_coarser(self, rounding):
        """What was promised or paid to the cent stays payable to the cent.

        :raise UserError: for a currency that a fund has an account in, or a program is in, unless all its amounts stay possible
        """
        for currency in self:
            parts = currency.rounding / rounding if rounding > 0 else 0
            if parts >= 1 and float_compare(parts, round(parts), precision_digits=6) == 0:
                continue
            [[used]] = self.env.execute_query(
                SQL(
                    """
                    SELECT EXISTS (SELECT FROM g2p_fund_account WHERE currency_id = %(currency)s)
                        OR EXISTS (
                            SELECT FROM g2p_program AS program
                              JOIN g2p_program_definition AS definition ON definition.id = program.definition_id
                             WHERE definition.currency_id = %(currency)s
                               AND EXISTS (SELECT FROM g2p_cycle AS cycle WHERE cycle.program_id = program.id)
                        )
                    """,
                    currency=currency.id,
                )
            )
            if used:
                raise UserError(
                    self.env._(
                        "Programs hold and pay amounts in %s: amounts that are there already could not be paid to the last cent "
                        "with another rounding.",
                        currency.name,
                    )
                )
