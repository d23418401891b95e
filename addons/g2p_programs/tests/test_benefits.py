from odoo.tests import Form, new_test_user, tagged
from odoo.tools import SQL
from odoo.tools.misc import formatLang

from .money import MoneyCase


@tagged("post_install", "-at_install")
class TestBenefits(MoneyCase):
    """What is due to a person, and what they received, against the tables."""

    def facts(self, partner):
        """[(count, amount)] of due and received, by plain SQL."""
        self.env.flush_all()
        return [
            self.env.execute_query(SQL(query, partner.id))[0]
            for query in (
                """
                SELECT COUNT(*), COALESCE(SUM(initial_amount - transfer_fee), 0)::float FROM g2p_entitlement
                 WHERE partner_id = %s AND state IN ('approved', 'trans2FSP') AND is_cash_entitlement
                """,
                """
                SELECT COUNT(*), COALESCE(SUM(amount_paid), 0)::float FROM g2p_payment
                 WHERE partner_id = %s AND status = 'paid'
                """,
            )
        ]

    def told(self, partner):
        partner.invalidate_recordset()
        return [
            (partner.benefits_due_count, partner.benefits_due or ""),
            (partner.benefits_received_count, partner.benefits_received or ""),
        ]

    def assert_told(self, partner):
        for (count, amount), (told, words) in zip(self.facts(partner), self.told(partner), strict=True):
            self.assertEqual(count, told)
            self.assertIn(f"{amount:,.2f}", words or "0.00")

    def test_from_prepared_to_paid(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        partner = cycle.entitlement_ids[0].partner_id
        self.assert_told(partner)
        self.assertEqual(partner.benefits_due_count, 0, "waits for approval: nothing is promised yet")
        cycle.with_user(self.users["finance"]).validate_entitlement()
        self.assert_told(partner)
        self.assertEqual((partner.benefits_due_count, partner.benefits_received_count), (1, 0))
        cycle.with_user(self.manager).prepare_payment()
        cycle.with_user(self.manager).send_payment()
        self.assert_told(partner)
        payment = cycle.payment_ids.filtered(lambda payment: payment.partner_id == partner)
        self.env["g2p.payment.mark.wizard"].with_user(self.users["finance"]).create(
            {"payment_ids": [(6, 0, payment.ids)], "status": "paid"}
        ).mark()
        self.assert_told(partner)
        self.assertEqual((partner.benefits_due_count, partner.benefits_received_count), (0, 1))
        action = partner.action_open_benefits_received()
        self.assertEqual(self.env[action["res_model"]].search(action["domain"]), payment)

    def test_who_disables_somebody_reads_before_what_money_that_stops(self):
        registrar = new_test_user(self.env, "benefits_registrar", "g2p_registry_base.group_g2p_registrar")
        self.deposit(1000)
        cycle = self.approved_cycle()
        partner, other = cycle.entitlement_ids.partner_id[:2]

        def told(partners):
            action = partners.with_user(registrar).action_disable_registrant()
            wizard = Form(self.env[action["res_model"]].with_user(registrar).with_context(**action["context"]))
            return (wizard.consequences or "").splitlines()

        one, two = (self.in_words(cycle, somebody) for somebody in (partner, other))
        [waiting] = told(partner)
        self.assertIn(one, waiting)
        self.assertIn("aren't approved yet", waiting)
        cycle.with_user(self.users["finance"]).validate_entitlement()
        [due] = told(other)
        self.assertIn(two, due)
        self.assertIn("Approved and not sent yet", due)
        cycle.with_user(self.manager).prepare_payment()
        cycle.with_user(self.manager).send_payment()
        [sent] = told(partner | other)
        self.assertIn("On its way: 2 (", sent)
        self.assertFalse(told(self.env["res.partner"].create({"name": "Nobody's", "is_registrant": True})))
        (partner | other).with_user(registrar)._disable("Gone")
        self.assertFalse(told(partner | other), "nothing changes for who is disabled already")

    def in_words(self, cycle, partner):
        entitlement = cycle.entitlement_ids.filtered(lambda entitlement: entitlement.partner_id == partner)
        reaches = entitlement.initial_amount - entitlement.transfer_fee
        return f"1 ({formatLang(self.env, reaches, currency_obj=entitlement.currency_id)})"
