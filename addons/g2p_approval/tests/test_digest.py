import doctest

from odoo.tests import TransactionCase, tagged
from odoo.tools import SQL

from odoo.addons.g2p_approval.tools import digest


@tagged("post_install", "-at_install")
class TestDigest(TransactionCase):
    def digest(self, rows):
        values = SQL(", ").join(SQL("(%s::int, %s::text)", key, row) for key, row in rows)
        return self.env.execute_query(digest.of_rows(SQL("SELECT * FROM (VALUES %s) AS row", values)))[0]

    def test_examples(self):
        self.assertEqual(doctest.testmod(digest).failed, 0)

    def test_a_set_is_the_same_in_any_order(self):
        rows = [(number, str(number * 7)) for number in range(1, 2500)]
        self.assertEqual(self.digest(rows), self.digest(rows[::-1]))
        self.assertEqual(self.digest(rows)[1], 2499)

    def test_any_row_counts(self):
        rows = [(number, "10.00") for number in (1, 999, 1000, 1001, 2000)]
        known = self.digest(rows)[0]
        for place in range(len(rows)):
            changed = [*rows]
            changed[place] = (rows[place][0], "10.01")
            self.assertNotEqual(self.digest(changed)[0], known)
            self.assertNotEqual(self.digest(rows[:place] + rows[place + 1 :])[0], known)
        self.assertNotEqual(self.digest([*rows, (3, None)])[0], known)

    def test_an_empty_set_has_one(self):
        [[text, rows]] = self.env.execute_query(digest.of_rows(SQL("SELECT 1, 'x' WHERE FALSE")))
        self.assertEqual((len(text), rows), (64, 0))
