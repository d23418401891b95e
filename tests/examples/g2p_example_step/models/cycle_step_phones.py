from odoo import models
from odoo.tools import SQL


class Phones(models.AbstractModel):
    """Marks the beneficiaries of a draft cycle who have no phone number."""

    _name = "g2p.cycle.step.phones"
    _inherit = "g2p.cycle.step"
    _description = "Look for phones"

    _step = "phones"
    _place = 25  # between verify (20) and prepare (30)
    _from_states = ("draft",)
    _moves = ("g2p.cycle.membership",)
    _relies_on = ("copy", "verify")

    _button = "look_for_phones"
    _groups = "g2p_programs.g2p_program_manager"
    _visible = "state == 'draft' and members_count"

    def _label(self):
        return self.env._("Look for phones")

    def _question(self, cycle):
        return self.env._("Who of %(members)s beneficiaries can't be called is marked.", **cycle._told())

    def _outcomes(self):
        return {
            "reachable": (self.env._("Have a phone"), "done"),
            "silent": (self.env._("Can't be called"), "skipped"),
        }

    def _rows(self, cycle, operation, outcome):
        if outcome in ("reachable", "silent"):
            mine = self._mine(cycle, operation, outcome)
            return "g2p.cycle.membership", SQL("%s AND t.cannot_be_called = %s", mine, outcome == "silent")
        return super()._rows(cycle, operation, outcome)

    def _source(self, cycle, operation):
        return SQL("SELECT partner_id AS key FROM g2p_cycle_membership WHERE cycle_id = %s", cycle.id)

    def _chunk(self, cycle, operation, low, high):
        [[silent, reachable]] = self.env.execute_query(
            SQL(
                """
                WITH marked AS (
                    UPDATE g2p_cycle_membership AS membership
                       SET cannot_be_called = NOT EXISTS (
                            SELECT FROM g2p_phone_number AS phone
                             WHERE phone.partner_id = membership.partner_id AND phone.disabled IS NULL
                           )
                     WHERE membership.cycle_id = %s AND %s
                 RETURNING cannot_be_called
                )
                SELECT COUNT(*) FILTER (WHERE cannot_be_called), COUNT(*) FILTER (WHERE NOT cannot_be_called) FROM marked
                """,
                cycle.id,
                self._range("membership", "partner_id", low, high),
            )
        )
        self.env["g2p.cycle.membership"].invalidate_model(["cannot_be_called"])
        return {"reachable": reachable, "silent": silent}


class Prepare(models.AbstractModel):
    _inherit = "g2p.cycle.step.prepare"

    @property
    def _relies_on(self):
        return (*super()._relies_on, "phones")


class Cycle(models.Model):
    _inherit = "g2p.cycle"

    def look_for_phones(self):
        """Button."""
        return self._press("phones")
