from odoo.tests import TransactionCase, tagged


@tagged("post_install", "-at_install")
class TestSettings(TransactionCase):
    def test_settings_of_imports_are_on_the_settings_page(self):
        settings = self.env["res.config.settings"].create(
            {"import_maker_checker": True, "import_folder": "/srv/imports"}
        )
        settings.execute()
        self.assertTrue(self.env["g2p.registrant.import"]._maker_checker())
        self.env["res.config.settings"].create({"import_maker_checker": False}).execute()
        self.assertFalse(self.env["g2p.registrant.import"]._maker_checker())
