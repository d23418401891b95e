"""Program managers answer: who enters the next cycle?"""

from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.g2p_registry_base.tools import standing


class ProgramManager(models.Model):
    _name = "g2p.program.manager"
    _description = "Program manager reference"
    _inherit = "g2p.manager.mixin"

    @api.model
    def _selection_manager_ref_id(self):
        return [*super()._selection_manager_ref_id(), ("g2p.program.manager.default", self.env._("Default"))]


class BaseProgramManager(models.AbstractModel):
    _name = "g2p.base.program.manager"
    _description = "Program manager"
    _inherit = "g2p.manager.source.mixin"
    _manager_reference = "g2p.program.manager"

    def _next_cycle_members(self, cycle, low=None, high=None):
        """Who enters a cycle: every enrolled member of the program who is active and not disabled.

        :return SQL: one column `registrant_id`.
        """
        self.ensure_one()
        return SQL(
            """
            SELECT membership.partner_id AS registrant_id
              FROM g2p_program_membership AS membership
              JOIN res_partner AS registrant ON registrant.id = membership.partner_id
             WHERE membership.program_id = %(program)s
               AND membership.state = 'enrolled'
               AND %(present)s
               AND %(range)s
            """,
            program=self.program_id.id,
            present=standing.present("registrant"),
            range=self.program_id._range_sql("membership", low, high),
        )

    @api.private
    def new_cycle(self):
        """Create the next cycle of the program: its number, its period, and no beneficiaries yet.

        :return: the new g2p.cycle, in draft.
        """
        raise NotImplementedError  # pragma: no cover - abstract contract


class DefaultProgramManager(models.Model):
    _name = "g2p.program.manager.default"
    _description = "Program manager (default)"
    _inherit = "g2p.base.program.manager"

    copy_last_cycle_on_new_cycle = fields.Boolean(
        "Copy beneficiaries into a new cycle", default=True, help="Otherwise press the button on the cycle."
    )

    @api.private
    def new_cycle(self):
        self.ensure_one()
        program = self.program_id
        # The program's row is locked: two people who press the button at once get one cycle after the other.
        self.env.cr.execute("SELECT id FROM g2p_program WHERE id = %s FOR UPDATE", [program.id])
        last = self.env["g2p.cycle"].search([("program_id", "=", program.id)], order="sequence DESC", limit=1)
        cycle_manager = program.get_manager(program.MANAGER_CYCLE)
        start, end = cycle_manager._next_period(last.end_date)
        sequence = (last.sequence or 0) + 1
        days, full_days = (end - start).days + 1, 0 if last else cycle_manager._full_period_days(start, end)
        return self.env["g2p.cycle"].create(
            {
                "name": self.env._("Cycle %s", sequence),
                "program_id": program.id,
                "start_date": start,
                "end_date": end,
                "auto_approve_entitlements": cycle_manager.auto_approve_entitlements,
                **({"full_period_days": full_days} if full_days > days else {}),
            }
        )
