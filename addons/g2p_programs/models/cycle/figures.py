"""What of a cycle is where, counted from the tables: one statement a table, whatever the number of cycles and rows."""

from odoo.tools import SQL

from ...tools import blocks
from ..entitlement import DEAD_STATES


def never_looked_at():
    """Over `membership`, of any cycle: enrolled, with neither an entitlement nor a reason why there is none."""
    return SQL(
        """
        membership.state = 'enrolled' AND membership.reason IS NULL
        AND NOT EXISTS (
            SELECT FROM g2p_entitlement AS known
             WHERE known.cycle_id = membership.cycle_id AND known.partner_id = membership.partner_id
               AND known.state <> 'cancelled'
        )
        """
    )


def of_set(cycle):
    """{what: count}: drafts, pending and undecided (of these, those without a reason why they wait), approved entitlements,
    and beneficiaries who were never looked at."""
    names = ("drafts", "pending", "undecided", "approved", "unprepared")
    [counts] = cycle.env.execute_query(
        SQL(
            """
            SELECT COUNT(*) FILTER (WHERE t.state = 'draft'),
                   COUNT(*) FILTER (WHERE t.state = 'pending_validation'),
                   COUNT(*) FILTER (WHERE t.state = 'pending_validation' AND t.left_out_reason IS NULL),
                   COUNT(*) FILTER (WHERE t.state = 'approved'),
                   (SELECT COUNT(*) FROM g2p_cycle_membership AS membership
                     WHERE membership.cycle_id = %(cycle)s AND %(never)s)
              FROM g2p_entitlement AS t
             WHERE t.cycle_id = %(cycle)s
            """,
            cycle=cycle.id,
            never=never_looked_at(),
        )
    )
    return dict(zip(names, counts, strict=True))


def refresh(cycles):
    """Count beneficiaries, entitlements and payments of cycles again, into their columns."""
    cycles.env.flush_all()
    for statement in (_members(cycles), _entitlements(cycles), _payments(cycles)):
        cycles.env.cr.execute(statement)
    cycles.invalidate_recordset()


def _members(cycles):
    return SQL(
        """
        UPDATE g2p_cycle AS cycle
           SET members_count = counted.enrolled, not_eligible_count = counted.not_eligible
          FROM (
                SELECT this.id,
                       COUNT(*) FILTER (WHERE membership.state = 'enrolled') AS enrolled,
                       COUNT(*) FILTER (WHERE membership.state = 'not_eligible') AS not_eligible
                  FROM g2p_cycle AS this
                  LEFT JOIN g2p_cycle_membership AS membership ON membership.cycle_id = this.id
                 WHERE this.id = ANY(%s)
                 GROUP BY this.id
               ) AS counted
         WHERE cycle.id = counted.id
        """,
        cycles.ids,
    )


def _entitlements(cycles):
    """What ended without payment doesn't count."""
    return SQL(
        """
        UPDATE g2p_cycle AS cycle
           SET entitlements_count = counted.live, total_amount = counted.amount,
               drafts_count = counted.drafts,
               unprepared_count = (
                SELECT COUNT(*) FROM g2p_cycle_membership AS membership
                 WHERE membership.cycle_id = cycle.id AND %(never)s
               ),
               pending_count = counted.pending, pending_amount = counted.pending_amount,
               approved_count = counted.approved, approved_amount = counted.approved_amount,
               left_out_count = counted.left_out, left_out_amount = counted.left_out_amount
          FROM (
                SELECT this.id, COUNT(t.id) AS live, COALESCE(SUM(t.initial_amount), 0) AS amount,
                       COUNT(*) FILTER (WHERE t.state = 'draft') AS drafts,
                       COUNT(*) FILTER (WHERE t.state IN ('draft', 'pending_validation')) AS pending,
                       COALESCE(SUM(t.initial_amount)
                                FILTER (WHERE t.state IN ('draft', 'pending_validation')), 0) AS pending_amount,
                       COUNT(*) FILTER (WHERE t.state IN ('approved', 'trans2FSP', 'rdpd2ben')) AS approved,
                       COALESCE(SUM(t.initial_amount)
                                FILTER (WHERE t.state IN ('approved', 'trans2FSP', 'rdpd2ben')), 0)
                       AS approved_amount,
                       COUNT(*) FILTER (WHERE t.left_out_reason IS NOT NULL AND t.state <> 'approved') AS left_out,
                       COALESCE(SUM(t.initial_amount)
                                FILTER (WHERE t.left_out_reason IS NOT NULL AND t.state <> 'approved'), 0)
                       AS left_out_amount
                  FROM g2p_cycle AS this
                  LEFT JOIN g2p_entitlement AS t ON t.cycle_id = this.id AND t.state <> ALL(%(dead)s)
                 WHERE this.id = ANY(%(cycles)s)
                 GROUP BY this.id
               ) AS counted
         WHERE cycle.id = counted.id
        """,
        never=never_looked_at(),
        dead=list(DEAD_STATES),
        cycles=cycles.ids,
    )


