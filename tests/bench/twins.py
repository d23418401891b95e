"""Plain SQL that does the job of each step: the same rows, with the same indexes and foreign keys, in one transaction.

It decides what the step decides and writes what the step writes to the rows themselves, also who did it. It keeps no
history, no reasons, no terms of an amount, no lines of a reconciliation, and knows no chunks and no second person.
"""

BORN_AFTER = "1960-01-01"
LEAST_MEMBERS = 2
BASE = (
    "registrant.is_registrant AND registrant.active AND registrant.disabled IS NULL "
    "AND registrant.company_id = %(company)s"
)
ELIGIBLE = {
    "individual": "NOT COALESCE(registrant.is_group, false) AND registrant.birthdate > %(born_after)s",
    "group": "COALESCE(registrant.is_group, false) AND registrant.z_ind_grp_num_individuals >= %(least)s",
}
PEOPLE = {
    "individual": "SELECT partner_id AS member, partner_id AS person FROM plain_program_membership",
    "group": """
        SELECT partner_id AS member, partner_id AS person FROM plain_program_membership
         UNION ALL
        SELECT membership.partner_id, link.individual
          FROM plain_program_membership AS membership
          JOIN g2p_group_membership AS link ON link."group" = membership.partner_id AND link.ended_date IS NULL
          JOIN res_partner AS person ON person.id = link.individual AND person.active AND person.disabled IS NULL
    """,
}
NOW = "now() AT TIME ZONE 'UTC'"
LOG = "%(user)s, %(user)s, " + f"{NOW}, {NOW}"
MOVED = f"write_uid = %(user)s, write_date = {NOW}"


def import_eligible(target):
    return f"""
        INSERT INTO plain_program_membership
               (partner_id, program_id, state, create_uid, write_uid, create_date, write_date)
        SELECT registrant.id, %(program)s, 'draft', {LOG}
          FROM res_partner AS registrant
         WHERE {BASE} AND {ELIGIBLE[target]}
    """


def deduplicate(target):
    """One pass that keeps the lowest of each key: no connected components, no evidence, no record of the sets."""
    people = PEOPLE[target]
    return f"""
        UPDATE plain_program_membership AS membership
           SET state = 'duplicated', {MOVED}
          FROM (SELECT member, MIN(member) OVER (PARTITION BY key) AS kept
                  FROM (SELECT people.member, 'person:' || people.person AS key FROM ({people}) AS people
                         WHERE people.member <> people.person
                         UNION
                        SELECT people.member,
                               document.id_type || upper(regexp_replace(document.value, '[\\s./-]', '', 'g'))
                          FROM ({people}) AS people JOIN g2p_reg_id AS document ON document.partner_id = people.person
                         WHERE document.value <> ''
                           AND (document.expiry_date IS NULL OR document.expiry_date >= current_date)
                         UNION
                        SELECT people.member, phone.phone_sanitized
                          FROM ({people}) AS people JOIN g2p_phone_number AS phone ON phone.partner_id = people.person
                         WHERE phone.phone_sanitized <> '' AND phone.disabled IS NULL) AS keyed) AS found
         WHERE membership.partner_id = found.member AND found.kept < found.member
    """


# The product follows chains of keys: from here on both sides have the same members. Not timed.
SAME_MEMBERS = """
    UPDATE plain_program_membership AS membership
       SET state = product.state
      FROM g2p_program_membership AS product
     WHERE product.program_id = membership.program_id AND product.partner_id = membership.partner_id
       AND product.state <> membership.state
"""


def decided(table, states, target, assign=""):
    """Lock the candidates, decide for each whether they are eligible, and move those whose state is another one."""
    verdict = "CASE WHEN verdict.eligible THEN 'enrolled' ELSE 'not_eligible' END"
    return f"""
        WITH candidate AS MATERIALIZED (
            SELECT id, partner_id, state FROM {table}
             WHERE {{scope}} AND state IN {states} FOR NO KEY UPDATE
        ), verdict AS MATERIALIZED (
            SELECT candidate.id,
                   candidate.partner_id IN (
                    SELECT registrant.id FROM res_partner AS registrant WHERE {BASE} AND {ELIGIBLE[target]}
                   ) AS eligible
              FROM candidate
        ), moved AS (
            UPDATE {table} AS membership
               SET state = {verdict}, {assign} {MOVED}
              FROM verdict
             WHERE membership.id = verdict.id AND membership.state <> {verdict}
        )
        SELECT COUNT(*) FILTER (WHERE eligible), COUNT(*) FILTER (WHERE NOT eligible) FROM verdict
    """


def enrol(target):
    return decided(
        "plain_program_membership",
        "('draft', 'not_eligible', 'enrolled')",
        target,
        f"enrollment_date = CASE WHEN verdict.eligible THEN {NOW} ELSE membership.enrollment_date END,",
    ).format(scope="program_id = %(program)s")


