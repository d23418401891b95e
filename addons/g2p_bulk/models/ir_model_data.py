from odoo import models
from odoo.tools import SQL


class IrModelData(models.Model):
    """An addon that is uninstalled takes along what Odoo forgets: of whichever addon, so that none has to say it in a hook."""

    _inherit = "ir.model.data"

    def _module_data_uninstall(self, modules_to_remove):
        self._forget_filters(modules_to_remove)
        result = super()._module_data_uninstall(modules_to_remove)
        # What Odoo notes of foreign keys of tables that stay has no XML id, by which it would be found.
        self.env.cr.execute(
            SQL(
                """
                DELETE FROM ir_model_constraint AS noted
                 USING ir_module_module AS module
                 WHERE module.id = noted.module AND module.name = ANY(%s) AND noted.type = 'f'
                """,
                list(modules_to_remove),
            )
        )
        return result

    def _forget_filters(self, modules):
        """What people filtered by, on models that go."""
        self.env.cr.execute(
            SQL(
                """
                DELETE FROM ir_filters
                 WHERE model_id IN (
                        SELECT model.model
                          FROM ir_model AS model
                          JOIN ir_model_data AS noted ON noted.model = 'ir.model' AND noted.res_id = model.id
                         GROUP BY model.id
                        HAVING bool_and(noted.module = ANY(%s))
                       )
                """,
                list(modules),
            )
        )
        self.env["ir.filters"].invalidate_model(flush=False)
