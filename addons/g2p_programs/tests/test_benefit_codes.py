from psycopg2 import IntegrityError

from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import ProgramsCase


@tagged("post_install", "-at_install")
class TestBenefitCodes(ProgramsCase):
    def code(self, **values):
        return self.env["g2p.benefit.codes"].create(
            {"benefit_mnemonic": "CASH-X", "benefit_type": "CASH_DIGITAL", "measurement_unit": "USD", **values}
        )

    def test_cash_is_counted_in_a_currency(self):
        for benefit_type in ("CASH_DIGITAL", "CASH_PHYSICAL"):
            code = self.code(benefit_mnemonic=benefit_type, benefit_type=benefit_type, measurement_unit="ETB")
            self.assertEqual(code.measurement_unit, "ETB")
            with self.assertRaisesRegex(ValidationError, "ISO 4217"), self.cr.savepoint():
                self.code(benefit_mnemonic=f"{benefit_type}-2", benefit_type=benefit_type, measurement_unit="QQQ")

    @mute_logger("odoo.sql_db")
    def test_the_database_refuses_cash_in_kilograms(self):
        code = self.code()
        with self.assertRaises(IntegrityError), self.cr.savepoint():
            self.env.cr.execute("UPDATE g2p_benefit_codes SET measurement_unit = 'kg' WHERE id = %s", [code.id])

    def test_goods_are_counted_in_any_unit(self):
        self.assertTrue(self.code(benefit_type="COMMODITY", measurement_unit="kg"))

    def test_decimal_places_are_fixed_at_creation(self):
        code = self.code(decimal_places=3)
        code.write({"decimal_places": 3})
        with self.assertRaises(ValidationError):
            code.write({"decimal_places": 2})

    def test_table_names_that_other_systems_read(self):
        self.env.cr.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_name = ANY(%s)",
            [["g2p_program_definition", "g2p_benefit_codes", "g2p_benefit_codes_g2p_program_definition_rel"]],
        )
        self.assertEqual(len(self.env.cr.fetchall()), 3)
        program = self.program(benefit_code_line_ids=[(0, 0, {"benefit_code_id": self.code().id, "max_quantity": 5})])
        self.env.flush_all()
        self.env.cr.execute(
            "SELECT COUNT(*) FROM g2p_benefit_codes_g2p_program_definition_rel WHERE g2p_program_definition_id = %s",
            [program.definition_id.id],
        )
        self.assertEqual(self.env.cr.fetchone(), (1,))

    def test_duplicate_program_gives_the_same_benefits(self):
        program = self.program(benefit_code_line_ids=[(0, 0, {"benefit_code_id": self.code().id, "max_quantity": 5})])
        lines = program.benefit_code_line_ids
        copied = program.with_user(self.manager).copy()
        self.assertEqual(copied.definition_id, program.definition_id)
        self.assertEqual(copied.benefit_code_line_ids, lines)
        self.assertEqual(program.benefit_code_line_ids, lines)

    # What a program gives

    def prepared(self, program, name="Abebe", **values):
        """The entitlements of one enrolled member in a new cycle."""
        self.member(program, self.individual(name, **values), "enrolled")
        program.create_new_cycle()
        cycle = program.cycle_ids[0]
        cycle.with_user(self.manager).prepare_entitlement()
        return cycle.entitlement_ids

    def test_the_currency_of_a_code_is_the_programs(self):
        program = self.program()
        other = self.env["res.currency"].with_context(active_test=False).search([("name", "=", "CHF")])
        code = self.code(measurement_unit=other.name)
        lines = self.env["g2p.program.benefit.codes"]
        with self.assertRaisesRegex(ValidationError, "pays in CHF"), self.cr.savepoint():
            lines.create({"definition_id": program.definition_id.id, "benefit_code_id": code.id})
        own = self.code(benefit_mnemonic="OWN", measurement_unit=program.currency_id.name)
        program.benefit_code_line_ids = [(0, 0, {"benefit_code_id": own.id})]
        other.active = True
        with self.assertRaisesRegex(ValidationError, "OWN pays in"), self.cr.savepoint():
            program.currency_id = other
        with self.assertRaisesRegex(ValidationError, "can't be changed"):
            own.benefit_type = "SERVICE"
        wizard = self.env["g2p.program.create.wizard"].with_user(self.manager)
        with self.assertRaisesRegex(UserError, "pays in CHF"):
            wizard.create({"name": "Wrong", "amount_per_cycle": 5, "benefit_code_id": code.id}).create_program()

    def test_a_manager_gives_the_code_that_was_chosen_within_its_maximum(self):
        program = self.program()
        unit = program.currency_id.name
        first = self.code(benefit_mnemonic="FIRST", measurement_unit=unit)
        second = self.code(benefit_mnemonic="SECOND", measurement_unit=unit, decimal_places=0)
        program.benefit_code_line_ids = [
            (0, 0, {"benefit_code_id": first.id, "max_quantity": 10}),
            (0, 0, {"benefit_code_id": second.id, "max_quantity": 50}),
        ]
        manager = program.get_manager(program.MANAGER_ENTITLEMENT)
        manager.amount_per_cycle = 33.5
        [entitlement] = self.prepared(program)
        self.assertEqual((entitlement.benefit_code_id, entitlement.initial_amount), (first, 10))
        entitlement.cycle_id.with_user(self.manager).mark_cancelled()
        manager.benefit_code_id = second
        entitlement = self.prepared(program, "Zewditu")[0]
        self.assertEqual((entitlement.benefit_code_id, entitlement.initial_amount), (second, 34), "no decimals")
        foreign = self.code(benefit_mnemonic="FOREIGN", measurement_unit=unit)
        with self.assertRaisesRegex(ValidationError, "none of the cash benefits"), self.cr.savepoint():
            manager.benefit_code_id = foreign
        with self.assertRaisesRegex(ValidationError, "gives SECOND"):
            program.benefit_code_line_ids[1].unlink()

    def test_the_id_of_an_entitlement_is_for_those_who_may_read_ids(self):
        program = self.program()
        manager = program.get_manager(program.MANAGER_ENTITLEMENT)
        kind = self.env["g2p.id.type"].create({"name": "Kebele card"})
        manager.write({"amount_per_cycle": 5, "id_type_id": kind.id})
        [entitlement] = self.prepared(program, reg_ids=[(0, 0, {"id_type": kind.id, "value": "K-77"})])
        self.assertEqual(entitlement.with_user(self.manager).id_number, "K-77")
        self.assertEqual(entitlement.with_user(self.users["registrar"]).id_number, "K-77")
        for role, user in self.users.items():
            may = self.env["g2p.reg.id"].with_user(user).has_access("read")
            if self.env["g2p.entitlement"].with_user(user).has_access("read"):
                self.assertEqual(entitlement.with_user(user).id_number, "K-77" if may else False, role)