def _payments(cycles):
    return SQL(
        """
        UPDATE g2p_cycle AS cycle
           SET payments_count = counted.live, payments_amount = counted.live_amount,
               sent_count = counted.sent, sent_amount = counted.sent_amount, unsent_count = counted.unsent,
               paid_count = counted.paid, paid_amount = counted.paid_amount, fee_amount = counted.fee_amount,
               failed_count = counted.failed, failed_amount = counted.failed_amount,
               exceptions_count = due.held_back, unpaid_count = due.unpaid, payable_from = due.payable_from
          FROM (
                SELECT this.id,
                       COUNT(payment.id) FILTER (WHERE payment.status IS DISTINCT FROM 'failed') AS live,
                       COALESCE(SUM(payment.amount_issued)
                                FILTER (WHERE payment.status IS DISTINCT FROM 'failed'), 0) AS live_amount,
                       COUNT(*) FILTER (WHERE payment.state = 'sent' AND payment.status IS NULL) AS sent,
                       COALESCE(SUM(payment.amount_issued)
                                FILTER (WHERE payment.state = 'sent' AND payment.status IS NULL), 0) AS sent_amount,
                       COUNT(*) FILTER (WHERE payment.state = 'issued' AND payment.status IS NULL) AS unsent,
                       COUNT(*) FILTER (WHERE payment.status = 'paid') AS paid,
                       COALESCE(SUM(payment.amount_paid) FILTER (WHERE payment.status = 'paid'), 0) AS paid_amount,
                       COALESCE(SUM(payment.payment_fee) FILTER (WHERE payment.status = 'paid'), 0) AS fee_amount,
                       COUNT(*) FILTER (WHERE payment.status = 'failed' AND payment.state <> 'stopped') AS failed,
                       COALESCE(SUM(payment.amount_issued)
                                FILTER (WHERE payment.status = 'failed' AND payment.state <> 'stopped'), 0)
                       AS failed_amount
                  FROM g2p_cycle AS this
                  LEFT JOIN g2p_payment AS payment ON payment.cycle_id = this.id
                 WHERE this.id = ANY(%(cycles)s)
                 GROUP BY this.id
               ) AS counted
          JOIN (
                SELECT this.id, COUNT(t.id) FILTER (WHERE t.left_out_reason IS NOT NULL) AS held_back,
                       COUNT(t.id) FILTER (WHERE t.left_out_reason IS NULL AND NOT %(blocked)s) AS unpaid,
                       MIN(t.valid_from) FILTER (WHERE t.left_out_reason IS NULL) AS payable_from
                  FROM g2p_cycle AS this
                  LEFT JOIN g2p_entitlement AS t ON t.cycle_id = this.id AND %(payable)s
                 WHERE this.id = ANY(%(cycles)s)
                 GROUP BY this.id
               ) AS due ON due.id = counted.id
         WHERE cycle.id = counted.id
        """,
        payable=cycles._payable(),
        # What needs a look into other tables for each account is left to the step, which marks what it held back.
        blocked=cycles.env["g2p.entitlement"]._blocked_sql(blocks.APPROVE),
        cycles=cycles.ids,
    )
