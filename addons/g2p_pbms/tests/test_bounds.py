"""No number or date of the suite is larger than anything that can be: the database says so, column by column."""

import doctest

import psycopg2

from odoo.tests import tagged
from odoo.tools import SQL, mute_logger, sql

from odoo.addons.g2p_bulk.tools import bounds
from odoo.addons.g2p_payment_files.tools import payer_file
from odoo.addons.g2p_programs.tests.money import MoneyCase
from odoo.addons.g2p_programs.tools import blocks


@tagged("post_install", "-at_install")
class TestBounds(MoneyCase):
    def columns(self):
        """(model, field) of every column of the suite that holds a number with decimals or a date."""
        for model in self.env.values():
            # Models that tests of a module define have no table outside of these.
            if model._abstract or not model._auto or not sql.table_exists(self.env.cr, model._table):
                continue
            for field in model._fields.values():
                if bounds.bounded(field):
                    yield model, field

    def test_every_column_has_its_bounds(self):
        self.env.cr.execute(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c' AND convalidated"
        )
        known = set(self.env.cr.fetchall())
        seen = set()
        for model, field in self.columns():
            with self.subTest(model=model._name, field=field.name):
                name = bounds.constraint_name(field, model._table)
                self.assertLessEqual(len(name), 63)
                self.assertIn((model._table, name), known)
            seen.add((model._name, field.name))
        self.assertGreater(len(seen), 100)
        for column in (
            ("g2p.entitlement", "initial_amount"),
            ("g2p.payment", "amount_issued"),
            ("g2p.program.fund", "amount"),
            ("g2p.cycle", "start_date"),
            ("res.partner", "birthdate"),
            ("res.partner", "income"),
        ):
            self.assertIn(column, seen)

    def test_each_constraint_refuses_what_lies_beyond(self):
        """Asked of the constraint itself, for every column: what it refuses, and what it lets through."""
        for model, field in self.columns():
            dates = field.type in ("date", "datetime")
            beyond = ["0001-01-01", "9999-12-31", "infinity"] if dates else ["9e99", "1e15", "-1e15", "NaN"]
            within = ["1900-01-01", "2199-12-31"] if dates else ["0", "99.99"]
            kind = "timestamp" if dates else "double precision"
            self.env.cr.execute(
                "SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint WHERE conrelid = %s::regclass AND conname = %s",
                [model._table, bounds.constraint_name(field, model._table)],
            )
            [expression] = self.env.cr.fetchone()
            for value, answer in [*((value, False) for value in beyond), *((value, True) for value in within)]:
                with self.subTest(model=model._name, field=field.name, value=value):
                    column, text = SQL.identifier(field.name), SQL(expression.replace("%", "%%"))
                    self.env.cr.execute(
                        SQL("SELECT %s FROM (SELECT %s::%s AS %s) AS it", text, value, SQL(kind), column)
                    )
                    self.assertEqual(self.env.cr.fetchone(), (answer,))

    def refused(self, call):
        """The error of the database, and the model it is about."""
        savepoint = self.env.cr.savepoint()
        try:
            with mute_logger("odoo.sql_db"):
                call()
                self.env.flush_all()
        except psycopg2.errors.CheckViolation as error:
            savepoint.close(rollback=True)
            self.env.invalidate_all(flush=False)
            self.env.cr.clear()
            [model] = [
                model for model in self.env.values() if model._table == error.diag.table_name and not model._abstract
            ]
            return error, model
        raise AssertionError("nothing was refused")

    def test_people_read_what_is_wrong(self):
        cycle = self.new_cycle()
        fund = self.env["g2p.program.fund"].with_user(self.finance)
        for words, call in {
            "is larger than anything": lambda: self.terms.write({"amount_per_cycle": 9e99}),
            "between the years 1900 and 2199": lambda: cycle.write(
                {"start_date": "9998-01-01", "end_date": "9999-12-31"}
            ),
            "give a number below": lambda: fund.create({"program_id": self.grant.id, "amount": 1e15}),
        }.items():
            with self.subTest(words):
                error, model = self.refused(call)
                self.assertIn(words, model._sql_error_to_message(error))

    def test_the_rules_have_examples_that_hold(self):
        for module in (bounds, blocks, payer_file):
            with self.subTest(module.__name__):
                result = doctest.testmod(module)
                self.assertEqual(result.failed, 0)
                self.assertGreater(result.attempted, 0)
