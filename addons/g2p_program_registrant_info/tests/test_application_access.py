from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .common import ApplicationCase

TABLES = ("g2p.program.registrant_info", "g2p.program.assessment")


@tagged("post_install", "-at_install")
class TestApplicationAccess(ApplicationCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.application = cls.apply(cls.large, {"rooms": 2})

    def test_an_outsider_sees_nothing(self):
        for user in (self.outsider, self.portal, self.env.ref("base.public_user")):
            for table in TABLES:
                with self.subTest(f"{user.login} {table}"), self.assertRaises(AccessError):
                    self.env[table].with_user(user).search_read([], ["id"], limit=1)

    def test_support_and_auditor_read_and_write_nothing(self):
        for role in ("support", "auditor", "finance"):
            own = self.application.with_user(self.users[role])
            self.assertEqual(own.program_registrant_info["rooms"], 2)
            for action in (
                lambda own=own: own.write({"program_registrant_info": {"rooms": 1}}),
                lambda role=role: self.apply(self.small, user=self.users[role]),
                own.action_start,
                own.action_close,
                lambda own=own: own._reject("x"),
                own.unlink,
            ):
                with self.subTest(role), self.assertRaises(AccessError), self.env.cr.savepoint():
                    action()
        for role in ("support", "auditor", "registrar"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.env["g2p.program.assessment"].with_user(self.users[role]).create(
                    {"remarks": "x", "registrant_info_id": self.application.id}
                )

    def test_registrars_apply_and_correct_until_it_is_taken_up_and_decide_nothing(self):
        own = self.application.with_user(self.registrar)
        own.write({"program_registrant_info": {"rooms": 3}})
        for action in (
            own.action_start,
            own.action_close,
            own.action_reject,
            own.action_prepare_assessment,
            own.unlink,
        ):
            with self.assertRaises(AccessError):
                action()
        self.application.with_user(self.validator).action_start()
        with self.assertRaises(AccessError):
            own.write({"program_registrant_info": {"rooms": 1}})
        self.application.with_user(self.validator).write({"program_registrant_info": {"rooms": 4}})
        self.application.with_user(self.validator).action_close()
        with self.assertRaises(AccessError):
            self.application.with_user(self.validator).write({"program_registrant_info": {"rooms": 5}})

    def test_protected_fields_are_not_written_nor_created_nor_defaulted(self):
        for role in ("registrar", "validator", "manager", "admin"):
            own = self.application.with_user(self.users[role])
            for vals in (
                {"state": "completed"},
                {"application_id": "1"},
                {"is_latest": False},
                {"several": True},
                {"applied_date": "2020-01-01 00:00:00"},
            ):
                with self.subTest(f"{role} {vals}"):
                    with self.assertRaises(AccessError):
                        own.write(vals)
                    if vals != {"is_latest": False}:
                        with self.assertRaises(AccessError), self.env.cr.savepoint():
                            self.applications.with_user(self.users[role]).create(
                                {"registrant_id": self.small.id, "program_id": self.grant.id, **vals}
                            )
        made = (
            self.applications.with_user(self.registrar)
            .with_context(
                default_state="completed",
                default_application_id="1",
                default_several=True,
                g2p_application_numbers=["1"],
            )
            .create({"registrant_id": self.small.id, "program_id": self.grant.id})
        )
        self.assertEqual((made.state, made.several), ("active", False))
        self.assertGreater(len(made.application_id), 10)

    def test_an_area_bounds_applications_and_assessments(self):
        north, south = self.env["g2p.area"].create([{"name": "North", "code": "A-N"}, {"name": "South", "code": "A-S"}])
        self.large.area_id, self.small.area_id = north, south
        self.assess(self.application)
        officer = new_test_user(self.env, "app_officer", groups="g2p_programs.g2p_program_validator")
        officer.g2p_area_ids = south
        for table in TABLES:
            self.assertFalse(self.env[table].with_user(officer).search([]), table)
        with self.assertRaises(AccessError):
            self.application.with_user(officer).read(["state"])
        with self.assertRaises(AccessError):
            self.apply(self.large, user=officer)
        with self.assertRaises(AccessError):
            self.env["g2p.program.assessment"].with_user(officer).create(
                {"remarks": "x", "registrant_info_id": self.application.id}
            )
        with self.assertRaises(AccessError):
            self.env["g2p.program.assessment.wizard"].with_user(officer).create(
                {"registrant_info_id": self.application.id, "remarks": "x"}
            )

    def test_another_company_sees_nothing(self):
        company = self.env["res.company"].create({"name": "Other ministry"})
        other = new_test_user(
            self.env,
            "app_other",
            groups="g2p_registry_base.group_g2p_admin",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        self.assertFalse(self.applications.with_user(other).search([("id", "=", self.application.id)]))

    def test_a_wizard_is_its_makers(self):
        wizard = (
            self.env["g2p.application.reject.wizard"]
            .with_user(self.validator)
            .create({"registrant_info_ids": [(6, 0, self.application.ids)], "reason": "x"})
        )
        with self.assertRaises(AccessError):
            wizard.with_user(self.users["manager"]).read(["reason"])
