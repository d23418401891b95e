"""What the docstrings of plain objects show is so: all of them, whichever addon they are in."""

import doctest
import importlib
from pathlib import Path

from odoo.tests import BaseCase, tagged

ADDONS = Path(__file__).parents[2]


@tagged("post_install", "-at_install")
class TestDoctests(BaseCase):
    def test_examples_in_tools(self):
        tried = 0
        for path in sorted(ADDONS.glob("g2p_*/tools/*.py")):
            module = importlib.import_module(f"odoo.addons.{path.parents[1].name}.tools.{path.stem}")
            with self.subTest(path.relative_to(ADDONS)):
                result = doctest.testmod(module)
                self.assertEqual(result.failed, 0)
                tried += result.attempted
        self.assertGreater(tried, 50, "examples are found")