COPY = f"""
    INSERT INTO plain_cycle_membership
           (partner_id, cycle_id, enrollment_date, state, create_uid, write_uid, create_date, write_date)
    SELECT membership.partner_id, (SELECT MAX(id) FROM g2p_cycle), current_date, 'enrolled', {LOG}
      FROM plain_program_membership AS membership
      JOIN res_partner AS registrant
        ON registrant.id = membership.partner_id AND registrant.active AND registrant.disabled IS NULL
     WHERE membership.program_id = %(program)s AND membership.state = 'enrolled'
"""


def verify(target):
    return [
        decided("plain_cycle_membership", "('draft', 'enrolled', 'not_eligible')", target).format(
            scope="cycle_id = %(cycle)s"
        ),
        f"""
        UPDATE plain_entitlement AS entitlement
           SET state = 'cancelled', {MOVED}
          FROM plain_cycle_membership AS membership
         WHERE entitlement.cycle_id = %(cycle)s AND entitlement.state IN ('draft', 'pending_validation')
           AND membership.cycle_id = entitlement.cycle_id AND membership.partner_id = entitlement.partner_id
           AND membership.state = 'not_eligible'
        """,
    ]


HOUSEHOLD = """
    LEFT JOIN (SELECT link."group", COUNT(DISTINCT link.individual) AS members
                 FROM g2p_group_membership AS link
                 JOIN res_partner AS person ON person.id = link.individual
                  AND person.disabled IS NULL AND person.active
                WHERE link.ended_date IS NULL
                GROUP BY link."group") AS household ON household."group" = membership.partner_id
"""
CASH = """
    JOIN res_partner AS registrant ON registrant.id = membership.partner_id
    LEFT JOIN g2p_area AS area ON area.id = registrant.area_id
"""
CASH_AMOUNT = """
    50 + CASE WHEN area.code LIKE 'DM-1%%' THEN 15 ELSE 0 END
       + 2 * GREATEST(LEAST(COALESCE(registrant.{number}, 0), 5), 0)
"""


def prepare(target, cash):
    amount, joins = "%(amount)s", ""
    if cash:
        amount, joins = CASH_AMOUNT.format(number="z_ind_grp_num_individuals" if target == "group" else "income"), CASH
    elif target == "group":
        amount, joins = "%(amount)s + %(each)s * LEAST(COALESCE(household.members, 0), %(most)s)", HOUSEHOLD
    return f"""
        INSERT INTO plain_entitlement
               (partner_id, cycle_id, program_id, item_id, code, state, settlement, is_cash_entitlement, currency_id,
                initial_amount, transfer_fee, valid_from, valid_until,
                create_uid, write_uid, create_date, write_date)
        SELECT due.partner_id, %(cycle)s, %(program)s, 0, gen_random_uuid(), 'draft', 'payment', true, %(currency)s,
               round(due.amount, 2), round(due.amount * %(fee)s / 100, 2), current_date, current_date + 365, {LOG}
          FROM (SELECT membership.partner_id, ({amount})::numeric AS amount
                  FROM plain_cycle_membership AS membership
                  {joins}
                 WHERE membership.cycle_id = %(cycle)s AND membership.state = 'enrolled') AS due
    """


SUBMIT = f"""
    UPDATE plain_entitlement SET state = 'pending_validation', {MOVED} WHERE cycle_id = %(cycle)s AND state = 'draft'
"""
APPROVE = [
    """
    UPDATE plain_fund_account
       SET reserved = reserved + (SELECT SUM(initial_amount) FROM plain_entitlement
                                   WHERE cycle_id = %(cycle)s AND state = 'pending_validation')
     WHERE program_id = %(program)s
    """,
    f"""
    UPDATE plain_entitlement AS entitlement
       SET state = 'approved', ern = g2p_entitlement_next_ern(), date_approved = {NOW}, approved_by = %(finance)s,
           write_uid = %(finance)s, write_date = {NOW}
      FROM res_partner AS registrant
     WHERE entitlement.cycle_id = %(cycle)s AND entitlement.state = 'pending_validation'
       AND registrant.id = entitlement.partner_id AND registrant.active AND registrant.disabled IS NULL
       AND entitlement.create_uid <> %(finance)s
    """,
]
HEAD = """
    LEFT JOIN (SELECT link."group", link.individual
                 FROM g2p_group_membership AS link
                 JOIN g2p_group_membership_g2p_group_membership_kind_rel AS role
                   ON role.g2p_group_membership_id = link.id
                 JOIN g2p_group_membership_kind AS kind
                   ON kind.id = role.g2p_group_membership_kind_id AND kind.name = 'Head'
                WHERE link.ended_date IS NULL) AS head ON head."group" = entitlement.partner_id
"""


