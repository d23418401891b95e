import doctest

from odoo.tests import BaseCase, tagged

from ..tools import answer, patience, transport


@tagged("post_install", "-at_install")
class TestTools(BaseCase):
    def test_the_examples_in_the_documentation_hold(self):
        for module in (answer, patience, transport):
            results = doctest.testmod(module)
            self.assertEqual(results.failed, 0)
            self.assertTrue(results.attempted)
