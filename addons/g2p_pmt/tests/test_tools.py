import doctest

from odoo.tests import BaseCase, tagged

from ..tools import accuracy, breakdown, model_files, preview


@tagged("post_install", "-at_install")
class TestTools(BaseCase):
    def test_the_examples_in_the_documentation_hold(self):
        for module in (accuracy, breakdown, model_files, preview):
            results = doctest.testmod(module)
            with self.subTest(module.__name__):
                self.assertEqual(results.failed, 0)
                self.assertTrue(results.attempted)
