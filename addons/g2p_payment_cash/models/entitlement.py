from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import roles
from odoo.addons.g2p_programs.tools import blocks
from odoo.addons.g2p_programs.tools.constants import GROUP_FINANCE


class Entitlement(models.Model):
    _inherit = "g2p.entitlement"

    show_payment_prepare = fields.Boolean(
        compute="_compute_show_payment_prepare", help="Whether a cash payment can be recorded now."
    )

    @api.depends("state", "cycle_id.state", "program_id.payment_managers")
    @api.depends_context("uid")
    def _compute_show_payment_prepare(self):
        may = roles.may(self.env, GROUP_FINANCE)
        for entitlement in self:
            entitlement.show_payment_prepare = may and entitlement._awaits_cash() and not entitlement._desk_block()

    def _awaits_cash(self):
        """Whether it is due at the cash desk: its program pays everybody there, or those without an account."""
        self.ensure_one()
        if not (
            self.is_cash_entitlement
            and self.state in ("approved", "trans2FSP")
            and self.cycle_id.state == "approved"
            and isinstance(self.id, int)
        ):
            return False
        self.env.flush_all()
        [[desk]] = self.env.execute_query(
            SQL(
                """
                SELECT COALESCE(
                        (SELECT live.payout = 'desk' OR live.payout IS NULL AND %(cash)s FROM g2p_payment AS live
                          WHERE live.entitlement_id = t.id AND live.status IS DISTINCT FROM 'failed'),
                        %(cash)s OR %(policy)s = 'desk' AND %(account)s IS NULL
                       )
                  FROM g2p_entitlement AS t
                 WHERE t.id = %(id)s
                """,
                cash=self._pays_cash_sql(),
                policy=self._no_account_policy_sql(),
                account=self._payee_sql("account_id"),
                id=self.id,
            )
        )
        return desk

    def _desk_block(self):
        """What stands in the way of handing out cash for it, in words; False when nothing does. What has no payment yet is
        prepared by that, so it is asked too what stands in the way of that."""
        self.ensure_one()
        [[code]] = self.env.execute_query(
            SQL(
                """
                SELECT CASE WHEN EXISTS (SELECT FROM g2p_payment AS live
                                          WHERE live.entitlement_id = t.id AND live.status IS DISTINCT FROM 'failed')
                            THEN %s ELSE COALESCE(%s, %s) END
                  FROM g2p_entitlement AS t
                 WHERE t.id = %s
                """,
                self._block_sql(blocks.DESK),
                self._block_sql(blocks.PREPARE),
                self._block_sql(blocks.DESK),
                self.id,
            )
        )
        return code and self._blocks()[code].words

    def prepare_and_send_payment_cash(self):
        """Button: the money was handed out. Makes the payment if there is none, and records it as paid, now."""
        roles.check(self.env, GROUP_FINANCE)
        self.check_access("read")
        for entitlement in self:
            if not entitlement._awaits_cash():
                raise UserError(
                    self.env._(
                        "%s is not waiting for a cash payment: it has to be approved, and its program has to pay in cash.",
                        entitlement.display_name,
                    )
                )
            if block := entitlement._desk_block():
                raise UserError(
                    self.env._(
                        "%(entitlement)s can't be paid now: %(reason)s. Nothing was recorded.",
                        entitlement=entitlement.display_name,
                        reason=block,
                    )
                )
        recorded = 0
        # sudo: the role, access to the entitlements and their state were checked above
        for cycle, entitlements in self.sudo().grouped("cycle_id").items():
            partners = entitlements.partner_id.ids
            cycle._payment_manager()._prepare_chunk(
                cycle,
                min(partners) - 1,
                max(partners),
                only=SQL("line.entitlement_id = ANY(%s)", entitlements.ids),
                create_batch=False,
            )
            recorded += (
                self.env["g2p.payment"]
                .sudo()
                ._finalize_now(
                    SQL(
                        "SELECT id FROM g2p_payment WHERE entitlement_id = ANY(%s) AND status IS NULL", entitlements.ids
                    ),
                    "paid",
                    self.env._("Cash"),
                )
                .paid
            )
        if not recorded:
            raise UserError(self.env._("Nothing was recorded: the entitlement is outside its validity."))
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self._recorded_text(recorded),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def _recorded_text(self, count):
        if count == 1:
            return self.env._("1 cash payment was recorded.")
        return self.env._("%s cash payments were recorded.", count)
