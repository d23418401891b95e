from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import SQL

from .common import PMTCase

ROOF = [{"value": "thatch", "points": 7}, {"value": "iron", "points": 2.5}, {"value": "tiles", "points": 0}]


@tagged("post_install", "-at_install")
class TestTerms(PMTCase):
    """Each transformation, each policy, each kind of variable, with the numbers worked out by hand."""

    def one(self, answer, **term):
        """The score of one household that answers `land` so, by one term."""
        self.activate(self.model([{"pmt_field": "land", **term}]))
        household = self.applicant(**({} if answer is None else {"land": answer}))
        return self.score(household)

    def test_logarithm(self):
        # ln 20 = 2.9957322736 (10 decimals); × 3
        self.assertEqual(self.one(20, transform="log", pmt_weightage=3).score, 8.987197)

    def test_root(self):
        # √2 = 1.4142135624; × 10
        self.assertEqual(self.one(2, transform="sqrt", pmt_weightage=10).score, 14.142136)

    def test_square(self):
        # 1.5² = 2.25; × 4
        self.assertEqual(self.one(1.5, transform="square", pmt_weightage=4).score, 9)

    def test_limits(self):
        term = {"transform": "capped", "cap_min": 1, "cap_max": 5, "pmt_weightage": 2}
        self.assertEqual(self.one(7, **term).score, 10)
        below, between = self.applicant(land=0.5), self.applicant(land=3)
        self.assertEqual(self.score(below).score, 2)
        self.assertEqual(self.score(between).score, 6)

    def test_limits_do_not_make_up_for_a_missing_value(self):
        score = self.one(None, transform="capped", cap_min=1, cap_max=5, missing="refuse")
        self.assertEqual(score.verdict, "unscorable")

    def test_no_logarithm_of_zero(self):
        """A value without a logarithm is treated as missing."""
        score = self.one(0, transform="log", missing="refuse")
        self.assertEqual((score.verdict, score.reason), ("unscorable", "Missing: Land"))
        self.assertEqual(score.breakdown[0]["policy"], "refuse")

    def test_missing_adds_nothing(self):
        score = self.one(None, transform="log", pmt_weightage=3, missing="zero")
        self.assertEqual((score.score, score.breakdown[0]["missing"]), (0, True))

    def test_missing_counts_a_given_value(self):
        # √9 × 2
        self.assertEqual(self.one(None, transform="sqrt", pmt_weightage=2, missing="value", missing_value=9).score, 6)

    def test_missing_counts_the_mean(self):
        self.activate(self.model([{"pmt_field": "land", "pmt_weightage": 10, "missing": "mean"}]))
        self.applicant(land=2), self.applicant(land=5)
        unknown = self.applicant()
        self.compute()
        # (2 + 5) / 2 = 3.5; × 10
        self.assertEqual(self.score(unknown).score, 35)
        # The mean stays until everybody is scored again.
        self.applicant(land=14)
        self.grant._cron_refresh_pmt_scores()
        self.assertEqual(self.score(unknown).score, 35)
        self.compute()
        # (2 + 5 + 14) / 3 = 7
        self.assertEqual(self.score(unknown).score, 70)

    def test_no_mean_no_score(self):
        self.activate(self.model([{"pmt_field": "land", "missing": "mean"}]))
        household = self.applicant()
        self.compute()
        self.assertEqual(self.score(household).verdict, "unscorable")

    def test_missing_refuses(self):
        score = self.one(None, missing="refuse")
        self.assertEqual((score.verdict, score.score, score.is_poor), ("unscorable", 0, False))
        self.assertEqual(score.reason, "Missing: Land")
        [[kept]] = self.env.execute_query(
            SQL("SELECT score IS NULL AND is_poor IS NULL FROM g2p_pmt_score WHERE id = %s", score.id)
        )
        self.assertTrue(kept)

    def test_zero_is_known(self):
        score = self.one(0, missing="refuse", pmt_weightage=5)
        self.assertEqual((score.verdict, score.score), ("scored", 0))

    def test_points_of_choices(self):
        self.activate(self.model([{"pmt_field": "roof", "category_ids": ROOF, "pmt_weightage": 2}]))
        # 7 × 2, 2.5 × 2, 0 × 2
        for roof, score in (("thatch", 14), ("iron", 5), ("tiles", 0)):
            household = self.applicant(roof=roof)
            self.assertEqual(self.score(household).score, score)
            self.assertEqual(self.score(household).breakdown[0]["value"], roof)

    def test_a_choice_without_points_is_missing(self):
        self.activate(self.model([{"pmt_field": "roof", "category_ids": ROOF[:2], "missing": "refuse"}]))
        household = self.applicant(roof="tiles")
        self.assertEqual(self.score(household).verdict, "unscorable")

    def test_a_missing_choice_counts_given_points(self):
        term = {"pmt_field": "roof", "category_ids": ROOF, "pmt_weightage": 2, "missing": "value", "missing_value": 4}
        self.activate(self.model([term]))
        self.assertEqual(self.score(self.applicant()).score, 8)

    def test_a_missing_choice_counts_the_mean_of_the_points(self):
        self.activate(self.model([{"pmt_field": "roof", "category_ids": ROOF, "pmt_weightage": 2, "missing": "mean"}]))
        self.applicant(roof="thatch"), self.applicant(roof="tiles")
        unknown = self.applicant()
        self.compute()
        # (7 + 0) / 2 × 2
        self.assertEqual(self.score(unknown).score, 7)

    def test_points_of_yes_and_no(self):
        points = [{"value": "true", "points": -3}, {"value": "false", "points": 8}]
        self.activate(self.model([{"pmt_field": "electricity", "category_ids": points}]))
        self.assertEqual(self.score(self.applicant(electricity=True)).score, -3)
        self.assertEqual(self.score(self.applicant(electricity=False)).score, 8)

    def test_a_variable_twice_with_different_transformations(self):
        self.activate(self.model([("land", 3), {"pmt_field": "land", "transform": "square", "pmt_weightage": -0.5}]))
        # 3 × 4 - 0.5 × 16
        self.assertEqual(self.score(self.applicant(land=4)).score, 4)

    def test_the_constant(self):
        self.activate(self.model([("land", 3)], constant=-2.5))
        self.assertEqual(self.score(self.applicant(land=4)).score, 9.5)

    def test_household_figures(self):
        model = self.model(
            [
                {"source": "household", "pmt_field": "size", "pmt_weightage": 3},
                {"source": "household", "pmt_field": "children", "pmt_weightage": 5},
                {"source": "household", "pmt_field": "head_gender", "category_ids": [{"value": "female", "points": 1}]},
            ]
        )
        self.activate(model)
        household = self.household(
            "Bekele", [self.individual("Old", birthdate="1980-01-01"), self.individual("Young", birthdate="2020-01-01")]
        )
        self.compute()
        # 2 × 3 + 1 × 5
        self.assertEqual(self.score(household).score, 11)

    def test_attributes_of_registrants(self):
        schema = self.env["g2p.registrant.schema"].sudo()
        schema = schema.browse(schema._schema_id("group", self.grant.company_id.id)) or schema.create(
            {"target_type": "group"}
        )
        schema.attributes_definition = [{"name": "rooms", "string": "Rooms", "type": "integer"}]
        self.activate(self.model([{"source": "attribute", "pmt_field": "rooms", "pmt_weightage": 1.5}]))
        household = self.household("Bekele", registrant_attributes={"rooms": 4})
        self.compute()
        self.assertEqual(self.score(household).score, 6)

    def test_fields_of_registrants(self):
        self.activate(self.model([{"source": "registrant", "pmt_field": "income", "pmt_weightage": 0.01}]))
        household = self.household("Bekele", income=1234.5)
        self.compute()
        self.assertEqual(self.score(household).score, 12.345)

    # What can't score

    def test_a_deleted_question_is_named(self):
        model = self.activate(self.model([("children", 10), ("land", 1)]))
        household = self.applicant(children=2, land=1)
        self.grant.definition_id.sudo().application_schema = [
            question for question in self.QUESTIONS if question["name"] != "land"
        ]
        with self.assertRaisesRegex(UserError, "“Land” .Application. does not exist"):
            self.compute()
        self.assertIn("“Land”", model.problem)
        # People can go on applying; the score they have is kept.
        self.applicant(children=3)
        self.assertEqual(self.score(household).score, 21)

    def test_what_a_draft_must_have(self):
        for term, words in (
            ({"pmt_field": "nothing"}, "does not exist"),
            ({"pmt_field": "roof"}, "how many points each choice of “Roof”"),
            ({"pmt_field": "electricity", "transform": "log"}, "can't be transformed"),
            ({"pmt_field": "land", "transform": "log", "missing": "value"}, "no logarithm"),
            ({"pmt_field": "land", "transform": "sqrt", "missing": "value", "missing_value": -1}, "no square root"),
        ):
            model = self.model([term])
            with self.assertRaisesRegex(UserError, words):
                model.action_activate()
            self.assertEqual(model.state, "draft")
        with self.assertRaisesRegex(UserError, "no terms yet"):
            self.model([]).action_activate()

    def test_points_for_an_unknown_choice_are_refused(self):
        with self.assertRaisesRegex(ValidationError, "“straw” is no choice of “Roof”"):
            self.model([{"pmt_field": "roof", "category_ids": [{"value": "straw", "points": 1}]}])
