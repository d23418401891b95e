from odoo.tests import Form, tagged

from odoo.addons.g2p_bulk.tests.statements import counting_statements

from .common import PMTCase


@tagged("post_install", "-at_install")
class TestQuality(PMTCase):
    """What the model editor shows: preview, distribution and errors."""

    def table(self):
        """Ten households: `land` is the score, the cut-off 5. 4 poor of whom 3 are found; 5 not poor of whom 1 is taken
        for poor; of one it is not known."""
        for land, known in (
            (1, True),
            (2, True),
            (5, True),
            (9, True),
            (3, False),
            (6, False),
            (7, False),
            (8, False),
            (10, False),
        ):
            self.applicant(land=land, known_poor=known)
        self.applicant(land=4)

    def check(self, model):
        self.assertEqual(
            model._rates(),
            {"coverage": (3, 4), "exclusion": (1, 4), "inclusion": (1, 5), "leakage": (1, 4), "unknown": (1, 10)},
        )
        html = model.accuracy_html
        for words in (
            "75.0 %",
            "Coverage: of 4 poor, 3 are found poor.",
            "Exclusion error: of 4 poor, 1 are missed.",
            "20.0 %",
            "Inclusion error: of 5 who are not poor, 1 are taken for poor.",
            "25.0 %",
            "Leakage: of 4 taken for poor, 1 are not poor.",
            "Not compared: of 10, 1 have no score",
        ):
            self.assertIn(words, html)

    def test_errors_of_a_draft_and_of_the_active_version(self):
        self.table()
        model = self.model([("land", 1)], has_cut_off=True, cut_off=5, known_poor_variable="application:known_poor")
        self.assertEqual(model.known_poor_key, "application:known_poor")
        self.check(model)
        self.activate(model)
        self.assertIn("Of nobody is known both", model.accuracy_html)
        self.compute()
        model.invalidate_recordset()
        self.check(model)
        with counting_statements(self.env.cr) as count:
            model._accuracy()
        self.assertLessEqual(count.statements, 1)

    def test_errors_need_a_truth_and_a_cut_off(self):
        model = self.model([("land", 1)])
        self.assertIn("Choose a yes-or-no variable", model.accuracy_html)
        model.known_poor_key = "application:known_poor"
        self.assertIn("Without a cut-off", model.accuracy_html)
        model.known_poor_key = "application:gone"
        self.assertIn("is gone", model.accuracy_html)
        self.assertFalse(model.known_poor_variable)

    def test_the_distribution_counts_everybody_once(self):
        self.table()
        model = self.model([("land", 1)], has_cut_off=True, cut_off=5)
        html = model.distribution_html
        self.assertIn("Tried on 10 registrants", html)
        self.assertIn("Poor: 5 (50.0 %)", html)
        self.assertEqual(html.count("<rect"), 10)
        self.assertIn("cut-off 5", html)
        self.activate(model)
        self.compute()
        model.invalidate_recordset()
        self.assertIn("10 scored registrants", model.distribution_html)

    def test_one_score_for_all(self):
        self.applicant(land=3), self.applicant(land=3)
        self.assertEqual(self.model([("land", 1)]).distribution_html.count("<rect"), 1)

    def test_the_preview_follows_the_editor(self):
        self.applicant("Bekele <b>", land=3)
        model = self.model([("land", 2)], has_cut_off=True, cut_off=5)
        self.assertIn("Bekele &lt;b&gt;", model.preview_html)
        with Form(model) as form:
            self.assertIn("Not poor", form.preview_html)
            with form.term_ids.edit(0) as term:
                term.pmt_weightage = 1
            self.assertNotIn("Not poor", form.preview_html)
            with form.term_ids.new() as term:
                term.variable = "application:roof"
            self.assertEqual(len(form.term_ids.edit(1).category_ids), 3)
            self.assertIn("<th class='text-end'>Roof</th>", form.preview_html)
        self.assertEqual(model.term_ids[1].category_ids.mapped("label"), ["Thatch", "Iron sheets", "Tiles"])

    def test_the_preview_says_what_is_missing(self):
        self.assertIn("no terms yet", self.model([]).preview_html)
        model = self.model([{"pmt_field": "land", "missing": "refuse"}])
        self.assertIn("Nobody has applied yet", model.preview_html)
        self.applicant()
        model.invalidate_recordset()
        self.assertIn("Missing: Land", model.preview_html)

    def test_the_preview_shows_whom_the_user_may_see(self):
        here, there = (self.env["g2p.area"].create({"name": name}) for name in ("Here", "There"))
        self.applicant("Seen", land=1, area=here), self.applicant("Hidden", land=1, area=there)
        model = self.model([("land", 1)])
        self.manager.sudo().g2p_area_ids = here
        model.invalidate_recordset()
        self.assertIn("Seen", model.preview_html)
        self.assertNotIn("Hidden", model.preview_html)

    def test_how_a_score_came_about(self):
        self.activate(
            self.model(
                [
                    ("land", 2),
                    {"pmt_field": "roof", "category_ids": [{"value": "iron", "points": 3}], "missing": "zero"},
                ],
                constant=1,
            )
        )
        household = self.applicant(land=3)
        html = self.score(household).with_user(self.users["auditor"]).breakdown_html
        for words in ("Constant", "Land", "missing", "It adds nothing", "Score"):
            self.assertIn(words, html)
        self.assertEqual(self.score(household).score, 7)

    def test_areas_say_urban_or_rural(self):
        with Form(self.env["g2p.area"]) as form:
            form.name = "Town"
            form.residence = "urban"
        self.assertEqual(form.record.effective_residence, "urban")

    def test_who_sees_some_areas_gets_the_figures_of_those(self):
        """Terms and weights by area could be chosen so that they ask about one household."""
        self.table()
        model = self.model([("land", 1)], has_cut_off=True, cut_off=5, known_poor_variable="application:known_poor")
        near = self.env["g2p.area"].create({"name": "Near"})
        self.manager.g2p_area_ids = near
        mine = model.with_user(self.manager)
        self.assertEqual(sum(mine._accuracy().values()), 0)
        self.applicant(land=3, known_poor=True, area=near)
        self.assertEqual(mine._accuracy(), {(True, True): 1})
        self.activate(model)
        self.manager.g2p_area_ids = False
        self.compute()
        self.manager.g2p_area_ids = near
        self.assertEqual(sum(mine._accuracy().values()), 1)
        self.manager.g2p_area_ids = False
        self.assertEqual(sum(mine._accuracy().values()), 11)
