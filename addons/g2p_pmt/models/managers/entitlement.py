from odoo import fields, models
from odoo.tools import SQL


class BaseEntitlementManager(models.AbstractModel):
    _inherit = "g2p.base.program.entitlement.manager"

    priority_order = fields.Selection(
        selection_add=[("pmt", "Poorest first (proxy means test)")], ondelete={"pmt": "set default"}
    )

    def _priority_sql(self):
        """The poorest by the active proxy means test first; who has no score comes last."""
        if self.priority_order != "pmt":
            return super()._priority_sql()
        model = self.program_id._active_pmt_model()
        return SQL(
            """
            (SELECT kept.score FROM g2p_pmt_score AS kept
              WHERE kept.model_id = %s AND kept.latest AND kept.partner_id = t.partner_id) %s NULLS LAST, t.id
            """,
            model.id or 0,
            SQL("DESC") if model.direction == "high" else SQL("ASC"),
        )
