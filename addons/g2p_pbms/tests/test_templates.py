"""The templates of translations are what the source says: a text that was changed reaches translators."""

import sys
from pathlib import Path

from odoo.tests import TransactionCase, tagged

SCRIPTS = Path(__file__).parents[3] / "scripts"


@tagged("post_install", "-at_install")
class TestTemplates(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        sys.path.insert(0, str(SCRIPTS))
        cls.addClassCleanup(sys.path.remove, str(SCRIPTS))
        import pot

        cls.pot = pot
        cls.texts = pot.templates(cls.env)

    def test_the_files_are_current(self):
        self.assertEqual(self.pot.stale(self.texts), [], "run scripts/pot.sh")

    def test_texts_of_code_scripts_views_and_later_are_in_them(self):
        """One text of each sort, so that a sort that is left out is noticed."""
        for addon, text in {
            "g2p_bulk": "The workbook is too large. Save it as CSV.",  # _lt in a tool
            "g2p_programs": "Default (shared member)",  # env._ in a model
            "g2p_registry_base": "Additional name",  # a field
            "g2p_payment_cash": "Money is handed out at a cash desk.",  # a view
        }.items():
            with self.subTest(text):
                self.assertIn(text, self.texts[addon].replace('"\n"', ""))
        self.assertIn("odoo-javascript", self.texts["g2p_programs"])
