"""Files to and from payers are an addon of their own."""

from odoo.addons.g2p_bulk.tools import migration

GIVER, TAKER = "g2p_programs", "g2p_payment_files"


def migrate(cr, version):
    migration.move_models(cr, GIVER, TAKER, "g2p.payment.reconciliation", "g2p.payment.reconciliation.line")
    migration.move_fields(
        cr,
        GIVER,
        TAKER,
        "g2p.payment.batch",
        "export_attachment_id",
        "exported_by",
        "exported_on",
        "export_sha256",
        "export_count",
        "export_amount",
    )
    migration.move_fields(cr, GIVER, TAKER, "g2p.payment.contradiction", "line_id", "reconciliation_id")
    migration.install(cr, TAKER)
