from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .common import PMTCase

READERS = ("admin", "manager", "validator", "approver", "support", "auditor")
OTHERS = ("registrar", "finance")
PERSONAL = ("latest_pmt_score", "pmt_score_ids")


@tagged("post_install", "-at_install")
class TestAccess(PMTCase):
    """A score is personal data, and a formula that is known can be answered to: roles that need them see them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pmt = cls.activate(cls.model([("children", 10)], band_ids=[{"name": "Poor", "bound": 50}]))
        cls.home = cls.applicant(children=2)
        cls.kept = cls.env["g2p.pmt.score"].search([("partner_id", "=", cls.home.id)])

    def test_who_reads_scores_and_models(self):
        for record in (self.kept, self.pmt, self.pmt.term_ids, self.pmt.band_ids):
            for role in READERS:
                self.assertTrue(record.with_user(self.users[role]).has_access("read"), (record, role))
            for user in (*(self.users[role] for role in OTHERS), self.outsider, self.portal):
                self.assertFalse(record.with_user(user).has_access("read"), (record, user.login))

    def test_fields_on_people_follow(self):
        for role in READERS:
            self.assertEqual(self.home.with_user(self.users[role]).latest_pmt_score, 20)
        for role in OTHERS:
            for field in PERSONAL:
                with self.assertRaises(AccessError):
                    self.home.with_user(self.users[role]).read([field])
        with self.assertRaises(AccessError):
            self.env["res.partner"].with_user(self.users["registrar"]).search([("latest_pmt_score", "<", 30)])

    def test_nobody_writes_scores(self):
        for user in (*self.users.values(), self.outsider, self.portal):
            score = self.kept.with_user(user)
            with self.assertRaises(AccessError):
                score.write({"score": 0})
            with self.assertRaises(AccessError):
                score.unlink()
            with self.assertRaises(AccessError):
                score.create({"partner_id": self.home.id, "program_id": self.grant.id, "model_id": self.pmt.id})

    def test_who_changes_models(self):
        draft = self.env["g2p.pmt.model"].browse(self.pmt.with_user(self.manager).action_new_version()["res_id"])
        for role, user in self.users.items():
            allowed = role in ("admin", "manager")
            for change in (
                lambda user=user: draft.with_user(user).write({"constant": 3}),
                lambda user=user: draft.with_user(user).term_ids.write({"pmt_weightage": 3}),
                lambda user=user: draft.with_user(user).action_new_version(),
            ):
                if allowed:
                    change()
                else:
                    with self.assertRaises(AccessError, msg=role):
                        change()
        for role in ("validator", "auditor", "support", "registrar", "finance"):
            with self.assertRaises(AccessError):
                draft.with_user(self.users[role]).action_activate()

    def test_who_computes(self):
        for role in ("admin", "manager", "validator", "approver"):
            self.compute(user=self.users[role])
        for user in (
            self.users["auditor"],
            self.users["support"],
            self.users["registrar"],
            self.users["finance"],
            self.portal,
        ):
            with self.assertRaises(AccessError):
                self.grant.with_user(user).action_compute_pmt_scores()

    def test_a_registrar_takes_applications_without_seeing_scores(self):
        home = self.household("Bekele")
        application = (
            self.env["g2p.program.registrant_info"]
            .with_user(self.users["registrar"])
            .create(
                {
                    "registrant_id": home.id,
                    "program_id": self.grant.id,
                    "program_registrant_info": {"children": 3},
                }
            )
        )
        self.assertEqual(self.score(home).score, 30)
        with self.assertRaises(AccessError):
            application.read(["pmt_score"])

    def test_areas(self):
        here, there = (self.env["g2p.area"].create({"name": name}) for name in ("Here", "There"))
        near, far = self.applicant(children=1, area=here), self.applicant(children=1, area=there)
        user = new_test_user(self.env, login="local", groups="g2p_programs.g2p_program_validator")
        user.g2p_area_ids = here
        found = self.env["g2p.pmt.score"].with_user(user).search([("program_id", "=", self.grant.id)])
        self.assertEqual(found.partner_id, near)
        with self.assertRaises(AccessError):
            self.score(far).with_user(user).read(["score"])

    def test_companies(self):
        other = self.env["res.company"].create({"name": "Other"})
        user = new_test_user(
            self.env,
            login="other",
            groups="g2p_programs.g2p_program_manager",
            company_id=other.id,
            company_ids=[other.id],
        )
        for model in ("g2p.pmt.score", "g2p.pmt.model", "g2p.proxy_means_test_params", "g2p.pmt.band"):
            self.assertFalse(self.env[model].with_user(user).search([]))
        with self.assertRaises(AccessError):
            self.pmt.with_user(user).read(["constant"])
        with self.assertRaises(AccessError):
            self.env["g2p.pmt.model"].with_user(user).create({"program_id": self.grant.id})
