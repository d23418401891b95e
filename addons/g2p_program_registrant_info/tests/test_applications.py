import base64

import psycopg2

from odoo import Command, fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from .common import PDF, ApplicationCase


@tagged("post_install", "-at_install")
class TestApplications(ApplicationCase):
    # -- applying

    def test_who_applies_becomes_a_draft_member_and_gets_a_number(self):
        application = self.apply(self.large, {"rooms": 2, "roof": "tin"})
        self.assertRegex(application.application_id, fields.Date.today().strftime("^%d%m%y") + r"\d{5,}$")
        self.assertEqual((application.state, application.is_latest), ("active", True))
        self.assertEqual(application.program_membership_id, self.membership(self.large))
        self.assertEqual(application.program_membership_id.state, "draft")
        self.assertEqual(application.definition_id, self.grant.definition_id)
        self.assertEqual(application.answers_text, "Rooms: 2\nRoof: Tin")
        member = self.member(self.grant, self.small, "enrolled")
        other = self.applications.create({"program_membership_id": member.id})
        self.assertEqual((other.registrant_id, other.program_id), (self.small, self.grant))
        self.assertNotEqual(other.application_id, application.application_id)
        self.assertEqual(member.latest_registrant_info, other)

    def test_many_are_numbered_by_one_statement_and_stay_unique(self):
        families = [self.household(f"Family {number}") for number in range(5)]
        made = self.applications.create(
            [{"registrant_id": family.id, "program_id": self.grant.id} for family in families]
        )
        self.assertEqual(len(set(made.mapped("application_id"))), 5)

    def test_one_application_unless_the_program_allows_several(self):
        first = self.apply(self.large)
        with self.assertRaisesRegex(UserError, "has an application to Family Grant already"):
            self.apply(self.large)
        first.with_user(self.validator).action_close()
        second = self.apply(self.large)
        self.assertEqual((first.is_latest, second.is_latest), (False, True))
        self.grant.with_user(self.manager).multiple_form_submission = True
        third = self.apply(self.large)
        self.assertEqual(self.membership(self.large).latest_registrant_info, third)
        self.assertEqual(self.membership(self.large).applications_count, 3)
        self.grant.with_user(self.manager).multiple_form_submission = False
        with self.assertRaises(UserError):
            self.apply(self.large)

    @mute_logger("odoo.sql_db")
    def test_the_database_keeps_one_open_and_one_latest(self):
        application = self.apply(self.large)
        copied = """
            INSERT INTO g2p_program_registrant_info (
                application_id, applied_date, program_membership_id, registrant_id, program_id, definition_id, state, is_latest)
            SELECT 'twice', applied_date, program_membership_id, registrant_id, program_id, definition_id, %s, %s
              FROM g2p_program_registrant_info WHERE id = %s
            """
        for state, latest, constraint in (
            ("active", False, "one_alive"),
            ("completed", False, "one_alive"),
            ("rejected", True, "one_latest"),
        ):
            with self.subTest(state), self.assertRaises(psycopg2.IntegrityError) as refused, self.env.cr.savepoint():
                self.env.cr.execute(copied, [state, latest, application.id])
            self.assertIn(constraint, str(refused.exception))
        self.env.cr.execute(copied, ["rejected", False, application.id])

    def test_nobody_applies_to_what_is_over(self):
        member = self.member(self.grant, self.large, "exited")
        with self.assertRaisesRegex(UserError, "has left Family Grant"):
            self.applications.create({"program_membership_id": member.id})
        self.grant.end_program()
        with self.assertRaisesRegex(UserError, "has ended"):
            self.apply(self.small)
        left = self.applications.create(
            {"program_membership_id": self.member(self.program("New Grant", "group"), self.small).id}
        )
        left.program_id.with_user(self.manager).end_program()
        with self.assertRaisesRegex(UserError, "is not active"):
            self.applications.create({"program_membership_id": left.program_membership_id.id})
        with self.assertRaisesRegex(UserError, "of a registrant, to a program"):
            self.applications.create({"program_id": self.grant.id})

    def test_an_application_stays_where_it_is(self):
        application = self.apply(self.large)
        for vals in (
            {"registrant_id": self.small.id},
            {"program_membership_id": self.member(self.grant, self.small).id},
            {"definition_id": self.grant.definition_id.id},
        ):
            with self.subTest(vals), self.assertRaises(UserError):
                application.write(vals)
        with self.assertRaises(UserError):
            application.copy()

    # -- answers

    def test_answers_are_of_their_types_on_every_inlet(self):
        application = self.apply(self.large, {"rooms": 2})
        for answers in ({"rooms": "two"}, {"roof": "gold"}, {"works": "yes"}, {"chairs": 4}, {"land": "much"}):
            with self.subTest(answers):
                with self.assertRaises(ValidationError), self.env.cr.savepoint():
                    application.with_user(self.registrar).write({"program_registrant_info": answers})
                with self.assertRaises(ValidationError), self.env.cr.savepoint():
                    self.apply(self.small, answers)
                [(name, value)] = answers.items()
                listed = [{"name": name, "type": "char", "value": value}]
                with self.assertRaises(ValidationError), self.env.cr.savepoint():
                    application.with_user(self.registrar).write({"program_registrant_info": listed})
        self.assertEqual(dict(application.program_registrant_info._values), {"rooms": 2})

    def test_answers_are_searched_and_read_by_sql(self):
        rich = self.apply(self.large, {"rooms": 6, "land": 2.5, "works": True})
        silent = self.apply(self.small)
        mine = [("id", "in", (rich | silent).ids)]
        self.assertEqual(self.applications.search([*mine, ("program_registrant_info.rooms", ">", 5)]), rich)
        info = self.applications
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                "SELECT %s, %s::float8, %s FROM g2p_program_registrant_info AS info WHERE id = ANY(%s) ORDER BY id",
                info._property_sql("info", "program_registrant_info", "rooms", "integer"),
                info._property_sql("info", "program_registrant_info", "land", "float"),
                info._property_sql("info", "program_registrant_info", "works", "boolean"),
                (rich | silent).ids,
            )
        )
        self.assertEqual(rows, [(6, 2.5, True), (None, None, None)])

    def test_questions_are_defined_on_the_program_and_sample_answers_are_not_kept(self):
        program = self.grant.with_user(self.manager)
        questions = program.read(["application_preview"])[0]["application_preview"]
        questions.append(
            {"name": "cattle", "string": "Cattle", "type": "integer", "definition_changed": True, "value": 4}
        )
        program.write({"application_preview": questions})
        self.assertIn("cattle", [question["name"] for question in self.grant.definition_id.application_schema])
        self.assertFalse(
            any(question.get("value") for question in program.read(["application_preview"])[0]["application_preview"])
        )
        self.assertEqual(self.apply(self.large, {"cattle": 3}).program_registrant_info["cattle"], 3)
        with self.assertRaises(ValidationError), self.env.cr.savepoint():
            self.grant.definition_id.application_schema = [{"name": "a", "string": "A", "type": "datetime"}]
        with self.assertRaises(AccessError):
            self.grant.with_user(self.validator).write({"application_preview": questions})

    # -- enrolment takes applications up

    def test_enrolling_takes_up_the_latest_application_one_by_one_and_in_bulk(self):
        one, other = self.apply(self.large), self.apply(self.small)
        untouched = self.apply(self.household("Another"), program=self.program("Other Grant", "group"))
        one.program_membership_id.with_user(self.validator).enroll_eligible_registrants()
        self.assertEqual((one.state, other.state), ("inprogress", "active"))
        self.grant.with_user(self.validator).enroll_eligible_registrants()
        self.assertEqual((one.state, other.state, untouched.state), ("inprogress", "inprogress", "active"))
        self.assertEqual(self.history(other), [("active", "inprogress", None)])

    def test_an_attempt_that_finds_nobody_eligible_takes_it_up_too(self):
        application = self.apply(self.large)
        self.large._disable("Duplicate entry")
        application.program_membership_id.with_user(self.validator).enroll_eligible_registrants()
        self.assertEqual((application.program_membership_id.state, application.state), ("not_eligible", "inprogress"))

    def test_verifying_takes_up_nothing(self):
        member = self.member(self.grant, self.large, "enrolled")
        application = self.applications.create({"program_membership_id": member.id})
        self.grant.with_user(self.validator).verify_eligibility()
        self.assertEqual(application.state, "active")

    # -- endings

    def test_who_leaves_has_no_open_application(self):
        application = self.apply(self.large)
        kept = self.apply(self.small)
        application.program_membership_id._transition("exited", "Moved away")
        self.assertEqual((application.state, kept.state), ("closed", "active"))
        [row] = self.history(application)
        self.assertEqual(row[:2], ("active", "closed"))

    def test_applications_to_a_program_that_ends_are_closed_in_one_statement_a_chunk(self):
        one, other = self.apply(self.large), self.apply(self.small)
        self.assess(other)
        other.with_user(self.validator)._reject("Too rich")
        self.grant.with_user(self.manager).end_program()
        self.assertEqual((one.state, other.state), ("closed", "rejected"))
        self.assertEqual(self.counts(self.grant, "close_applications"), {"closed": 1})
        self.assertEqual(self.history(one), [("active", "closed", "The program has ended")])

    # -- assessments

    def test_an_assessment_says_who_and_when_and_stays(self):
        application = self.apply(self.large)
        assessment = self.assess(application)
        self.assertEqual(
            (assessment.author_id, assessment.program_membership_id), (self.validator, self.membership(self.large))
        )
        with self.assertRaisesRegex(UserError, "stays as it was written"):
            assessment.with_user(self.validator).write({"remarks": "Not so"})
        with self.assertRaises(AccessError):
            assessment.with_user(self.validator).unlink()
        with self.assertRaises(UserError):
            assessment.unlink()
        with self.assertRaisesRegex(UserError, "set by the system"):
            self.env["g2p.program.assessment"].with_user(self.validator).create(
                {"remarks": "Fine", "registrant_info_id": application.id, "author_id": self.manager.id}
            )
        for statement in (
            "UPDATE g2p_program_assessment SET remarks = 'x' WHERE id = %s",
            "DELETE FROM g2p_program_assessment WHERE id = %s",
        ):
            with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.IntegrityError), self.env.cr.savepoint():
                self.env.cr.execute(statement, [assessment.id])
        with self.assertRaises(UserError):
            application.program_membership_id.unlink()

    def test_rejecting_needs_an_assessment_and_a_reason(self):
        application = self.apply(self.large)
        with self.assertRaisesRegex(UserError, "not assessed yet"):
            application.with_user(self.validator).action_reject()
        self.assess(application)
        action = application.with_user(self.validator).action_reject()
        wizard = (
            self.env["g2p.application.reject.wizard"]
            .with_user(self.validator)
            .with_context(**action["context"])
            .create({"reason": "Owns land"})
        )
        self.assertEqual(wizard.count, 1)
        wizard.action_reject()
        self.assertEqual(self.history(application), [("active", "rejected", "Owns land")])
        with self.assertRaises(UserError):
            wizard.action_reject()

    # -- documents

    def document(self, application, user=None, **vals):
        return (
            self.env["ir.attachment"]
            .with_user(user or self.registrar)
            .create({"name": "id.pdf", "datas": PDF, "res_model": application._name, "res_id": application.id, **vals})
        )

    def test_documents_are_files_that_can_be_shown_of_a_bearable_size(self):
        application = self.apply(self.large)
        tag = self.env.ref("g2p_program_registrant_info.document_tag_id")
        document = self.document(application, g2p_document_tag_id=tag.id)
        self.assertEqual(application.document_ids, document.with_env(self.env))
        spare = self.document(application)
        application.with_user(self.registrar).write({"document_ids": [Command.delete(spare.id)]})
        application.with_user(self.registrar).write(
            {"document_ids": [Command.create({"name": "photo.pdf", "datas": PDF})]}
        )
        self.assertEqual(len(application.document_ids), 2)
        self.assertEqual(set(application.document_ids.mapped("res_model")), {application._name})
        elsewhere = self.env["ir.attachment"].create(
            {"name": "secret.pdf", "datas": PDF, "res_model": "res.company", "res_id": 1}
        )
        for command in (Command.link(elsewhere.id), Command.set(elsewhere.ids), Command.clear()):
            with self.assertRaisesRegex(UserError, "one by one"):
                application.with_user(self.registrar).write({"document_ids": [command]})
        application.with_user(self.registrar).write(
            {"document_ids": [Command.unlink((application.document_ids - document).id)]}
        )
        self.assertEqual(len(application.document_ids), 1)
        self.env["ir.config_parameter"].set_param("g2p_program_registrant_info.max_document_mb", "1")
        for vals, message in (
            ({"datas": base64.b64encode(b"%PDF-1.4\n" + b"0" * (1024 * 1024))}, "too large"),
            ({"datas": base64.b64encode(b"<html><script>alert(1)</script></html>")}, "PDF files or pictures"),
            ({"datas": base64.b64encode(b"MZ\x90\x00"), "mimetype": "application/pdf"}, "PDF files or pictures"),
            ({"datas": False, "type": "url", "url": "https://example.org/x.pdf"}, "a file, not a link"),
        ):
            with self.subTest(message), self.assertRaisesRegex(ValidationError, message), self.env.cr.savepoint():
                self.document(application, **vals)
            with self.subTest(message), self.assertRaises(ValidationError), self.env.cr.savepoint():
                document.write(vals)
        loose = (
            self.env["ir.attachment"]
            .with_user(self.registrar)
            .create({"name": "x.html", "datas": base64.b64encode(b"<p>x</p>")})
        )
        with self.assertRaises(ValidationError), self.env.cr.savepoint():
            loose.write({"res_model": application._name, "res_id": application.id})

    def test_documents_of_a_decided_application_stay(self):
        application = self.apply(self.large)
        document = self.document(application)
        application.with_user(self.validator).action_start()
        with self.assertRaises(AccessError):
            self.document(application)
        self.document(application, self.validator)
        application.with_user(self.validator).action_close()
        for action in (
            lambda: self.document(application, self.validator),
            lambda: document.with_user(self.validator).unlink(),
            lambda: document.with_user(self.validator).write({"name": "other.pdf"}),
        ):
            with self.assertRaises(AccessError):
                action()

    def test_an_entitlement_by_hand_from_an_assessment(self):
        cycle = self.new_cycle()
        application = self.apply(self.large)
        assessment = self.assess(application, "The roof was lost in the storm")
        member = self.membership(self.large).with_user(self.users["manager"])
        context = member.action_create_entitlement()["context"]
        wizard = (
            self.env["g2p.entitlement.create.wizard"]
            .with_user(self.users["manager"])
            .with_context(**context)
            .create({"initial_amount": 40})
        )
        self.assertEqual((wizard.cycle_id, wizard.reason), (cycle, "The roof was lost in the storm"))
        wizard.create_entitlement()
        self.assertEqual(cycle.entitlement_ids.initial_amount, 40)
        self.assertEqual(assessment.entitlement_id, cycle.entitlement_ids)
        self.assertFalse(
            member.action_create_entitlement()["context"]["default_assessment_id"], "it led to one already"
        )
