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

    def set_digest(self, rows):
        values = SQL(", ").join(SQL("(%s::int, %s::numeric, %s::text)", *row) for row in rows)
        statement = digest.of_set(
            SQL("(VALUES %s) AS t (key, amount, name)", values), [SQL("t.key, t.amount, t.name")], [SQL("t.amount")]
        )
        return self.env.execute_query(statement)[0]

    def test_a_large_set_is_the_same_in_any_order_and_any_row_counts(self):
        rows = [(number, number * 7, "x") for number in range(1, 500)]
        known = self.set_digest(rows)
        self.assertEqual(self.set_digest(rows[::-1]), known)
        self.assertEqual(known[2:], ("499", str(7 * 499 * 250)))
        for changed in (
            rows[1:],
            [*rows, rows[0]],
            [(1, 8, "x"), *rows[1:]],
            [(1, 7, None), *rows[1:]],
        ):
            self.assertNotEqual(self.set_digest(changed)[:2], known[:2])

    def test_what_rows_exchange_counts(self):
        """Each column has the same values as before, in other rows."""
        for number in range(1, 40):
            rows = [(1, number, "x"), (2, number * 3, "y"), (3, number * 5, "z")]
            known = self.set_digest(rows)
            for order in ((1, 0, 2), (1, 2, 0), (2, 1, 0)):
                changed = [(key, rows[place][1], name) for (key, _amount, name), place in zip(rows, order, strict=True)]
                self.assertTrue(
                    all(new != old for new, old in zip(self.set_digest(changed)[:2], known[:2], strict=True))
                )
