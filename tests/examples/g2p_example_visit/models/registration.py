from odoo import api, models
from odoo.tools import SQL


class Registration(models.AbstractModel):
    _inherit = "g2p.registration"

    @api.model
    def _registered(self, registrants):
        super()._registered(registrants)
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_example_visit (partner_id, state)
                SELECT registrant.id, 'planned'
                  FROM (%s) AS registrant
                 WHERE NOT EXISTS (SELECT FROM g2p_example_visit AS known WHERE known.partner_id = registrant.id)
                    ON CONFLICT DO NOTHING
                """,
                registrants,
            )
        )

    @api.model
    def _own_tables(self):
        return super()._own_tables() | {("g2p_example_visit", "partner_id")}
