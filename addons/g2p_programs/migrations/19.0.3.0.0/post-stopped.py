"""Payments that failed before they left say so, and the figures of their batches and cycles count what left."""

from odoo import SUPERUSER_ID, api
from odoo.tools import SQL


def migrate(cr, version):
    cr.execute(
        """
        UPDATE g2p_payment AS payment
           SET state = 'stopped'
         WHERE payment.state = 'reconciled' AND payment.status = 'failed' AND payment.payout IS DISTINCT FROM 'desk'
           AND EXISTS (
                SELECT FROM g2p_state_history AS moved
                 WHERE moved.res_model = 'g2p.payment' AND moved.res_id = payment.id
                   AND moved.from_state = 'issued' AND moved.to_state = 'reconciled'
               )
     RETURNING payment.batch_id, payment.cycle_id
        """
    )
    stopped = cr.fetchall()
    env = api.Environment(cr, SUPERUSER_ID, {"active_test": False})
    batches = [batch_id for batch_id, _cycle_id in stopped if batch_id]
    env["g2p.payment.batch"]._refresh_statistics_where(SQL("batch.id = ANY(%s)", batches))
    env["g2p.cycle"].browse({cycle_id for _batch_id, cycle_id in stopped})._refresh_counters()
