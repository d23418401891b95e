from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tests.statements import counting_statements

from .common import PMTCase


@tagged("post_install", "-at_install")
class TestScores(PMTCase):
    """The step of the engine, versions and their lock, and what is kept."""

    def counts(self, operation):
        operation.invalidate_recordset()
        self.assertEqual(operation.state, "done")
        self.assertEqual(sum(operation.counts.values()), operation.planned)
        return operation.counts

    def test_everybody_gets_a_score_once(self):
        self.activate(self.model([{"pmt_field": "land", "missing": "refuse"}]))
        self.grant.pmt_config = False
        households = [self.applicant(land=land) for land in (1, 2)]
        unknown = self.applicant()
        self.grant.pmt_config = True
        self.household("Has not applied")
        self.assertEqual(self.counts(self.compute()), {"scored": 2, "unscorable": 1})
        self.assertEqual([self.score(household).score for household in households], [1, 2])
        self.assertEqual(self.score(unknown).reason, "Missing: Land")
        self.assertEqual(self.counts(self.compute()), {"unchanged": 2, "unscorable": 1})
        self.assertEqual(self.env["g2p.pmt.score"].search_count([("program_id", "=", self.grant.id)]), 3)

    def test_the_program_says_what_comes_next(self):
        model = self.model([{"pmt_field": "land"}], has_cut_off=True, cut_off=2)
        program = self.grant.with_user(self.manager)
        self.applicant(land=1)
        self.assertIn("activate it", program._next_step())
        self.activate(model)
        self.assertIn("Compute scores", program._next_step())
        self.compute()
        self.env.invalidate_all()
        self.assertIn("eligibility manager", program._next_step())
        self.env["g2p.program_membership.manager.pmt"].with_user(self.manager).create(
            {"name": "Poor", "program_id": program.id}
        )
        self.assertIn("Enrol the eligible", program._next_step())

    def test_who_is_out_of_reach_is_not_scored(self):
        self.activate(self.model([{"source": "registrant", "pmt_field": "income", "pmt_weightage": 1}]))
        here, disabled = self.household("Here", income=1), self.household("Disabled", income=1)
        individual = self.individual("Alone", income=1)
        disabled._disable("Moved away")
        self.compute()
        self.assertTrue(self.score(here))
        self.assertFalse(self.score(disabled))
        self.assertFalse(self.score(individual))

    def test_one_statement_a_chunk_whatever_it_holds(self):
        model = self.activate(self.model([{"source": "registrant", "pmt_field": "income", "missing": "refuse"}]))
        statements = []
        for count in (10, 10, 1000):  # the first one reads the model, too
            low, high = self.many_registrants(count, is_group=True)
            with counting_statements(self.env.cr) as counted:
                self.assertEqual(sum(model.sudo()._save_scores(low - 1, high).values()), count)
            statements.append(counted.statements)
        self.assertEqual(statements[1:], [1, 1])

    def test_answers_of_many_are_scored_in_as_many_statements_as_of_one(self):
        self.activate(self.model([("children", 10)]))
        applications = [self.apply(self.household(f"H{number}"), children=1) for number in range(8)]
        applications = self.env["g2p.program.registrant_info"].browse([one.id for one in applications])
        counts = []
        for some in (applications[:1], applications[1:]):
            with counting_statements(self.env.cr) as count:
                some._refresh_pmt_scores()
            counts.append(count.statements)
        self.assertEqual(counts[0], counts[1])

    def test_a_new_version_scores_anew_and_the_old_scores_stay(self):
        first = self.activate(self.model([("children", 10)], has_cut_off=True, cut_off=15))
        household = self.applicant(children=2)
        self.assertEqual(self.score(household).verdict, "not_poor")
        second = self.env["g2p.pmt.model"].browse(first.with_user(self.manager).action_new_version()["res_id"])
        self.assertEqual((second.version, second.state, second.is_current), (2, "draft", False))
        second.with_user(self.manager).term_ids.pmt_weightage = 5
        self.assertEqual(self.grant.with_user(self.manager).pmt_model_id, first)
        self.activate(second)
        self.assertEqual((first.state, first.is_current, second.is_current), ("archived", False, True))
        self.assertFalse(self.score(household))
        self.compute()
        self.assertEqual((self.score(household).score, self.score(household).verdict), (10, "poor"))
        scores = self.env["g2p.pmt.score"].search([("partner_id", "=", household.id)])
        self.assertEqual({score.model_id.version: score.score for score in scores}, {1: 20, 2: 10})

    def test_the_score_of_an_earlier_application_stays(self):
        self.grant.with_user(self.manager).multiple_form_submission = True
        self.activate(self.model([("children", 10)]))
        household = self.household("Bekele")
        first, last = self.apply(household, children=1), self.apply(household, children=2)
        self.assertEqual(self.counts(self.compute()), {"unchanged": 1})
        scores = self.env["g2p.pmt.score"].search([("partner_id", "=", household.id)])
        self.assertEqual(
            {score.application_id: (score.score, score.latest) for score in scores},
            {first: (10, False), last: (20, True)},
        )

    def test_an_active_version_stays_as_it_is(self):
        model = self.model(
            [("children", 10), {"pmt_field": "roof", "category_ids": [{"value": "thatch", "points": 1}]}],
            band_ids=[{"name": "Poor", "bound": 5}],
        )
        self.activate(model)
        for change in (
            lambda: model.write({"constant": 5}),
            lambda: model.term_ids[0].write({"pmt_weightage": 5}),
            lambda: model.term_ids[0].unlink(),
            lambda: model.write({"term_ids": [(0, 0, {"source": "application", "pmt_field": "land"})]}),
            lambda: model.term_ids[1].category_ids.write({"points": 3}),
            lambda: model.band_ids.write({"bound": 3}),
            lambda: model.band_ids.unlink(),
            lambda: self.env["g2p.pmt.cut_off"]
            .with_user(self.manager)
            .create({"model_id": model.id, "residence": "urban", "cut_off": 1}),
        ):
            with self.assertRaisesRegex(UserError, "is not a draft, so it stays as it is"), self.env.cr.savepoint():
                change()
        model.write({"name": "Another name", "known_poor_key": "application:known_poor"})
        # Nobody is scored yet: back to draft and changed.
        model.action_reset_to_draft()
        model.term_ids[0].pmt_weightage = 5
        self.activate(model)
        self.applicant(children=1)
        with self.assertRaisesRegex(UserError, "press New version"):
            model.action_reset_to_draft()

    def test_what_the_product_gives_is_not_taken_from_outside(self):
        model = self.model([("children", 1)])
        for values in ({"state": "active"}, {"version": 7}, {"is_current": False}, {"means": {}}):
            with self.assertRaises(AccessError):
                model.write(values)
        with self.assertRaises(AccessError):
            self.model([("children", 1)], state="active")
        for values in ({"version": 9}, {"is_current": True}):
            with self.assertRaises(AccessError):
                self.model([("children", 1)], **values)
        other = self.model([("children", 1)])
        self.assertEqual((other.version, other.is_current), (2, False))
        with self.assertRaisesRegex(UserError, "stays with its program"):
            model.program_id = self.program("Another")

    def test_nothing_to_score_with(self):
        with self.assertRaisesRegex(UserError, "no active proxy means test"):
            self.compute()
        self.grant.with_user(self.manager).pmt_config = False
        with self.assertRaisesRegex(UserError, "switch it on"):
            self.compute()

    def test_out_of_date_until_the_night(self):
        self.activate(
            self.model(
                [
                    {"source": "household", "pmt_field": "size", "pmt_weightage": 1},
                    {"source": "registrant", "pmt_field": "income", "pmt_weightage": 1},
                ]
            )
        )
        grows, stays, earns = (self.household(name, [self.individual(name)], income=1) for name in ("A", "B", "C"))
        self.compute()
        scores = self.score(grows) | self.score(stays) | self.score(earns)
        self.assertEqual(scores.mapped("is_stale"), [False, False, False])
        grows.write({"group_membership_ids": [(0, 0, {"individual": self.individual("New").id})]})
        earns.income = 5
        self.env.flush_all()
        scores.invalidate_recordset()
        self.assertEqual(scores.filtered("is_stale"), self.score(grows) | self.score(earns))
        stale = self.env["g2p.pmt.score"].search([("is_stale", "=", True), ("program_id", "=", self.grant.id)])
        self.assertEqual(stale, self.score(grows) | self.score(earns))
        self.grant._cron_refresh_pmt_scores()
        self.assertEqual(self.counts(self.operation(self.grant, "score"))["scored"], 2)
        scores.invalidate_recordset()
        self.assertFalse(any(scores.mapped("is_stale")))
        self.assertEqual([self.score(one).score for one in (grows, stays, earns)], [3, 2, 6])

    def test_the_database_keeps_one_active_version_and_one_score(self):
        names = {
            name
            for (name,) in self.env.execute_query(
                SQL("SELECT indexname FROM pg_indexes WHERE tablename IN ('g2p_pmt_model', 'g2p_pmt_score')")
            )
        }
        self.assertLessEqual(
            {"g2p_pmt_model_one_active", "g2p_pmt_model_one_current", "g2p_pmt_score_latest_uniq"}, names
        )

    def test_more_terms_than_a_function_takes_arguments(self):
        questions = [{"name": f"q{number}", "string": f"Q{number}", "type": "integer"} for number in range(40)]
        self.grant.definition_id.sudo().application_schema = questions
        self.activate(self.model([(f"q{number}", number) for number in range(40)]))
        household = self.applicant(**{f"q{number}": 2 for number in range(40)})
        # 2 × (0 + 1 + … + 39) = 2 × 780
        self.assertEqual(self.score(household).score, 1560)
        self.assertEqual(self.points(household), [2 * number for number in range(40)])
