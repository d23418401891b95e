"""An entitlement says how it is settled: money by a payment, anything else not at all so far."""


def migrate(cr, version):
    # With a default first: a column that most rows have the same value in is added without writing the rows.
    cr.execute("ALTER TABLE g2p_entitlement ADD COLUMN IF NOT EXISTS settlement varchar NOT NULL DEFAULT 'payment'")
    cr.execute("ALTER TABLE g2p_entitlement ALTER settlement DROP DEFAULT")
    # What is fixed after draft is fixed again by the update, with the new column.
    cr.execute("DROP TRIGGER IF EXISTS g2p_entitlement_kind_fixed ON g2p_entitlement")
    cr.execute(
        """
        UPDATE g2p_entitlement SET settlement = 'none', is_cash_entitlement = FALSE
         WHERE is_cash_entitlement IS NOT TRUE
        """
    )
