from odoo import fields
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import SQL
from odoo.tools.misc import formatLang

from odoo.addons.g2p_bulk.tests.statements import counting_statements

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

    def test_a_member_is_told_what_comes_through_the_household(self):
        support = new_test_user(self.env, "benefits_support", "g2p_registry_base.group_g2p_support")
        self.deposit(1000)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        members = self.large.group_membership_ids.individual
        member, other = members[:2].with_user(support)
        self.assertIn("Through Large: 1 program, due ", member.household_benefits)
        self.assertIn("156.80", member.household_benefits)
        self.assertNotIn("received", member.household_benefits)
        self.payments_of(cycle)
        member.invalidate_recordset()
        self.assertRegex(member.household_benefits, r"^Through Large: 1 program, received .*156\.80.*, nothing due$")
        action = member.action_open_households()
        self.assertEqual((action["res_model"], action["res_id"]), ("res.partner", self.large.id))
        # whom nothing comes to, who left, and whose household the user may not see
        self.assertFalse(self.large.with_user(support).household_benefits)
        self.large.group_membership_ids.filtered(
            lambda link: link.individual == other
        ).ended_date = fields.Datetime.now()
        other.invalidate_recordset()
        self.assertFalse(other.household_benefits)
        area = self.env["g2p.area"].create([{"name": "B-N", "code": "B-N"}, {"name": "B-S", "code": "B-S"}])
        members.area_id, self.large.area_id = area
        support.g2p_area_ids = area[0]
        member.invalidate_recordset()
        self.assertFalse(member.household_benefits)
        self.assertFalse(member._households())

    def payments_of(self, cycle):
        cycle.with_user(self.manager).prepare_payment()
        cycle.with_user(self.manager).send_payment()
        self.env["g2p.payment"]._finalize_now(
            SQL("SELECT id FROM g2p_payment WHERE cycle_id = %s", cycle.id), "paid", confirmed=True
        )

    def test_many_members_cost_no_more_than_one(self):
        self.new_cycle()
        support = new_test_user(self.env, "benefits_support", "g2p_registry_base.group_g2p_support")
        members = self.env["res.partner"].with_user(support).browse(self.large.group_membership_ids.individual.ids)
        costs = []
        for people in (members[:1], members[:1], members):
            self.env.flush_all()
            self.env.invalidate_all()
            with counting_statements(self.env.cr) as count:
                people.mapped("household_benefits")
            costs.append(count.statements)
        self.assertEqual(costs[1], costs[2])

    def test_where_no_program_is_for_persons_the_household_is_asked_about(self):
        member = self.large.group_membership_ids.individual[:1].with_user(self.users["support"])
        self.member(self.grant, self.large, "enrolled")
        self.env["g2p.program"].search([("target_type", "=", "individual")]).state = "ended"
        action = member.action_explain_eligibility()
        wizard = Form(self.env[action["res_model"]].with_user(self.users["support"]).with_context(**action["context"]))
        self.assertTrue(wizard.is_for_nobody)
        self.assertEqual(wizard.household_id, self.large)
        asked = wizard.save().action_ask_about_household()
        self.assertEqual(asked["context"]["default_partner_id"], self.large.id)
        self.assertEqual(asked["context"]["default_program_id"], self.grant.id)

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
