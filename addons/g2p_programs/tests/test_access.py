from odoo.exceptions import AccessError
from odoo.tests import tagged

from .common import ProgramsCase

TABLES = (
    "g2p.benefit.codes",
    "g2p.program.benefit.codes",
    "g2p.program.definition",
    "g2p.program",
    "g2p.program_membership",
    "g2p.program.membership.duplicate",
    "g2p.cycle",
    "g2p.cycle.membership",
    "g2p.entitlement",
    "g2p.payment",
    "g2p.payment.batch",
    "g2p.program.fund",
    "g2p.fund.account",
    "g2p.fund.ledger",
)


@tagged("post_install", "-at_install")
class TestAccess(ProgramsCase):
    def test_an_outsider_sees_nothing(self):
        for user in (self.outsider, self.portal, self.env.ref("base.public_user")):
            for table in TABLES:
                with self.subTest(f"{user.login} {table}"), self.assertRaises(AccessError):
                    self.env[table].with_user(user).search_read([], ["id"], limit=1)

    def test_an_auditor_reads_everything_and_writes_nothing(self):
        auditor = self.users["auditor"]
        for table in TABLES:
            model = self.env[table].with_user(auditor)
            self.assertTrue(model.has_access("read"), table)
            for operation in ("write", "create", "unlink"):
                self.assertFalse(model.has_access(operation), f"{table} {operation}")

    def test_support_writes_nothing(self):
        for table in TABLES:
            for operation in ("write", "create", "unlink"):
                self.assertFalse(self.env[table].with_user(self.users["support"]).has_access(operation), table)

    def test_area_limits_members_lists_and_counts(self):
        north, south = self.env["g2p.area"].create([{"name": "North", "code": "T-N"}, {"name": "South", "code": "T-S"}])
        program = self.program()
        for area in (north, south):
            self.member(program, self.individual(area.name, area_id=area.id), "enrolled")
        program.create_new_cycle()
        officer = self.users["validator"]
        officer.g2p_area_ids = north
        for table in ("g2p.program_membership", "g2p.cycle.membership"):
            model = self.env[table].with_user(officer)
            self.assertEqual(model.search([("program_id", "=", program.id)]).partner_id.area_id, north)
            self.assertEqual(model.search_count([("program_id", "=", program.id)]), 1)
