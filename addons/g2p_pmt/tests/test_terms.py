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

    def test_a_variable_in_several_terms(self):
        self.activate(self.model([("land", 3), ("land", 2), {"pmt_field": "land", "missing": "mean"}]))
        self.assertEqual(self.score(self.applicant(land=4)).score, 4 * 3 + 4 * 2 + 4)

    # Who does not answer

    def test_without_an_answer_there_is_no_score_unless_somebody_says_so(self):
        """Not answering must not make poor: of 2,500 households without answers every one was."""
        self.activate(self.model([("land", 1), ("electricity", 5)], has_cut_off=True, cut_off=10))
        for answers in ({}, {"land": 3}, {"electricity": True}):
            score = self.score(self.applicant(**answers))
            self.assertEqual((score.verdict, score.is_poor), ("unscorable", False))
        self.assertEqual(self.score(self.applicant(land=3, electricity=False)).score, 3)

    def test_a_term_says_when_a_missing_answer_counts_as_poor(self):
        roof = {"pmt_field": "roof", "category_ids": ROOF}
        classes = {"pmt_field": "land", "transform": "classes", "class_ids": [{"is_rest": True, "points": 4}]}
        for direction, term, warned in (
            ("low", {"pmt_field": "land", "pmt_weightage": 2, "missing": "refuse"}, False),
            ("low", {"pmt_field": "land", "pmt_weightage": 2, "missing": "mean"}, False),
            ("low", {"pmt_field": "land", "pmt_weightage": 2, "missing": "zero"}, True),
            ("low", {"pmt_field": "land", "pmt_weightage": -2, "missing": "zero"}, False),
            ("high", {"pmt_field": "land", "pmt_weightage": 2, "missing": "zero"}, False),
            ("high", {"pmt_field": "land", "pmt_weightage": -2, "missing": "zero"}, True),
            ("low", {"pmt_field": "electricity", "pmt_weightage": 2, "missing": "zero"}, True),
            ("high", {"pmt_field": "electricity", "pmt_weightage": 2, "missing": "zero"}, False),
            ("low", {**roof, "missing": "zero"}, True),
            ("high", {**roof, "missing": "zero"}, False),
            ("low", {**roof, "missing": "value", "missing_value": 0}, True),
            ("low", {**roof, "missing": "value", "missing_value": 5}, False),
            ("high", {**roof, "missing": "value", "missing_value": 7}, True),
            ("low", {**classes, "missing": "zero"}, True),
            ("low", {**classes, "missing": "value", "missing_value": 4}, False),
        ):
            with self.subTest(direction=direction, **term):
                model = self.model([term], direction=direction)
                self.assertEqual(bool(model.term_ids.warning), warned, (term, direction))
                self.assertEqual(bool(model.warning), warned)
                if warned:
                    self.assertIn(f"“{model.term_ids.name}”", model.term_ids.warning)

    # Classes, and terms for some

    def test_points_by_class(self):
        term = {
            "pmt_field": "land",
            "transform": "classes",
            "pmt_weightage": 2,
            "class_ids": [
                {"is_rest": True, "points": 1},
                {"bound": 59, "points": 4},
                {"bound": 29, "points": 7},
            ],
        }
        self.activate(self.model([term]))
        for land, score in ((0, 14), (29, 14), (29.5, 8), (59, 8), (60, 2), (1e9, 2)):
            self.assertEqual(self.score(self.applicant(land=land)).score, score, land)
        self.assertEqual(self.score(self.applicant()).verdict, "unscorable")

    def test_a_number_beyond_the_last_class_is_missing(self):
        term = {"pmt_field": "land", "transform": "classes", "class_ids": [{"bound": 29, "points": 7}]}
        self.activate(self.model([term]))
        score = self.score(self.applicant(land=30))
        self.assertEqual((score.verdict, score.reason), ("unscorable", "Missing: Land"))
        self.assertEqual(score.breakdown[0]["policy"], "refuse")

    def test_a_missing_class_counts_given_points_or_the_mean_of_the_points(self):
        classes = [{"bound": 10, "points": 8}, {"is_rest": True, "points": 2}]
        term = {"pmt_field": "land", "transform": "classes", "class_ids": classes}
        self.activate(
            self.model(
                [{**term, "missing": "value", "missing_value": 3}, {**term, "missing": "mean", "pmt_weightage": 10}]
            )
        )
        self.applicant(land=1), self.applicant(land=99)
        unknown = self.applicant()
        self.compute()
        # 3 + 10 × (8 + 2) / 2
        self.assertEqual(self.score(unknown).score, 53)

    def test_headship_by_age_and_sex_of_the_head(self):
        """Women under 30: 5, of 30 to 59: 3, older: 6; men under 60: 0, older: 4."""

        def headship(gender, *classes):
            return {
                "source": "household",
                "pmt_field": "head_age",
                "transform": "classes",
                "only_where_key": f"household:head_gender={gender}",
                "class_ids": [
                    {"is_rest": bound is None, "bound": bound or 0, "points": points} for bound, points in classes
                ],
            }

        model = self.model(
            [
                headship("female", (29, 5), (59, 3), (None, 6)),
                headship("male", (59, 0), (None, 4)),
            ]
        )
        self.assertEqual(
            model.term_ids.mapped("label"),
            [
                "Age of the head (Household: Gender of the head is Female)",
                "Age of the head (Household: Gender of the head is Male)",
            ],
        )
        self.activate(model)
        today = self.env["g2p.cycle"]._fields["start_date"].today()
        head = self.env.ref("g2p_registry_base.group_membership_kind_head")

        def led_by(gender, age):
            person = self.individual("Head", gender=gender, birthdate=today.replace(year=today.year - age, day=1))
            household = self.household(f"{gender} {age}", [person])
            household.group_membership_ids.kind = head
            return household

        wanted = {("female", 25): 5, ("female", 40): 3, ("female", 70): 6, ("male", 40): 0, ("male", 70): 4}
        households = {case: led_by(*case) for case in wanted}
        unknown = led_by(False, 40)
        self.compute()
        self.assertEqual({case: self.score(home).score for case, home in households.items()}, wanted)
        self.assertEqual(self.score(unknown).verdict, "unscorable", "nobody knows which of the two terms counts")
        self.assertEqual([line["counts"] for line in self.score(households["male", 40]).breakdown], [False, True])
        self.assertIn("does not count here", self.score(households["male", 40]).breakdown_html)

    def test_a_term_that_counts_where_the_answer_is_yes_or_no(self):
        for choice, scores in (("true", [12, 0]), ("false", [0, 12])):
            program = self.program(f"Grant {choice}", target_type="group", pmt_config=True)
            program.definition_id.sudo().application_schema = self.QUESTIONS
            term = {"pmt_field": "land", "pmt_weightage": 4, "only_where_key": f"application:electricity={choice}"}
            self.activate(self.model([term], program=program))
            homes = [self.applicant(program=program, land=3, electricity=answer) for answer in (True, False)]
            self.assertEqual([self.score(home, program).score for home in homes], scores)
            self.assertEqual(self.score(self.applicant(program=program, land=3), program).verdict, "unscorable")
            # What does not count need not be known.
            other = self.applicant(program=program, electricity=choice != "true")
            self.assertEqual(self.score(other, program).verdict, "scored")

    def test_a_condition_whose_question_is_gone_is_named(self):
        model = self.model([{"pmt_field": "land", "only_where_key": "application:electricity=true"}])
        self.grant.definition_id.sudo().application_schema = [
            question for question in self.QUESTIONS if question["name"] != "electricity"
        ]
        with self.assertRaisesRegex(UserError, "counts only where .*electricity=true.*choose again"):
            model.action_activate()

    def test_the_constant(self):
        self.activate(self.model([("land", 3)], constant=-2.5))
        self.assertEqual(self.score(self.applicant(land=4)).score, 9.5)

    def test_household_figures(self):
        model = self.model(
            [
                {"source": "household", "pmt_field": "size", "pmt_weightage": 3},
                {"source": "household", "pmt_field": "children", "pmt_weightage": 5},
                {
                    "source": "household",
                    "pmt_field": "head_gender",
                    "category_ids": [{"value": "female", "points": 1}],
                    "missing": "zero",
                },
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
            ({"pmt_field": "land", "transform": "classes"}, "how many points each class of “Land”"),
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
