from odoo.tests import TransactionCase, tagged

from odoo.addons.g2p_bulk.tests.statements import counting_statements

from ..models.demo_targeting import APPLICANTS, CUT_OFF

HOUSEHOLDS = 120


@tagged("post_install", "-at_install")
class TestTargeting(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["g2p.demo.generator"]._generate(households=HOUSEHOLDS)
        manager = cls.env["res.users"].search([("login", "=", "manager")])
        cls.targeting = cls.env["g2p.demo.targeting"].with_user(manager)
        cls.program, cls.pmt, cls.scenario = cls.targeting._generate()

    def test_most_households_have_applied_with_what_the_registry_knows(self):
        applications = self.env["g2p.program.registrant_info"].search([("program_id", "=", self.program.id)])
        self.assertAlmostEqual(len(applications) / HOUSEHOLDS, APPLICANTS / 256, delta=0.1)
        self.assertEqual(len(applications.registrant_id), len(applications))
        self.assertEqual(len(set(applications.mapped("application_id"))), len(applications))
        for application in applications:
            known = dict(application.registrant_id.registrant_attributes._values)
            known.pop("known_poor", None)
            answers = {
                name: value
                for name, value in (application.program_registrant_info._values or {}).items()
                if value is not None
            }
            self.assertEqual(answers, {name: value for name, value in known.items() if value is not None})

    def test_an_application_is_stored_as_if_made_by_hand(self):
        application = self.env["g2p.program.registrant_info"].search(
            [("program_id", "=", self.program.id), ("state", "=", "inprogress")], limit=1
        )
        household = self.env["res.partner"].search(
            [
                ("is_group", "=", True),
                ("is_registrant", "=", True),
                ("id", "not in", self.program.program_membership_ids.partner_id.ids),
            ],
            limit=1,
        )
        twin = application.create(
            {
                "registrant_id": household.id,
                "program_id": self.program.id,
                "program_registrant_info": dict(application.program_registrant_info._values),
            }
        )
        rows = []
        for record in (application, twin):
            record.flush_recordset()
            self.cr.execute("SELECT * FROM g2p_program_registrant_info WHERE id = %s", [record.id])
            rows.append(dict(zip([column.name for column in self.cr.description], self.cr.fetchone(), strict=True)))
        # What tells the two apart: whose they are, when and by whom, and that one was taken up.
        own = {
            "id", "application_id", "program_membership_id", "registrant_id", "applied_date", "state",
            "create_date", "write_date", "create_uid", "write_uid",
        }  # fmt: skip
        different = {name for name in rows[0] if rows[0][name] != rows[1][name]}
        self.assertLessEqual(different, own)
        self.assertEqual(len(application.application_id), len(twin.application_id))

    def test_the_poor_by_the_cut_off_are_enrolled(self):
        """The score is worked out here from the answers, without the model."""
        self.cr.execute(
            """
            SELECT COUNT(*) FILTER (WHERE score <= %s), COUNT(*) FILTER (WHERE score > %s), COUNT(*) FILTER (WHERE score IS NULL)
              FROM (
                SELECT (answers ->> 'rooms')::numeric * 20 + (answers ->> 'land')::numeric * 10
                       + CASE WHEN (answers ->> 'electricity')::boolean THEN 25 ELSE 0 END
                       + CASE answers ->> 'roof' WHEN 'thatch' THEN 0 WHEN 'tin' THEN 15 WHEN 'tiles' THEN 40 END
                       + CASE answers ->> 'water' WHEN 'river' THEN 0 WHEN 'well' THEN 10 WHEN 'tap' THEN 20
                                                  WHEN 'piped' THEN 40 END AS score
                  FROM (SELECT program_registrant_info AS answers FROM g2p_program_registrant_info
                         WHERE program_id = %s) AS application) AS scored
            """,
            [CUT_OFF, CUT_OFF, self.program.id],
        )
        poor, others, unknown = self.cr.fetchone()
        self.assertGreater(min(poor, others, unknown), 0)
        states = dict(
            self.env["g2p.program_membership"]._read_group(
                [("program_id", "=", self.program.id)], ["state"], ["__count"]
            )
        )
        self.assertEqual(states, {"enrolled": poor - 1, "paused": 1, "not_eligible": others, "draft": unknown})
        self.assertEqual(self.pmt.state, "active")
        self.assertEqual((self.scenario.state, self.scenario.outdated), ("simulated", False))
        self.assertEqual((self.scenario.beneficiaries, self.scenario.cost_per_cycle), (poor, poor * 200))
        self.assertGreater(self.scenario.benchmark_reached, 0)
        self.assertGreater(self.scenario.coverage, 50)
        self.assertEqual(self.program.benefit_code_ids.benefit_mnemonic, "CASH-GRANT")

    def test_one_applicant_has_a_paper_and_an_assessment(self):
        applications = self.env["g2p.program.registrant_info"].search([("program_id", "=", self.program.id)])
        self.assertEqual(len(applications.document_ids), 1)
        self.assertEqual(len(applications.assessment_ids), 1)

    def test_the_number_of_statements_of_the_applications_does_not_depend_on_their_number(self):
        counts = []
        for share in (20, 20, 400):
            with self.env.cr.savepoint(flush=True) as savepoint:
                program = self.program.copy({"name": f"Copy {share}"})
                program.sudo().action_activate()
                self.cr.execute(
                    "UPDATE res_partner SET disabled = now() WHERE is_group AND is_registrant AND id NOT IN "
                    "(SELECT id FROM res_partner WHERE is_group AND is_registrant ORDER BY id LIMIT %s)",
                    [share],
                )
                self.env.invalidate_all()
                with counting_statements(self.cr) as count:
                    self.targeting._insert_applications(program.with_user(self.targeting.env.user))
                counts.append(count.statements)
                savepoint.rollback()
            self.env.invalidate_all()
        self.assertEqual(counts[1], counts[2])
