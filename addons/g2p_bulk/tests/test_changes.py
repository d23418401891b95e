"""Every change of a watched record is on record, whatever the way; nobody can change that record."""

from psycopg2.errors import InsufficientPrivilege

from odoo import fields, models
from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.orm.model_classes import add_to_registry
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.g2p_bulk.tools import changes


class Scheme(models.Model):
    _name = "g2p.bulk.test.scheme"
    _inherit = ["g2p.change.mixin"]
    _description = "Scheme"
    _module = "g2p_bulk"

    _unwatched_fields = {"counter": "moves by itself"}
    _secret_fields = ("password",)

    name = fields.Char(translate=True)
    company_id = fields.Many2one("res.company")
    amount = fields.Float()
    kind = fields.Selection([("a", "First"), ("b", "Second")])
    open = fields.Boolean()
    counter = fields.Integer()
    password = fields.Char()
    paper = fields.Binary(attachment=False)
    country_id = fields.Many2one("res.country")
    country_ids = fields.Many2many("res.country")
    double = fields.Float(compute="_compute_double", store=True)

    def _compute_double(self):
        for scheme in self:
            scheme.double = 2 * scheme.amount


class Rule(models.Model):
    _name = "g2p.bulk.test.rule"
    _inherit = ["g2p.change.mixin"]
    _description = "Rule"
    _module = "g2p_bulk"
    _changes_on = "scheme_id"

    name = fields.Char()
    scheme_id = fields.Many2one("g2p.bulk.test.scheme", ondelete="cascade")
    company_id = fields.Many2one(related="scheme_id.company_id")


class Term(models.Model):
    _name = "g2p.bulk.test.term"
    _inherit = ["g2p.change.mixin"]
    _description = "Term"
    _module = "g2p_bulk"
    _changes_on = "rule_id.scheme_id"
    _watched_fields = ("value",)
    _changes_where = "row.value > 0"

    rule_id = fields.Many2one("g2p.bulk.test.rule", ondelete="cascade")
    value = fields.Integer()
    note = fields.Char()


MODELS = (Scheme, Rule, Term)
for definition in MODELS:
    # For this test alone: a registry that is loaded after this file would have them without their tables.
    models.MetaModel._module_to_models__["g2p_bulk"].remove(definition)


