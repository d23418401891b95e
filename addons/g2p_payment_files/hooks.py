from odoo.addons.g2p_bulk.models.evidence import OPEN

MODELS = ("g2p.payment.reconciliation", "g2p.payment.reconciliation.line")


def uninstall_hook(env):
    """What names models that go, goes with them: files, and the table that no model owns. Of the files of batches
    stays what the batches' messages tell of them."""
    files = env["ir.attachment"].search([("res_model", "in", MODELS), ("res_field", "!=", None)])
    files |= env["ir.attachment"].search([("res_model", "in", MODELS)])
    batches = env["g2p.payment.batch"].search([("export_attachment_id", "!=", False)])
    files |= batches.export_attachment_id
    batches.with_context(**OPEN).export_attachment_id = False
    env.flush_all()
    files.with_context(**OPEN).unlink()
    env.cr.execute("DROP TABLE IF EXISTS g2p_payment_reconciliation_staged")
    env.cr.execute("DROP TRIGGER IF EXISTS g2p_payment_batch_file_kept ON g2p_payment_batch")
