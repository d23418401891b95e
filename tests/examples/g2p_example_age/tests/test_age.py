from dateutil.relativedelta import relativedelta

from odoo import fields
from odoo.tests import tagged

from odoo.addons.g2p_programs.tests.money import MoneyCase


@tagged("post_install", "-at_install")
class TestAge(MoneyCase):
    def test_the_old_get_it_the_young_do_not_and_of_the_unknown_nobody_can_tell(self):
        program = self.program("Old age grant", "individual")
        program.get_manager(program.MANAGER_ENTITLEMENT).unlink()
        self.env["g2p.program.entitlement.manager.age"].with_user(self.manager).create(
            {"name": "By age", "program_id": program.id, "amount": 50, "least_age": 65}
        )
        today = fields.Date.today()
        old, young, unknown = (self.individual("Age", name) for name in ("Old", "Young", "Unknown"))
        old.birthdate = today - relativedelta(years=65)
        young.birthdate = today - relativedelta(years=65) + relativedelta(days=1)
        unknown.birthdate = False
        cycle = self.new_cycle(old + young + unknown, program)
        cycle.prepare_entitlement()
        self.assertEqual(self.counts(cycle, "prepare"), {"prepared": 1, "no_amount": 1, "data_missing": 1})
        entitlement = self.entitlements(cycle)
        self.assertEqual((entitlement.partner_id, entitlement.initial_amount), (old, 50))
        members = {member.partner_id: member.reason for member in cycle.cycle_membership_ids}
        self.assertIn("Date of birth", members[unknown])