@tagged("post_install", "-at_install")
class TestChanges(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        names = [model._name for model in MODELS]
        cls.addClassCleanup(cls.forget, names)
        for model in MODELS:
            add_to_registry(cls.registry, model)
        cls.registry._setup_models__(cls.cr, [])
        cls.registry.init_models(cls.cr, names, {"module": "g2p_bulk"})
        cls.history = cls.env["g2p.change.history"]
        cls.history._install_triggers()
        groups = "base.group_user,g2p_bulk.group_g2p_bulk_user"
        cls.clerk = new_test_user(cls.env, "change_clerk", groups=groups)
        cls.auditor = new_test_user(
            cls.env, "change_auditor", groups="base.group_user,g2p_bulk.group_g2p_change_auditor"
        )
        for name in names:
            cls.env["ir.model.access"].create(
                {
                    "name": name,
                    "model_id": cls.env["ir.model"]._get_id(name),
                    "group_id": cls.env.ref("g2p_bulk.group_g2p_bulk_user").id,
                    "perm_read": True,
                    "perm_write": True,
                    "perm_create": True,
                    "perm_unlink": True,
                }
            )
        cls.scheme = cls.env["g2p.bulk.test.scheme"].with_user(cls.clerk).create({"name": "Cash", "amount": 10})
        cls.env.flush_all()

    @classmethod
    def forget(cls, names):
        for name in names:
            del cls.registry[name]
        with cls.registry.cursor() as cr:
            cls.registry._setup_models__(cr)

    def changes(self, records, *columns):
        self.env.flush_all()
        rows = self.history.search([("res_model", "=", records._name), ("res_id", "in", records.ids)], order="id")
        return [tuple(row[column] for column in columns) for row in rows]

    def later(self, records):
        """What is on record of these since the test began to change them."""
        self.env.flush_all()
        return self.history.search(
            [("res_model", "=", records._name), ("res_id", "in", records.ids), ("operation", "!=", "create")],
            order="id",
        )

    def test_creation_is_on_record_with_its_values(self):
        self.assertEqual(
            set(self.changes(self.scheme, "operation", "field", "old_value", "new_value", "user_id")),
            {
                ("create", False, False, "Cash", self.clerk),
                ("create", "name", False, "Cash", self.clerk),
                ("create", "amount", False, "10", self.clerk),
            }
            | {("create", "open", False, "false", self.clerk)}
            & set(self.changes(self.scheme, "operation", "field", "old_value", "new_value", "user_id")),
        )

    def test_old_and_new_value_by_whom(self):
        self.scheme.write({"amount": 12, "kind": "b", "country_id": self.env.ref("base.np").id})
        rows = self.later(self.scheme)
        self.assertEqual(rows.user_id, self.clerk)
        self.assertEqual(
            {row.field: (row.old_value, row.new_value) for row in rows},
            {
                "amount": ("10", "12"),
                "kind": (False, "b"),
                "country_id": (False, f"Nepal (#{self.env.ref('base.np').id})"),
            },
        )
        kind = rows.filtered(lambda row: row.field == "kind")
        self.assertEqual((kind.field_name, kind.new_text), ("Kind", "Second"))

    def test_what_did_not_change_is_not_on_record(self):
        self.scheme.write({"amount": 10, "counter": 5})
        self.assertFalse(self.later(self.scheme))

    def test_two_writes_of_one_transaction_are_two_changes(self):
        self.scheme.write({"amount": 11})
        self.env.flush_all()
        self.scheme.with_user(self.auditor).sudo().write({"amount": 12})
        self.assertEqual(
            [(row.old_value, row.new_value, row.user_id) for row in self.later(self.scheme)],
            [("10", "11", self.clerk), ("11", "12", self.auditor)],
        )

    def test_plain_sql_is_on_record_and_put_down_to_nobody(self):
        self.env.cr.execute("UPDATE g2p_bulk_test_scheme SET write_date = '2020-01-01' WHERE id = %s", [self.scheme.id])
        self.env.cr.execute("UPDATE g2p_bulk_test_scheme SET amount = 99 WHERE id = %s", [self.scheme.id])
        row = self.later(self.scheme)
        self.assertEqual((row.old_value, row.new_value, bool(row.user_id)), ("10", "99", False))

    def test_plain_sql_that_says_who_and_why(self):
        with self.history._because("A court order", self.auditor):
            self.env.cr.execute("DELETE FROM g2p_bulk_test_scheme WHERE id = %s", [self.scheme.id])
        rows = self.later(self.scheme)
        self.assertEqual((set(rows.mapped("reason")), rows.user_id), ({"A court order"}, self.auditor))
        self.env.cr.execute("SELECT current_setting('g2p.reason', true), current_setting('g2p.user_id', true)")
        self.assertEqual(self.env.cr.fetchone(), ("", ""))

    def test_a_reason_comes_by_the_context_and_stays_with_its_change(self):
        other = self.scheme.copy()
        other.amount = 70
        self.scheme.with_context(g2p_reason="Typing error").write({"amount": 100})
        self.assertEqual(self.later(self.scheme).reason, "Typing error")
        self.assertEqual(self.later(other).mapped("reason"), [False])

    def test_deletion_keeps_the_values(self):
        self.scheme.kind = "a"
        self.env.flush_all()
        scheme, number = self.scheme, self.scheme.id
        scheme.unlink()
        rows = self.history.search(
            [("res_model", "=", scheme._name), ("res_id", "=", number), ("operation", "=", "unlink")]
        )
        self.assertEqual(rows.user_id, self.clerk)
        self.assertLessEqual(
            {(False, "Cash", False), ("amount", "10", False), ("kind", "a", False)},
            {(row.field, row.old_value, row.new_value) for row in rows},
        )

    def test_links_are_on_record(self):
        nepal, kenya = self.env.ref("base.np"), self.env.ref("base.ke")
        self.scheme.country_ids = nepal
        self.scheme.country_ids = [Command.unlink(nepal.id), Command.link(kenya.id)]
        rows = self.later(self.scheme)
        self.assertEqual(rows.user_id, self.clerk)
        self.assertEqual(
            {(row.field, row.old_value, row.new_value) for row in rows},
            {
                ("country_ids", False, f"Nepal (#{nepal.id})"),
                ("country_ids", f"Nepal (#{nepal.id})", False),
                ("country_ids", False, f"Kenya (#{kenya.id})"),
            },
        )

    def test_secrets_and_files_are_kept_as_digests(self):
        self.scheme.write({"password": "open sesame", "paper": b"aGVsbG8="})
        self.env.flush_all()
        self.scheme.write({"password": "sesame street"})
        rows = self.later(self.scheme)
        self.assertEqual(sorted(rows.mapped("field")), ["paper", "password", "password"])
        for row in rows:
            self.assertRegex(row.new_value, r"^sha256:[0-9a-f]{16}$")
        self.assertNotIn("sesame", str(rows.read(["old_value", "new_value"])))

    def test_translations_are_kept(self):
        self.scheme.name = "Money"
        row = self.later(self.scheme)
        self.assertEqual((row.old_value, row.new_value), ("Cash", "Money"))

    def test_what_belongs_to_a_record_is_shown_with_it(self):
        rule = self.env["g2p.bulk.test.rule"].create({"name": "Poor", "scheme_id": self.scheme.id})
        term = self.env["g2p.bulk.test.term"].create({"rule_id": rule.id, "value": 1})
        term.value = 2
        self.env.flush_all()
        term.value = 3
        self.env.flush_all()
        rule.unlink()
        for record in (self.scheme, rule):
            domain = (
                record.action_view_changes()["domain"]
                if record.exists()
                else [
                    "|",
                    "&",
                    ("res_model", "=", rule._name),
                    ("res_id", "=", rule.id),
                    "&",
                    ("parent_model", "=", rule._name),
                    ("parent_id", "=", rule.id),
                ]
            )
            rows = self.history.search(domain)
            self.assertIn(
                (term._name, "1", "2"), rows.mapped(lambda row: (row.res_model, row.old_value, row.new_value))
            )
            self.assertIn(
                (rule._name, "unlink", "Poor"), rows.mapped(lambda row: (row.res_model, row.operation, row.old_value))
            )
        # A term that went with its rule is still found on the scheme.
        gone = self.history.search([("res_model", "=", term._name), ("operation", "=", "unlink")])
        self.assertEqual(
            set(gone.mapped(lambda row: (row.owner_model, row.owner_id))), {(self.scheme._name, self.scheme.id)}
        )

    def test_a_move_stands_on_both_owners(self):
        other = self.scheme.copy()
        rule = self.env["g2p.bulk.test.rule"].create({"name": "Poor", "scheme_id": self.scheme.id})
        self.env.flush_all()
        rule.scheme_id = other
        rows = self.later(rule)
        self.assertEqual(set(rows.mapped("owner_id")), {self.scheme.id, other.id})

    def test_only_rows_of_the_condition_and_no_creation_where_fields_are_named(self):
        rule = self.env["g2p.bulk.test.rule"].create({"name": "Poor", "scheme_id": self.scheme.id})
        term = self.env["g2p.bulk.test.term"].create({"rule_id": rule.id, "value": -2, "note": "x"})
        term.value = -3
        self.env.flush_all()
        term.note = "y"
        self.assertFalse(self.changes(term, "field"))
        term.value = 3
        self.assertEqual(self.changes(term, "field", "new_value"), [("value", "3")])

    def test_history_is_append_only(self):
        for statement in (
            "UPDATE g2p_change_history SET new_value = '0'",
            "DELETE FROM g2p_change_history",
            "TRUNCATE g2p_change_history",
        ):
            with (
                self.subTest(statement),
                mute_logger("odoo.sql_db"),
                self.assertRaises(InsufficientPrivilege),
                self.cr.savepoint(),
            ):
                self.cr.execute(statement)
        row = self.history.search([], limit=1)
        for user in (self.clerk, self.auditor, self.env.ref("base.user_admin")):
            mine = row.with_user(user)
            for attempt in (
                lambda r: r.write({"new_value": "0"}),
                lambda r: r.unlink(),
                lambda r: r.create({"res_model": "x"}),
            ):
                with self.subTest(user.login), self.assertRaises(AccessError):
                    attempt(mine)

    def test_changes_are_as_visible_as_their_owner(self):
        self.scheme.amount = 11
        self.env.flush_all()
        domain = [("res_model", "=", self.scheme._name), ("res_id", "=", self.scheme.id)]
        self.assertTrue(self.history.with_user(self.clerk).search(domain))
        self.env["ir.rule"].create(
            {
                "name": "none",
                "model_id": self.env["ir.model"]._get_id(self.scheme._name),
                "domain_force": "[('amount', '>', 1000)]",
            }
        )
        self.assertFalse(self.history.with_user(self.clerk).search(domain))
        # Settings have no rows to hide: who audits sees them, in the own companies.
        self.assertTrue(self.history.with_user(self.auditor).search(domain))
        company = self.env["res.company"].create({"name": "Elsewhere"})
        foreign = self.env["g2p.bulk.test.scheme"].create({"name": "Foreign", "company_id": company.id})
        self.env.flush_all()
        self.assertFalse(
            self.history.with_user(self.auditor).search(
                [("res_model", "=", foreign._name), ("res_id", "=", foreign.id)]
            )
        )

    def test_people_are_hidden_from_auditors_too(self):
        self.patch(type(self.env["g2p.bulk.test.scheme"]), "_changes_personal", True)
        domain = [("res_model", "=", self.scheme._name), ("res_id", "=", self.scheme.id)]
        self.assertTrue(self.history.with_user(self.auditor).search(domain))
        self.env["ir.rule"].create(
            {
                "name": "none",
                "model_id": self.env["ir.model"]._get_id(self.scheme._name),
                "domain_force": "[('amount', '>', 1000)]",
            }
        )
        self.assertFalse(self.history.with_user(self.auditor).search(domain))

    def test_installing_again_changes_nothing(self):
        with self.assertQueryCount(2):
            self.history._install_triggers()

    def test_a_trigger_that_went_with_its_column_comes_back(self):
        self.env.cr.execute("DROP TRIGGER g2p_changes_update ON g2p_bulk_test_scheme")
        self.history._install_triggers()
        self.scheme.amount = 11
        self.assertTrue(self.later(self.scheme))

    def test_a_column_that_goes_with_its_module_stops_nothing(self):
        self.env["ir.model.fields"]._get(self.scheme._name, "kind")._drop_column()
        self.env.cr.execute("UPDATE g2p_bulk_test_scheme SET amount = 11 WHERE id = %s", [self.scheme.id])
        self.assertEqual(self.changes(self.scheme, "field", "new_value")[-1], ("amount", "11"))

    def test_what_is_left_behind_works_without_the_history(self):
        self.patch(self.registry["g2p.change.history"], "_ending", False)
        self.history._drop_triggers()
        self.history._install_triggers()
        self.env.cr.execute("DROP TABLE g2p_change_history")
        self.scheme.amount = 11
        self.env.flush_all()
        self.scheme.unlink()

    def test_a_model_that_is_no_longer_watched_loses_its_trigger(self):
        self.patch(type(self.history), "_watched_models", lambda history: [])
        self.history._install_triggers()
        self.scheme.amount = 11
        self.assertFalse(self.later(self.scheme))

    def test_a_function_whose_table_is_gone_goes_too_however_long_its_name(self):
        name = "g2p_changes_".ljust(63, "x")
        self.env.cr.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        self.history._install_triggers()
        self.env.cr.execute("SELECT FROM pg_proc WHERE proname = %s", [name])
        self.assertFalse(self.env.cr.rowcount)

    def test_names_of_functions_fit(self):
        self.assertLessEqual(len(changes.short(changes.PREFIX + "x" * 100)), 63)
