"""What an entitlement was approved to be paid to is compared field by field, and by the names of who receives it.

Of what was approved before, what reads now as it did then is taken as it is now, and names are kept as they are now. What was
held because its account reads otherwise stays held until somebody confirms it: what it was is known by its text only.
"""

from odoo import SUPERUSER_ID, api
from odoo.tools import SQL


def migrate(cr, version):
    entitlement = api.Environment(cr, SUPERUSER_ID, {})["g2p.entitlement"]
    cr.execute(
        SQL(
            """
            WITH known AS (
                SELECT t.id, payee.account_text, payee.account_key, collector.collectors, collector.names,
                       -- as the version before wrote it
                       COALESCE((SELECT concat_ws(' · ', account.acc_number, COALESCE(bank.name, NULLIF(account.provider, '')),
                                                  NULLIF(account.acc_holder_name, ''))
                                   FROM res_partner_bank AS account
                                   LEFT JOIN res_bank AS bank ON bank.id = account.bank_id
                                  WHERE account.id = payee.account_id), '') AS text_before
                  FROM g2p_entitlement AS t
                  LEFT JOIN LATERAL (%(payee)s) AS payee ON TRUE
                  JOIN LATERAL (%(collector)s) AS collector ON TRUE
                 WHERE t.state IN ('approved', 'trans2FSP') AND t.approved_names IS NULL
            )
            UPDATE g2p_entitlement AS t
               SET approved_payee = CASE WHEN COALESCE(t.approved_account, known.text_before) = known.text_before
                                         THEN COALESCE(known.account_key, '') ELSE 'changed' END,
                   approved_account = COALESCE(t.approved_account, known.account_text, ''),
                   approved_collectors = COALESCE(t.approved_collectors, known.collectors),
                   -- of who was to collect then, where that is somebody else
                   approved_names = CASE
                        WHEN COALESCE(t.approved_collectors, known.collectors) = known.collectors THEN known.names
                        ELSE concat_ws(chr(10), split_part(known.names, chr(10), 1),
                                       COALESCE((SELECT person.name FROM res_partner AS person
                                                  WHERE person.id::text = split_part(t.approved_collectors, '/', 1)), ''),
                                       COALESCE((SELECT person.name FROM res_partner AS person
                                                  WHERE person.id::text = split_part(t.approved_collectors, '/', 2)), ''))
                        END
              FROM known
             WHERE t.id = known.id
            """,
            payee=entitlement._payee(),
            collector=entitlement._collector(),
        )
    )
