from odoo import models
from odoo.tools import SQL


class ResPartner(models.Model):
    _inherit = "res.partner"

    def _after_disable_change(self, bodies):
        """Who is disabled is not visited."""
        super()._after_disable_change(bodies)
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_example_visit AS visit
                   SET state = 'cancelled'
                  FROM res_partner AS registrant
                 WHERE registrant.id = visit.partner_id AND registrant.id = ANY(%s) AND registrant.disabled IS NOT NULL
                   AND visit.state = 'planned'
                """,
                self.ids,
            )
        )
        self.env["g2p.example.visit"].invalidate_model(["state"])