def prepare_payments(target):
    payee, head = ("head.individual", HEAD) if target == "group" else ("entitlement.partner_id", "")
    return f"""
        WITH line AS MATERIALIZED (
            SELECT due.*, (row_number() OVER (PARTITION BY due.tag_id ORDER BY due.partner_id) - 1) / 10000 AS slice
              FROM (SELECT entitlement.*, account.id AS account_id, account.acc_number,
                           CASE WHEN area.code LIKE 'DM-1%%' THEN %(west)s
                                WHEN area.code LIKE 'DM-2%%' THEN %(east)s ELSE %(others)s END AS tag_id
                      FROM plain_entitlement AS entitlement
                      JOIN res_partner AS registrant
                        ON registrant.id = entitlement.partner_id AND registrant.active AND registrant.disabled IS NULL
                      LEFT JOIN g2p_area AS area ON area.id = registrant.area_id
                      {head}
                      LEFT JOIN res_partner_bank AS account
                        ON account.partner_id = {payee} AND account.is_primary AND account.active
                     WHERE entitlement.cycle_id = %(cycle)s AND entitlement.state = 'approved'
                       AND NOT EXISTS (SELECT FROM plain_payment AS live
                                        WHERE live.entitlement_id = entitlement.id
                                          AND live.status IS DISTINCT FROM 'failed')) AS due
        ),
        slice AS MATERIALIZED (
            SELECT tag_id, slice, gen_random_uuid()::text AS name, MIN(partner_id) AS first FROM line GROUP BY 1, 2
        ),
        batch AS (
            INSERT INTO plain_payment_batch (name, cycle_id, program_id, company_id, tag_id, first_partner_id)
            SELECT name, %(cycle)s, %(program)s, %(company)s, tag_id, first FROM slice RETURNING id, name
        )
        INSERT INTO plain_payment
               (name, entitlement_id, cycle_id, program_id, partner_id, batch_id, account_id, account_number, state,
                status_is_final, amount_issued, amount_paid, payment_fee, currency_id, issuance_date, attempt,
                create_uid, write_uid, create_date, write_date)
        SELECT gen_random_uuid(), line.id, line.cycle_id, line.program_id, line.partner_id, batch.id, line.account_id,
               line.acc_number, 'issued', false, line.initial_amount - line.transfer_fee, 0, line.transfer_fee,
               line.currency_id, {NOW}, 1, {LOG}
          FROM line
          JOIN slice ON slice.tag_id = line.tag_id AND slice.slice = line.slice
          JOIN batch ON batch.name = slice.name
    """


SEND = f"""
    WITH moved AS (
        UPDATE plain_entitlement AS entitlement SET state = 'trans2FSP', {MOVED}
          FROM plain_payment AS payment
          JOIN res_partner AS registrant
            ON registrant.id = payment.partner_id AND registrant.active AND registrant.disabled IS NULL
         WHERE payment.cycle_id = %(cycle)s AND payment.state = 'issued' AND payment.status IS NULL
           AND entitlement.id = payment.entitlement_id AND entitlement.state = 'approved'
     RETURNING payment.id
    )
    UPDATE plain_payment AS payment SET state = 'sent', {MOVED} FROM moved WHERE payment.id = moved.id
"""
# A file for each batch.
EXPORT = """
    SELECT payment.name, registrant.name, COALESCE(account.acc_holder_name, holder.name),
           COALESCE(bank.name, account.provider), payment.account_number, payment.amount_issued, currency.name,
           entitlement.ern, batch.name
      FROM plain_payment AS payment
      JOIN plain_payment_batch AS batch ON batch.id = payment.batch_id
      JOIN plain_entitlement AS entitlement ON entitlement.id = payment.entitlement_id
      JOIN res_partner AS registrant ON registrant.id = payment.partner_id
      JOIN res_currency AS currency ON currency.id = payment.currency_id
      LEFT JOIN res_partner_bank AS account ON account.id = payment.account_id
      LEFT JOIN res_partner AS holder ON holder.id = account.partner_id
      LEFT JOIN res_bank AS bank ON bank.id = account.bank_id
     WHERE payment.batch_id = %s AND payment.status IS NULL AND payment.account_number IS NOT NULL
     ORDER BY payment.id
"""
# After COPY of the same file into `plain_line`.
RECONCILE = [
    f"""
    WITH final AS (
        UPDATE plain_payment AS payment
           SET state = 'reconciled', status = line.status, status_is_final = true, status_datetime = {NOW},
               amount_paid = line.amount, bank_reference = line.bank_reference, payment_datetime = {NOW},
               write_uid = %(finance)s, write_date = {NOW}
          FROM plain_line AS line
         WHERE payment.name = line.reference AND payment.amount_issued = line.amount AND payment.status IS NULL
           AND payment.cycle_id = %(cycle)s
     RETURNING payment.entitlement_id, payment.status
    )
    UPDATE plain_entitlement AS entitlement
       SET state = 'rdpd2ben', write_uid = %(finance)s, write_date = {NOW}
      FROM final
     WHERE entitlement.id = final.entitlement_id AND final.status = 'paid'
       AND entitlement.state IN ('approved', 'trans2FSP')
    """,
    "UPDATE plain_fund_account SET disbursed = disbursed + reserved, reserved = 0 WHERE program_id = %(program)s",
]
