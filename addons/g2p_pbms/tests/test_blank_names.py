"""No name of the suite is blank, whoever writes it: the database refuses it, and says so in words."""

import psycopg2

from odoo.tests import TransactionCase, tagged
from odoo.tools import SQL, mute_logger

from odoo.addons.g2p_bulk.tools import blanks

BLANK = ("", " ", "\t\n  ")


@tagged("post_install", "-at_install")
class TestBlankNames(TransactionCase):
    def required_texts(self):
        for name in sorted(self.env.registry):
            model = self.env[name]
            if model._auto and not model._abstract and model._original_module.startswith("g2p_"):
                for field in model._fields.values():
                    if field.type in ("char", "text") and field.required and field.store:
                        yield model, field

    def test_every_required_text_of_the_suite_is_guarded(self):
        """By what the database has, not by what the code declares."""
        seen = set()
        for model, field in self.required_texts():
            with self.subTest(model=model._name, field=field.name):
                self.env.cr.execute(
                    "SELECT convalidated FROM pg_constraint WHERE conrelid = %s::regclass AND conname = %s",
                    [model._table, blanks.constraint_name(model, field)],
                )
                self.assertEqual(self.env.cr.fetchall(), [(True,)])
                seen.add((model._name, field.name))
        for known in (
            ("g2p.id.type", "name"),
            ("g2p.registrant.tags", "name"),
            ("g2p.group.kind", "name"),
            ("g2p.area", "name"),
            ("g2p.relationship", "name_inverse"),
            ("g2p.phone.number", "phone_no"),
            ("g2p.program", "name"),
            ("g2p.cycle", "name"),
            ("g2p.document.tag", "name"),
        ):
            self.assertIn(known, seen)
        self.assertGreater(len(seen), 40)

    def test_the_check_refuses_every_blank(self):
        """Each constraint is asked itself, on a row of its own: no other check of the table stands before it."""
        for model, field in self.required_texts():
            condition = blanks._filled(field)
            column = SQL("jsonb") if field.translate else SQL("varchar")
            for blank in BLANK:
                value = (
                    SQL("jsonb_build_object('en_US', 'Good', 'fr_FR', %s::text)", blank)
                    if field.translate
                    else SQL("%s", blank)
                )
                with self.subTest(model=model._name, field=field.name, blank=blank):
                    [[filled]] = self.env.execute_query(
                        SQL(
                            "SELECT %s FROM (SELECT %s::%s AS %s) AS row",
                            condition,
                            value,
                            column,
                            SQL.identifier(field.name),
                        )
                    )
                    self.assertFalse(filled)

    def test_it_is_said_in_words(self):
        for blank in BLANK:
            for model in ("g2p.registrant.tags", "g2p.id.type", "g2p.group.kind"):
                with (
                    self.subTest(model=model, blank=blank),
                    mute_logger("odoo.sql_db"),
                    self.assertRaises(psycopg2.errors.CheckViolation) as caught,
                    self.env.cr.savepoint(),
                ):
                    self.env[model].create({"name": blank})
                self.assertIn("is blank", self.env[model]._sql_error_to_message(caught.exception))

    def test_an_imported_row_says_it_too(self):
        messages = self.env["g2p.registrant.tags"].load(["name"], [["Fine"], [" "]])["messages"]
        self.assertIn("is blank", str([message["message"] for message in messages]))

    def test_people_and_groups_have_names(self):
        for blank in BLANK:
            for group in (False, True):
                with self.subTest(blank=blank, group=group), mute_logger("odoo.sql_db"):
                    with self.assertRaises(psycopg2.errors.CheckViolation), self.env.cr.savepoint():
                        self.env["res.partner"].create({"is_registrant": True, "is_group": group, "name": blank})
                        self.env.flush_all()
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.errors.CheckViolation), self.env.cr.savepoint():
            self.env.cr.execute(
                "INSERT INTO res_partner (name, type, is_registrant, active) VALUES (' ', 'contact', TRUE, TRUE)"
            )

    def test_a_name_with_more_spaces_is_the_same_name(self):
        for model, field in (
            ("g2p.id.type", "name"),
            ("g2p.registrant.tags", "name"),
            ("g2p.group.kind", "name"),
            ("g2p.group.membership.kind", "name"),
            ("g2p.area.kind", "name"),
            ("g2p.registrant.import.mapping", "name"),
            ("g2p.document.tag", "name"),
        ):
            first = self.env[model].create({field: "Card of Blank Test"})
            first.flush_recordset()
            for twin in ("Card of Blank Test ", " card of  blank test", "CARD OF BLANK TEST"):
                with (
                    self.subTest(model=model, twin=twin),
                    mute_logger("odoo.sql_db"),
                    self.assertRaises(psycopg2.errors.UniqueViolation),
                    self.env.cr.savepoint(),
                ):
                    self.env[model].create({field: twin}).flush_recordset()
