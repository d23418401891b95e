from odoo import models
from odoo.tools import SQL

TOLD = ("approved", "rdpd2ben")


class BulkEvent(models.AbstractModel):
    _inherit = "g2p.bulk.event"

    def _listens_to(self):
        return super()._listens_to() | {"g2p.entitlement"}

    def _moved(self, model, moves):
        result = super()._moved(model, moves)
        if model == "g2p.entitlement":
            self.env.cr.execute(
                SQL(
                    """
                    INSERT INTO g2p_example_feed_line (move, entitlement_id, state)
                    SELECT moves.move_id::varchar, moves.res_id, moves.to_state
                      FROM (%s) AS moves
                     WHERE moves.to_state IN %s
                        ON CONFLICT DO NOTHING
                    """,
                    moves,
                    TOLD,
                )
            )
        return result
