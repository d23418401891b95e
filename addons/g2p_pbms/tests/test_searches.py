"""Whatever is asked of a search is answered: by rows, or by a sentence that says why not. Never by a traceback or by wrong rows."""

import itertools

from odoo.exceptions import UserError
from odoo.orm.domains import STANDARD_CONDITION_OPERATORS
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.g2p_programs.tests.money import MoneyCase

OPERATORS = sorted(
    STANDARD_CONDITION_OPERATORS - {"any!", "not any!"} | {"=", "!=", "<>", "=?", "child_of", "parent_of"}
)
ASKED = ("x", "12", "2026-01-01", 3, 10**12, True, False, ["x", 1, False], "a%_\\b")
# Of which "not known" is found by neither yes nor no, as the field says.
THREE_VALUED = {("res.partner", "z_ind_grp_is_female_headed")}
NAMED = ("ilike", "not ilike", "like", "not like", "=", "!=", "in", "not in", "=like", "=ilike")


@tagged("post_install", "-at_install")
class TestSearches(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cycle = cls.paid_out()
        cls.admin = new_test_user(
            cls.env,
            login="searches",
            groups="base.group_system,g2p_registry_base.group_g2p_admin,g2p_programs.g2p_program_manager,"
            "g2p_programs.g2p_finance_validator,g2p_outbox.group_g2p_outbox_admin",
        )

    def models(self):
        for name, model in sorted(self.env.registry.items()):
            if not model._abstract and not model._transient and ".test." not in name:
                yield self.env[name].with_user(self.admin)

    def own_name(self, model):
        """Whether its records are found by their name in a way of its own."""
        return any(
            owner.__module__.startswith("odoo.addons.g2p_")
            and owner.__module__ != "odoo.addons.g2p_bulk.models.base"
            and {"_search_display_name", "_rec_names_search"} & set(vars(owner))
            for owner in type(model).mro()
        )

    def searched(self):
        """Every field of the suite that is searched by a method, and every name of a record of the suite that is."""
        for model in self.models():
            for name, field in model._fields.items():
                own = field.search and not field.related and (field._module or "").startswith("g2p_")
                if (own or (name == "display_name" and self.own_name(model))) and model.has_access("read"):
                    yield model, name

    @mute_logger("odoo.domains")
    def test_every_operator_and_kind_of_value(self):
        fields_ = list(self.searched())
        self.assertGreater(len(fields_), 70)
        for model, name in fields_:
            # What PostgreSQL refuses fails the test: then nothing else is asked of this field.
            with self.subTest(model._name, field=name), self.cr.savepoint():
                for operator, value in itertools.product(OPERATORS, ASKED):
                    try:
                        model.search([(name, operator, value)], limit=1).ids  # noqa: B018 – reads the rows
                    except UserError as refusal:
                        self.assertGreater(len(str(refusal)), 20)
                    except Exception as error:
                        self.fail(f"{operator} {value!r}: {type(error).__name__} {error}")

    def of_the_suite(self, nameless=False):
        for model in self.models():
            ours = (type(model)._original_module or "").startswith("g2p_")
            has_name = bool(model._rec_name or model._rec_names_search)
            if ours and model.has_access("read") and has_name != nameless:
                yield model

    def test_what_has_no_name_is_found_by_none(self):
        """Odoo's own answer is every record, with a line in the log."""
        nameless = {model._name for model in self.of_the_suite(nameless=True)}
        self.assertIn("g2p.pmt.class", nameless)
        self.assertFalse(
            {
                name
                for name in nameless
                if self.env[name]._compute_display_name.__module__.startswith("odoo.addons.g2p_")
            },
            "what is shown by a name of its own is found by it: see _rec_names_search",
        )
        for model in self.of_the_suite(nameless=True):
            with self.subTest(model._name):
                with self.assertRaisesRegex(UserError, "no name to be found by"):
                    model.name_search("x", limit=3)
                self.assertIsInstance(model.name_search("", limit=3), list)

    def test_a_text_that_nothing_shows_finds_nothing(self):
        text = "Qzxv no such thing 8471"
        asked = 0
        for model in self.of_the_suite():
            with self.subTest(model._name):
                asked += bool(model.search([], limit=1))
                self.assertEqual(model.name_search(text, limit=3), [])
                self.assertFalse(model.search([("display_name", "=", text)], limit=3))
        self.assertGreater(asked, 30)

    def test_members_and_relations_are_found_by_who_they_are_about(self):
        members = self.large.group_membership_ids.with_user(self.admin)
        self.assertIn(members[0].id, dict(members.name_search(members[0].individual.name)))
        self.assertLessEqual(set(members.ids), set(dict(members.name_search("Large"))))
        self.assertFalse(set(members.ids) & set(dict(members.name_search("Small"))))

    def test_everything_is_found_by_its_name(self):
        for model in self.of_the_suite():
            for operator in NAMED:
                with self.subTest(model._name, operator=operator):
                    value = ["x"] if operator.endswith("in") else "x"
                    self.assertIsInstance(model.name_search("x", operator=operator, limit=3), list)
                    self.assertIsInstance(model.search([("display_name", operator, value)], limit=3).ids, list)
            with self.subTest(model._name):
                self.assertIsInstance(model.name_search("", limit=3), list)

    def test_managers_by_the_names_of_what_they_are(self):
        reference = self.grant.with_user(self.admin).entitlement_managers[:1]
        self.assertTrue(reference.name)
        for model in (reference, reference.with_user(self.manager)):
            self.assertIn(reference, model.search([("name", "=", reference.name)]))
            self.assertNotIn(reference, model.search([("name", "!=", reference.name)]))
            self.assertIn(reference.id, dict(model.name_search(reference.name[:4])))
        entitlement = self.entitlements(self.cycle)[0].with_user(self.manager)
        self.assertIn(entitlement.id, dict(entitlement.name_search(entitlement.ern)))

    def test_what_is_found_is_what_is_shown(self):
        """Of the rows that there are, `=` finds those that show the value; `!=` none of them."""
        asked = 0
        for model, name in self.searched():
            field = model._fields[name]
            if name == "display_name" or field.store or field.type in ("one2many", "many2many"):
                continue
            rows = model.search([], limit=40)
            shown = {row: field.convert_to_write(row[name], row) for row in rows}
            values = list(
                dict.fromkeys(
                    value
                    for value in shown.values()
                    if value or (field.type == "boolean" and (model._name, name) not in THREE_VALUED)
                )
            )
            for value in values[:3]:
                with self.subTest(model._name, field=name, value=value):
                    expected = {row.id for row, own in shown.items() if own == value}
                    among = [("id", "in", rows.ids)]
                    try:
                        found = set(model.search([(name, "=", value), *among]).ids)
                        others = set(model.search([(name, "!=", value), *among]).ids)
                    except UserError:
                        continue  # said in a sentence
                    asked += 1
                    self.assertEqual(found, expected, f"{model._name}.{name} = {value!r}")
                    self.assertFalse(others & expected, f"{model._name}.{name} != {value!r}")
        self.assertGreater(asked, 10)
