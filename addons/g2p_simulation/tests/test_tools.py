import doctest

from odoo.tests import BaseCase, tagged

from ..tools import settings


@tagged("post_install", "-at_install")
class TestTools(BaseCase):
    def test_the_examples_in_the_documentation_hold(self):
        results = doctest.testmod(settings)
        self.assertEqual(results.failed, 0)
        self.assertGreater(results.attempted, 3)
