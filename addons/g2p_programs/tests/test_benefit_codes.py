from psycopg2 import IntegrityError

from odoo.exceptions import ValidationError
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
