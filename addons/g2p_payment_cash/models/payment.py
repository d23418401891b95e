from odoo import fields, models
from odoo.tools import SQL

from odoo.addons.g2p_registry_base.tools import search


class Payment(models.Model):
    _inherit = "g2p.payment"

    # The names that the desk shows of what is to be handed out; `collected_by` is empty there.
    _desk_names_idx = models.Index(
        "USING gin (g2p_search_words(COALESCE(beneficiary_name, '') || ' ' || COALESCE(collector_name, '') || ' ' || "
        "COALESCE(alternate_name, '')) gin_trgm_ops) "
        "WHERE payout = 'desk' AND status IS NULL AND collected_by IS NULL"
    )

    collected_by = fields.Char("Handed to", readonly=True, copy=False, help="Who took the money at the cash desk.")
    handed_out_by = fields.Many2one("res.users", readonly=True, copy=False, index="btree_not_null", ondelete="restrict")

    def _on_desk(self):
        """Over `payment`: what waits at a desk, as the index of its names says it."""
        return SQL("payment.payout = 'desk' AND payment.status IS NULL AND payment.collected_by IS NULL")

    def _desk_named(self, sought):
        """Over `payment`: the names that the desk shows of it have all these words, see `search.named`."""
        return search.named(
            SQL(
                "g2p_search_words(COALESCE(payment.beneficiary_name, '') || ' ' || COALESCE(payment.collector_name, '')"
                " || ' ' || COALESCE(payment.alternate_name, ''))"
            ),
            sought,
        )

    def _handed_to(self, name):
        """Who took the money at the desk, and who gave it: said once, with the payment."""
        self.ensure_one()
        self.env.cr.execute(
            SQL(
                "UPDATE g2p_payment SET collected_by = %s, handed_out_by = %s WHERE id = %s AND collected_by IS NULL",
                name,
                self.env.uid,
                self.id,
            )
        )
        self.invalidate_recordset(["collected_by", "handed_out_by"], flush=False)
