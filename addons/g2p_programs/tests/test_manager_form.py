from odoo.tests import Form, tagged

from .common import ProgramsCase


@tagged("post_install", "-at_install")
class TestManagerForm(ProgramsCase):
    def test_a_type_without_a_form_is_made_in_one_of_its_settings(self):
        model = "g2p.program.entitlement.manager.default"
        self.env["ir.ui.view"].search([("model", "=", model)]).unlink()
        program = self.program()
        program.get_manager(program.MANAGER_ENTITLEMENT).unlink()
        with Form(self.env[model].with_user(self.manager).with_context(default_program_id=program.id)) as form:
            form.name = "By hand"
            form.amount_per_cycle = 70
        manager = program.get_manager(program.MANAGER_ENTITLEMENT)
        self.assertEqual((manager.name, manager.amount_per_cycle), ("By hand", 70))
