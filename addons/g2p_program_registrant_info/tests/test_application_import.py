import base64

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged

from odoo.addons.g2p_bulk.tests.statements import counting_statements

from .common import ApplicationCase

HEADER = "Name,Registrant ID,Rooms,Land,Roof,Works"


@tagged("post_install", "-at_install")
class TestApplicationImport(ApplicationCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.code = cls.env.ref("g2p_registry_base.id_type_registrant")
        cls.mapping = cls.new_mapping()

    @classmethod
    def new_mapping(cls, program=None, **values):
        columns = {
            "Name": {"target": "full_name"},
            "Registrant ID": {"target": "id", "id_type_id": cls.code.id},
            "Rooms": {"target": "application", "question": "rooms"},
            "Land": {"target": "application", "question": "land"},
            "Roof": {"target": "application", "question": "roof", "value_map": "grass = thatch"},
            "Works": {"target": "application", "question": "works"},
        }
        return cls.env["g2p.registrant.import.mapping"].create(
            {
                "name": "Applications",
                "target_type": "group",
                "program_id": (program or cls.grant).id,
                "line_ids": [(0, 0, {"column": column, **line}) for column, line in columns.items()],
                **values,
            }
        )

    def imported(self, *lines, user=None, **values):
        content = "\n".join([HEADER, *lines])
        record = (
            self.env["g2p.registrant.import"]
            .with_user(user or self.registrar)
            .create(
                {
                    "name": "applications.csv",
                    "file": base64.b64encode(content.encode()),
                    "mapping_id": self.mapping.id,
                    **values,
                }
            )
        )
        record.action_check()
        record.action_import()
        return record

    def application(self, name):
        return self.applications.search([("registrant_id.name", "=", name), ("program_id", "=", self.grant.id)])

    def test_who_only_views_the_registry_reads_a_mapping(self):
        viewer = new_test_user(self.env, "t_viewer", groups="g2p_registry_base.group_g2p_registry_viewer")
        mapping = self.mapping.with_user(viewer)
        mapping.get_views([(False, "form")])
        questions = {"line_ids": {"fields": {"column": {}, "question": {}}}}
        [shown] = mapping.web_read({"program_id": {"fields": {"display_name": {}}}, **questions})
        self.assertEqual(shown["line_ids"][2]["question"], "rooms")

    def test_rows_become_applications_of_draft_members(self):
        record = self.imported("Sow,A-1,2,1.5,grass,yes", "Bah,A-2,,,,", "Ly,A-3,two,1,tin,no")
        self.assertEqual((record.imported_count, record.refused_count), (2, 1))
        self.assertIn("is not a number: two", record.refused_line_ids.reason)
        application = self.application("Sow")
        self.assertEqual(
            dict(application.program_registrant_info._values),
            {"rooms": 2, "land": 1.5, "roof": "thatch", "works": True},
        )
        application._check_answers("program_registrant_info")
        member = application.program_membership_id
        self.assertEqual((member.state, member.partner_id.name, application.state), ("draft", "Sow", "active"))
        self.assertTrue(application.is_latest and not application.several and application.application_id)
        self.assertEqual(application.create_uid, self.registrar)
        self.assertEqual(self.history(member)[0][1], "draft")
        by_hand = self.apply(self.large, {"rooms": 1})
        self.assertEqual(len(by_hand.application_id), len(application.application_id), "numbers are of one kind")
        self.assertEqual(by_hand.definition_id, application.definition_id)
        self.assertFalse(self.application("Bah"), "who answers nothing does not apply")
        self.assertFalse(self.env["g2p.program_membership"].search([("partner_id.name", "=", "Bah")]))

    def test_who_is_registered_applies_once(self):
        update = {"existing_policy": "update", "match_id_type_id": self.code.id}
        self.imported("Sow,A-1,2,,,", "Bah,A-2,,,,", "Ly,A-3,,,,")
        gone = self.env["res.partner"].search([("name", "=", "Ly"), ("is_group", "=", True)], limit=1)
        self.member(self.grant, gone, "exited")
        record = self.imported("Sow,A-1,5,,,", "Bah,A-2,3,,,", "Ly,A-3,3,,,", **update)
        reasons = {line.row_number: line.reason for line in record.refused_line_ids}
        self.assertEqual(set(reasons), {2, 4})
        self.assertIn("has an application to the program already", reasons[2])
        self.assertIn("has left the program", reasons[4])
        self.assertEqual(self.application("Bah").program_registrant_info["rooms"], 3)
        self.grant.multiple_form_submission = True
        self.imported("Sow,A-1,7,,,", **update)
        applications = self.application("Sow").sorted("id")
        self.assertEqual([one.program_registrant_info["rooms"] for one in applications], [2, 7])
        self.assertEqual(applications.mapped("is_latest"), [False, True])

    def test_statements_do_not_grow_with_applications(self):
        counts = []
        for size in (3, 3, 200):  # the first run fills caches
            lines = [f"S{size}{number},{len(counts)}-{number},1,1,tin,yes" for number in range(size)]
            with counting_statements(self.env.cr) as count:
                record = self.imported(*lines)
            self.assertEqual(record.imported_count, size)
            counts.append(count.statements)
        self.assertEqual(counts[1], counts[2])

    def test_the_program_must_fit(self):
        for values in ({"target_type": "individual"}, {"company_id": False}):
            with self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.new_mapping(name="Other", **values)
        other = self.env["res.company"].create({"name": "Other ministry"})
        with self.assertRaises(ValidationError), self.env.cr.savepoint():
            self.new_mapping(name="Other", company_id=other.id)
        stranger = new_test_user(
            self.env,
            "app_stranger",
            groups="g2p_registry_base.group_g2p_registrar",
            company_id=other.id,
            company_ids=[(6, 0, other.ids)],
        )
        with self.assertRaises(UserError):
            self.env["g2p.registrant.import.mapping"].with_user(stranger).create(
                {"name": "Theirs", "target_type": "group", "program_id": self.grant.id}
            )
        self.mapping.program_id = False
        with self.assertRaisesRegex(UserError, "question is not asked|which program"):
            self.imported("Sow,A-1,2,,,")
        self.mapping.program_id = self.grant
        self.grant.sudo().state = "ended"
        with self.assertRaisesRegex(UserError, "is not active"):
            self.imported("Sow,A-1,2,,,")

    def test_only_who_may_apply_for_others_imports_applications(self):
        admin = self.users.get("admin") or self.env.ref("base.user_admin")
        self.assertTrue(self.imported("Sow,A-1,2,,,", user=admin).imported_count)
        for role in ("manager", "finance", "auditor"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.imported("Bah,A-2,2,,,", user=self.users[role])

    def test_a_question_of_the_program_is_offered(self):
        lines = self.env["g2p.registrant.import.mapping.line"].with_user(self.registrar)
        self.assertIn(("land", f"{self.grant.name}: Land in hectares"), lines._selection_question())
