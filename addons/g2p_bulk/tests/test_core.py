import doctest

from odoo.tests import BaseCase, TransactionCase, tagged

from .. import core
from ..engine import liveness
from ..tools import bounds, decimal_text, guards, question, redaction, table_file, workbook


@tagged("post_install", "-at_install")
class TestDocumentation(BaseCase):
    def test_the_examples_in_the_documentation_hold(self):
        for module in (core, liveness, bounds, decimal_text, guards, question, redaction, table_file, workbook):
            results = doctest.testmod(module)
            with self.subTest(module.__name__):
                self.assertEqual(results.failed, 0)
                self.assertTrue(results.attempted)


@tagged("post_install", "-at_install")
class TestTransactions(TransactionCase):
    def test_only_the_transaction_of_the_test_is_never_committed(self):
        self.assertTrue(core.in_test_transaction(self.env.cr))
        with self.registry.cursor() as other:
            self.assertFalse(core.in_test_transaction(other))
