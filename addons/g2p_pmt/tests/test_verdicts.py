from psycopg2 import IntegrityError

from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import PMTCase

BANDS = [
    {"name": "Extreme poor", "bound": 10},
    {"name": "Poor", "bound": 20},
    {"name": "Near poor", "bound": 30},
    {"name": "Not poor", "is_rest": True},
]


@tagged("post_install", "-at_install")
class TestVerdicts(PMTCase):
    """Cut-offs, bands, areas and the direction. The score is `land` itself."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        area = cls.env["g2p.area"]
        cls.region = area.create({"name": "Region"})
        cls.district = area.create({"name": "District", "parent_id": cls.region.id, "residence": "rural"})
        cls.town = area.create({"name": "Town", "parent_id": cls.district.id, "residence": "urban"})
        cls.village = area.create({"name": "Village", "parent_id": cls.district.id})
        cls.elsewhere = area.create({"name": "Elsewhere"})

    def verdict(self, land, area=None):
        score = self.score(self.applicant(land=land, area=area))
        return score.verdict, score.cut_off

    def test_urban_or_rural_comes_from_the_nearest_area(self):
        self.assertEqual(self.village.effective_residence, "rural")
        self.assertEqual(self.town.effective_residence, "urban")
        self.assertFalse(self.region.effective_residence)
        self.district.residence = "urban"
        self.assertEqual(self.village.effective_residence, "urban")

    def test_the_cut_off_itself_is_poor(self):
        self.activate(self.model([("land", 1)], has_cut_off=True, cut_off=20))
        self.assertEqual(self.verdict(19.99), ("poor", 20))
        self.assertEqual(self.verdict(20), ("poor", 20))
        self.assertEqual(self.verdict(20.01), ("not_poor", 20))

    def test_a_high_score_may_be_poor(self):
        self.activate(self.model([("land", 1)], has_cut_off=True, cut_off=20, direction="high"))
        self.assertEqual(self.verdict(19.99), ("not_poor", 20))
        self.assertEqual(self.verdict(20), ("poor", 20))
        self.assertEqual(self.verdict(20.01), ("poor", 20))

    def test_a_cut_off_of_zero_is_one(self):
        self.activate(self.model([("land", 1)], has_cut_off=True, cut_off=0))
        self.assertEqual(self.verdict(0), ("poor", 0))
        self.assertEqual(self.verdict(1), ("not_poor", 0))

    def test_without_a_cut_off_nobody_is_poor_or_not(self):
        self.activate(self.model([("land", 1)]))
        self.assertEqual(self.verdict(5)[0], "scored")

    def test_the_nearest_cut_off_counts(self):
        self.activate(
            self.model(
                [("land", 1)],
                has_cut_off=True,
                cut_off=10,
                cut_off_ids=[
                    {"area_id": self.region.id, "cut_off": 20},
                    {"area_id": self.district.id, "cut_off": 30},
                    {"area_id": self.district.id, "residence": "urban", "cut_off": 40},
                    {"residence": "rural", "cut_off": 50},
                ],
            )
        )
        for area, cut_off in (
            (self.region, 20),
            (self.district, 30),
            (self.village, 30),
            (self.town, 40),
            (self.elsewhere, 10),
            (None, 10),
        ):
            self.assertEqual(self.verdict(1, area), ("poor", cut_off), area and area.name)

    def test_urban_and_rural_without_an_area(self):
        self.activate(
            self.model(
                [("land", 1)],
                has_cut_off=True,
                cut_off=10,
                cut_off_ids=[{"residence": "rural", "cut_off": 50}, {"residence": "urban", "cut_off": 5}],
            )
        )
        self.assertEqual(self.verdict(7, self.village), ("poor", 50))
        self.assertEqual(self.verdict(7, self.town), ("not_poor", 5))
        self.assertEqual(self.verdict(7, self.region), ("poor", 10))

    def test_weights_by_area(self):
        weights = [
            {"area_id": self.region.id, "weight": 2},
            {"area_id": self.town.id, "weight": 3},
            {"residence": "urban", "weight": 9},
        ]
        self.activate(self.model([{"pmt_field": "land", "pmt_weightage": 1, "weight_ids": weights}, ("children", 1)]))
        for area, score in ((self.village, 11), (self.town, 16), (self.elsewhere, 6), (None, 6)):
            household = self.applicant(land=5, children=1, area=area)
            # 5 × the weight of the area + 1 × 1
            self.assertEqual(self.score(household).score, score)
        self.assertEqual(self.score(household).breakdown[0]["weight"], 1)

    def test_bands(self):
        self.activate(self.model([("land", 1)], band_ids=BANDS))
        for land, band in (
            (-5, "Extreme poor"),
            (10, "Extreme poor"),
            (10.5, "Poor"),
            (20, "Poor"),
            (30, "Near poor"),
            (30.01, "Not poor"),
        ):
            self.assertEqual(self.score(self.applicant(land=land)).band_id.name, band)

    def test_bands_when_high_is_poor(self):
        bands = [
            {"name": "Not poor", "is_rest": True},
            {"name": "Poor", "bound": 20},
            {"name": "Extreme poor", "bound": 30},
        ]
        model = self.activate(self.model([("land", 1)], band_ids=bands, direction="high"))
        for land, band in ((31, "Extreme poor"), (30, "Extreme poor"), (29, "Poor"), (20, "Poor"), (19, "Not poor")):
            self.assertEqual(self.score(self.applicant(land=land)).band_id.name, band)
        texts = {band.name: band.range_text for band in model.band_ids}
        self.assertEqual(texts, {"Extreme poor": "30 and above", "Poor": "20 to below 30", "Not poor": "below 20"})

    def test_ranges_in_words(self):
        model = self.model([("land", 1)], band_ids=BANDS)
        self.assertEqual(
            model.band_ids.mapped("range_text"), ["up to 10", "above 10 to 20", "above 20 to 30", "above 30"]
        )

    def test_beyond_the_last_band_there_is_none(self):
        self.activate(self.model([("land", 1)], band_ids=BANDS[:2]))
        self.assertFalse(self.score(self.applicant(land=21)).band_id)

    def test_no_score_no_band(self):
        self.activate(
            self.model([{"pmt_field": "land", "missing": "refuse"}], band_ids=BANDS, has_cut_off=True, cut_off=20)
        )
        score = self.score(self.applicant())
        self.assertEqual((score.band_id.name, score.verdict, score.cut_off), (False, "unscorable", 20))

    @mute_logger("odoo.sql_db")
    def test_the_database_refuses_two_of_a_kind(self):
        for values in (
            {"band_ids": [{"name": "A", "bound": 1}, {"name": "B", "bound": 1}]},
            {"band_ids": [{"name": "A", "bound": 1}, {"name": "A", "bound": 2}]},
            {"cut_off_ids": [{"area_id": self.town.id, "cut_off": 1}, {"area_id": self.town.id, "cut_off": 2}]},
            {"cut_off_ids": [{"cut_off": 1}]},
            {"constant": float("nan")},
            {"constant": float("inf")},
        ):
            with self.subTest(values), self.assertRaises(IntegrityError), self.env.cr.savepoint():
                self.model([("land", 1)], **values)
        for term in (
            {"transform": "capped", "cap_min": 2},
            {"transform": "classes", "class_ids": [{"bound": 1, "points": 1}, {"bound": 1, "points": 2}]},
            {"transform": "classes", "class_ids": [{"is_rest": True, "points": 1}, {"is_rest": True, "points": 2}]},
            {"transform": "classes", "class_ids": [{"bound": float("nan"), "points": 1}]},
        ):
            with self.subTest(term), self.assertRaises(IntegrityError), self.env.cr.savepoint():
                self.model([{"pmt_field": "land", **term}])
