import doctest

from odoo.tests import BaseCase, tagged

from .. import core


@tagged("post_install", "-at_install")
class TestCore(BaseCase):
    def test_the_examples_in_the_documentation_hold(self):
        results = doctest.testmod(core)
        self.assertEqual(results.failed, 0)
        self.assertGreater(results.attempted, 10)
