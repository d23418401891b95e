import base64
import io
from unittest.mock import patch

import openpyxl

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.g2p_bulk.tests.statements import counting_statements

from .common import ProgramsCase

PREFIX = "g2p.program_membership.manager."


@tagged("post_install", "-at_install")
class TestEligibilityManagers(ProgramsCase):
    """Each kind of manager on five people, the sets written down by hand."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.north = cls.env["g2p.area"].create({"name": "North", "code": "M-N"})
        cls.village = cls.env["g2p.area"].create({"name": "Village", "code": "M-N-V", "parent_id": cls.north.id})
        cls.south = cls.env["g2p.area"].create({"name": "South", "code": "M-S"})
        cls.displaced, cls.disabled = cls.env["g2p.registrant.tags"].create(
            [{"name": "M displaced"}, {"name": "M disabled"}]
        )
        cls.card = cls.env["g2p.id.type"].create({"name": "M card"})
        tag = lambda *tags: [(6, 0, [one.id for one in tags])]  # noqa: E731
        document = lambda value, **more: [(0, 0, {"id_type": cls.card.id, "value": value, **more})]  # noqa: E731
        cls.a = cls.individual("A", area_id=cls.village.id, tags_ids=tag(cls.displaced, cls.disabled), ref="REF-A")
        cls.b = cls.individual("B", area_id=cls.north.id, tags_ids=tag(cls.displaced), reg_ids=document("M-2"))
        cls.c = cls.individual("C", area_id=cls.south.id, reg_ids=document("M-3", status="invalid"))
        cls.d = cls.individual("D", reg_ids=document("M-4"), phone_number_ids=[(0, 0, {"phone_no": "+251911234567"})])
        cls.e = cls.household("E", [cls.a], area_id=cls.north.id, reg_ids=document("M-5"))
        cls.people = cls.a | cls.b | cls.c | cls.d | cls.e
        cls.grant = cls.program()
        cls.default = cls.grant.get_managers(cls.grant.MANAGER_ELIGIBILITY)[0]

    def make(self, kind, **values):
        return (
            self.env[PREFIX + kind]
            .with_user(self.manager)
            .create({"name": kind.title(), "program_id": self.grant.id, **values})
        )

    def among(self, query):
        self.env.flush_all()
        found = {row[0] for row in self.env.execute_query(query)}
        return self.people.filtered(lambda partner: partner.id in found)

    def check(self, manager, eligible, unknown=None):
        """The two sets, no registrant twice, and an explanation that says the same of everybody."""
        unknown = unknown or self.people.browse()
        self.assertEqual(self.among(manager._eligible_registrants()), eligible)
        self.assertEqual(self.among(manager._unknown_registrants()), unknown)
        for query in (manager._eligible_registrants(), manager._unknown_registrants()):
            rows = self.env.execute_query(query)
            self.assertEqual(len(rows), len(set(rows)))
        individuals = self.people - self.e
        told = manager.with_user(self.users["auditor"])._explain_registrants(individuals.ids)
        for person in individuals:
            expected = "yes" if person in eligible else "unknown" if person in unknown else "no"
            self.assertEqual(told[person.id]["verdict"], expected, person.name)
            self.assertTrue(told[person.id]["text"])
            if expected == "no":
                self.assertEqual(told[person.id]["code"], manager._reason_code)
        return {person: told[person.id] for person in individuals}

    def test_tags_of_registrants(self):
        tags = [(6, 0, (self.displaced | self.disabled).ids)]
        manager = self.make("tag", tag_ids=tags)
        self.check(manager, self.a | self.b)
        manager.tag_match = "all"
        told = self.check(manager, self.a)
        self.assertEqual(told[self.b]["text"], "Does not have all of the tags M disabled, M displaced")
        manager.tag_match = "none"
        told = self.check(manager, self.c | self.d)
        self.assertEqual(told[self.a]["facts"][-1]["actual"], "M disabled, M displaced")
        with self.assertRaises(ValidationError):
            self.make("tag")

    def test_areas(self):
        manager = self.make("area", area_ids=[(6, 0, self.north.ids)])
        told = self.check(manager, self.a | self.b, unknown=self.d)
        self.assertEqual(told[self.d]["text"], "Data missing: Area (Area)")
        self.assertEqual(told[self.c]["facts"][0]["text"], "Area: South; needed in or within: North")
        manager.area_match = "exclude"
        told = self.check(manager, self.c, unknown=self.d)
        self.assertEqual(told[self.a]["text"], "Lives in North, which is left out")
        with self.assertRaises(ValidationError):
            self.make("area")

    def test_a_kind_and_conditions_together(self):
        manager = self.make("area", area_ids=[(6, 0, self.north.ids)], eligibility_domain="[('ref', '=', 'REF-A')]")
        # B and D have no reference: of B nobody can tell, nor of D, whose area is missing too; C lives elsewhere.
        told = self.check(manager, self.a, unknown=self.b | self.d)
        self.assertEqual(told[self.c]["text"], "Does not live in North, or does not meet the conditions of “Area”")

    def test_id_document(self):
        manager = self.make("id_dedup", id_type_ids=[(6, 0, self.card.ids)])
        told = self.check(manager, self.b | self.d)
        self.assertEqual(
            told[self.c]["facts"][-1]["text"], "Valid ID document: M card (invalid); needed one of: M card"
        )
        self.assertNotIn("M-3", str(told), "the number of a document is nobody's reason")

    def test_phone(self):
        told = self.check(self.make("phone_number"), self.d)
        self.assertEqual(told[self.a]["facts"][-1]["text"], "Phone numbers in use: 0; needed at least 1")
        self.assertNotIn("251911234567", str(told))

    # Lists

    def load(self, manager, content, name="list.csv", user=None, **values):
        if isinstance(content, str):
            content = content.encode()
        wizard = (
            self.env["g2p.eligibility.list.load"]
            .with_user(user or self.manager)
            .create({"manager_id": manager.id, "file": base64.b64encode(content), "file_name": name, **values})
        )
        wizard.action_load()
        manager.invalidate_recordset()

    def test_list_by_id(self):
        manager = self.make("list")
        self.check(manager, self.people.browse())
        self.load(
            manager,
            "ID type,ID value\nM card,M-2\nm CARD, M-4 \nM card,M-3\nM card,M-9\nM card,\nPassport of Mars,X\nM card,M-5\n",
        )
        told = self.check(manager, self.b | self.d)
        self.assertEqual((manager.lines_count, manager.matched_count, manager.unmatched_count), (7, 2, 5))
        lines = self.env["g2p.eligibility.list.line"].search([("manager_id", "=", manager.id)])
        self.assertEqual(
            [(line.row_number, line.partner_id, line.problem) for line in lines],
            [
                (2, self.b, False),
                (3, self.d, False),
                (4, self.people.browse(), "not_found"),
                (5, self.people.browse(), "not_found"),
                (6, self.people.browse(), "empty"),
                (7, self.people.browse(), "type"),
                (8, self.people.browse(), "not_reachable"),
            ],
        )
        self.assertEqual(told[self.a]["text"], "Is not in the list “List”")
        self.assertEqual(told[self.b]["facts"][-1]["actual"], "in row 2")
        unmatched = self.env["g2p.eligibility.list.line"].search(manager.action_open_unmatched()["domain"])
        self.assertEqual(len(unmatched), 5)

    def test_list_by_reference_replaces_the_one_before(self):
        manager = self.make("list")
        self.load(manager, "ID value\nM-2\n", id_type_id=self.card.id)
        self.check(manager, self.b)
        self.load(manager, f"Registrant\nREF-A\n{self.c.id}\n999999999\n{self.e.id}\n")
        self.check(manager, self.a | self.c)
        self.assertEqual((manager.lines_count, manager.matched_count, manager.unmatched_count), (4, 2, 2))

    def test_list_from_a_workbook(self):
        book = openpyxl.Workbook()
        for row in (["ID type", "ID number"], ["M card", "M-4"], ["M card", "M-4"]):
            book.active.append(row)
        stream = io.BytesIO()
        book.save(stream)
        manager = self.make("list")
        self.load(manager, stream.getvalue(), "list.xlsx")
        self.check(manager, self.d)
        self.assertEqual(manager.matched_count, 2, "both lines name the same registrant")

    def test_list_names_nobody_by_an_id_that_two_hold(self):
        self.card.is_unique = False
        self.a.write({"reg_ids": [(0, 0, {"id_type": self.card.id, "value": "M-2"})]})
        manager = self.make("list")
        self.load(manager, "ID type,ID value\nM card,M-2\n")
        self.check(manager, self.people.browse())
        self.assertEqual(
            self.env["g2p.eligibility.list.line"].search([("manager_id", "=", manager.id)]).problem, "several"
        )

    def test_files_that_are_no_list(self):
        manager = self.make("list")
        self.load(manager, "ID type,ID value\nM card,M-2\n")
        for content, name in (
            ("Name\nA\n", "x.csv"),
            ("ID value\nM-2\n", "no type.csv"),
            ("ID type,ID value,Registrant\nM card,M-2,3\n", "both.csv"),
            (b"", "empty.csv"),
            (b"PK\x03\x04broken", "broken.xlsx"),
            ('ID type,ID value\nM card,"M-2\n', "quote.csv"),
        ):
            with self.subTest(name), self.assertRaises(UserError), self.env.cr.savepoint():
                self.load(manager, content, name)
        self.check(manager, self.b)

    def test_a_long_list_is_read_in_the_background(self):
        """A step of the program: the list of before counts until the new one is whole, and no step judges meanwhile."""
        manager, program = self.make("list"), self.grant
        self.load(manager, "Registrant\nREF-A\n")
        self.env["ir.config_parameter"].set_param("g2p_bulk.inline_threshold", "1")
        content = f"Registrant\n{self.c.id}\n999999999\n".encode()
        with patch.object(self.env.registry["g2p.bulk.operation"], "_runner_is_alive", lambda self: True):
            wizard = self.env["g2p.eligibility.list.load"].create(
                {"manager_id": manager.id, "file": base64.b64encode(content), "file_name": "list.csv"}
            )
            action = wizard.with_user(self.manager).action_load()
            self.assertIn("in the background", action["params"]["message"])
            self.check(manager, self.a)
            operation = program.operation_ids[0]
            self.assertEqual((operation.step, operation.state, operation.mode), ("load_list", "running", "queue"))
            with self.assertRaisesRegex(UserError, "Load a list"):
                program.with_user(self.manager).import_eligible_registrants()
            attachment = self.env["ir.attachment"].browse(operation.params["attachment"])
            with self.assertRaises(AccessError):
                attachment.with_user(self.users["admin"]).read(["raw"])
            operation.chunk_ids._run_job()
        operation.invalidate_recordset()
        self.assertEqual((operation.state, operation.counts), ("done", {"found": 1, "not_found": 1}))
        self.assertFalse(attachment.exists(), "the rows are kept, not the file")
        manager.invalidate_recordset()
        self.check(manager, self.c)
        self.assertEqual((manager.file_name, manager.loaded_by), ("list.csv", self.manager))
        self.assertIn("2 lines, 1 found", program.message_ids[0].body)
        lines = self.env["g2p.eligibility.list.line"].with_user(self.manager)
        for outcome, row in (("found", 2), ("not_found", 3)):
            action = operation.with_user(self.manager).action_open_outcome(outcome)
            self.assertEqual(lines.search(action["domain"]).mapped("row_number"), [row])
        self.load(manager, "Registrant\nREF-A\n")
        self.assertNotEqual(operation.action_open_outcome("found")["res_model"], "g2p.eligibility.list.line")

    @mute_logger("odoo.addons.g2p_bulk.models.bulk_operation")
    def test_a_long_list_that_can_not_be_read_leaves_the_one_before(self):
        manager, program = self.make("list"), self.grant
        self.load(manager, "Registrant\nREF-A\n")
        self.env["ir.config_parameter"].set_param("g2p_bulk.inline_threshold", "1")
        with patch.object(self.env.registry["g2p.bulk.operation"], "_runner_is_alive", lambda self: True):
            self.load(manager, "Name\nA\n")
            operation = program.operation_ids[0]
            operation.chunk_ids._run_job()
        operation.invalidate_recordset()
        self.assertEqual(operation.state, "failed")
        self.assertIn("must name the columns", operation.last_error)
        self.check(manager, self.a)
        with self.assertRaisesRegex(UserError, "Load a list"):
            program.with_user(self.manager).import_eligible_registrants()
        operation.action_cancel()
        self.assertFalse(self.env["ir.attachment"].browse(operation.params["attachment"]).exists())
        program.with_user(self.manager).import_eligible_registrants()

    def test_statements_of_a_list_do_not_grow_with_its_lines(self):
        counts = []
        for size in (10, 10, 10, 5_000):  # the first runs fill caches
            manager = self.make("list")
            with counting_statements(self.env.cr) as count:
                self.load(manager, "Registrant\n" + "".join(f"{number}\n" for number in range(size)))
            counts.append(count.statements)
        self.assertEqual(counts[-2], counts[-1])

    def test_a_copied_program_has_the_list_too(self):
        manager = self.make("list")
        self.load(manager, "ID type,ID value\nM card,M-2\n")
        copied = self.grant.copy().get_managers(self.grant.MANAGER_ELIGIBILITY)[-1]
        self.assertEqual((copied._name, copied.matched_count), (manager._name, 1))

    def test_who_may_load_a_list(self):
        manager = self.make("list")
        for role in ("validator", "registrar", "auditor", "finance"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.load(manager, "ID type,ID value\nM card,M-2\n", user=self.users[role])
        self.load(manager, "ID type,ID value\nM card,M-2\nM card,M-9\n")
        line = self.env["g2p.eligibility.list.line"].search([("manager_id", "=", manager.id)], limit=1)
        with self.assertRaises(AccessError):
            line.with_user(self.manager).write({"partner_id": self.c.id})
        officer = self.users["validator"]
        officer.g2p_area_ids = self.south
        seen = self.env["g2p.eligibility.list.line"].with_user(officer).search([("manager_id", "=", manager.id)])
        self.assertEqual(seen.mapped("value"), ["M-9"], "B lives in another district than the officer's")
        with self.assertRaises(AccessError):
            manager.with_user(officer).write({"name": "Mine"})

    def test_kinds_are_offered_with_words(self):
        wizard = (
            self.env["g2p.eligibility.manager.add"]
            .with_user(self.manager)
            .create({"program_id": self.grant.id, "kind": PREFIX + "tag"})
        )
        action = wizard.action_next()
        self.assertEqual(
            (action["res_model"], action["context"]),
            (PREFIX + "tag", {"default_program_id": self.grant.id, "default_name": "Tags"}),
        )
        kinds = [model for model, _words in wizard._selection_kind()]
        offered = [model for model, _label in self.env["g2p.eligibility.manager"]._selection_manager_ref_id()]
        self.assertEqual(kinds, offered)

    def test_conditions_that_do_not_parse_are_refused(self):
        for conditions in ("[('no_field', '=', 1)]", "[('area_id.nothing', '=', 1)]", "1 +"):
            with self.subTest(conditions), self.assertRaises(ValidationError):
                self.make("phone_number", eligibility_domain=conditions)

    def test_expired_documents(self):
        self.d.reg_ids.expiry_date = fields.Date.today().replace(year=2001)
        told = self.check(self.make("id_dedup"), self.b)
        self.assertEqual(told[self.d]["facts"][-1]["actual"], "M card (expired)")
