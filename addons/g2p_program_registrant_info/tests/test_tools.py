import doctest

from odoo.tests import BaseCase, tagged

from ..tools import answers, numbers


@tagged("post_install", "-at_install")
class TestTools(BaseCase):
    def test_the_examples_in_the_documentation_hold(self):
        for module in (answers, numbers):
            results = doctest.testmod(module)
            with self.subTest(module.__name__):
                self.assertEqual(results.failed, 0)
                self.assertTrue(results.attempted)
