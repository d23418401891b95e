"""How the tests of the suite are written: what made one of them fail now and then stays out of all."""

import ast
from pathlib import Path

from odoo.tests import TransactionCase, tagged

ADDONS = Path(__file__).parents[2]
COUNTER = ADDONS / "g2p_bulk/tests/statements.py"


@tagged("post_install", "-at_install")
class TestSuite(TransactionCase):
    def trees(self):
        for path in sorted(ADDONS.glob("g2p_*/tests/**/*.py")):
            yield path, ast.parse(path.read_text())

    def test_statements_are_counted_in_one_way(self):
        """Whoever reads the counter of the cursor gets a number that depends on the second in which it was read."""
        marks = ADDONS / "g2p_bulk/tests/test_operation.py"  # reads it between two chunks of a block that is counted
        found = [
            str(path.relative_to(ADDONS))
            for path, tree in self.trees()
            if path not in (COUNTER, marks)
            and any(isinstance(node, ast.Attribute) and node.attr == "sql_log_count" for node in ast.walk(tree))
        ]
        self.assertFalse(found, "use counting_statements of g2p_bulk/tests/statements.py")
