import base64
import json

from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from .common import PMTCase


@tagged("post_install", "-at_install")
class TestExchange(PMTCase):
    """Models go out and come back the same; what can't be read is refused in a sentence, and nothing is made."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.area = cls.env["g2p.area"].create({"name": "Highlands", "code": "HL"})

    def whole_model(self):
        return self.model(
            [
                ("children", -0.123456789),
                {"pmt_field": "land", "transform": "capped", "cap_min": 0.5, "cap_max": 9, "missing": "mean"},
                {"pmt_field": "land", "transform": "log", "missing": "value", "missing_value": 1.5},
                {
                    "pmt_field": "roof",
                    "missing": "refuse",
                    "category_ids": [{"value": "thatch", "points": 3}, {"value": "iron", "points": -1.5}],
                    "weight_ids": [{"area_id": self.area.id, "residence": "rural", "weight": 2}],
                },
                {"source": "household", "pmt_field": "size", "pmt_weightage": 4},
            ],
            name="PMT 2026",
            constant=12.5,
            direction="high",
            has_cut_off=True,
            cut_off=0,
            cut_off_ids=[{"residence": "urban", "cut_off": 3}, {"area_id": self.area.id, "cut_off": 4}],
            band_ids=[{"name": "=Poor", "bound": 7}, {"name": "Rest", "is_rest": True}],
            note="Survey of 2025",
        )

    def read(self, content, user=None, program=None):
        content = content.encode() if isinstance(content, str) else content
        wizard = (
            self.env["g2p.pmt.import"]
            .with_user(user or self.manager)
            .create({"program_id": (program or self.grant).id, "file": base64.b64encode(content)})
        )
        return self.env["g2p.pmt.model"].browse(wizard.action_import()["res_id"])

    def test_json_round_trip(self):
        model = self.whole_model()
        copied = self.read(model._to_json())
        self.assertEqual(copied._to_dict(), model._to_dict())
        self.assertEqual((copied.state, copied.version), ("draft", 2))
        self.assertNotIn("Child Grant", model._to_json())

    def test_csv_round_trip(self):
        model = self.whole_model()
        copied = self.read(model._to_csv())
        self.assertEqual(copied._to_dict(), model._to_dict())
        # A spreadsheet must not take a name for a formula.
        self.assertIn("'=Poor", model._to_csv())

    def test_into_a_program_that_asks_by_other_names(self):
        other = self.program("Another", target_type="group", pmt_config=True)
        other.definition_id.sudo().application_schema = [
            {"name": "a1b2", "string": "Children", "type": "integer"},
        ]
        model = self.model([("children", 3)])
        copied = self.read(model._to_json(), program=other)
        self.assertEqual(copied.term_ids.pmt_field, "a1b2")

    def test_coefficients_of_a_regression(self):
        model = self.read(
            "term,coefficient\n_cons,7.5\napplication:children,-0.25\nlog(Land),1.5\nvehicle^2,2\nroof=thatch,-3\nroof=Iron sheets,-1\n"
            "electricity=yes,4\n"
        )
        self.assertEqual(model.constant, 7.5)
        terms = [(term.pmt_field, term.transform, term.pmt_weightage) for term in model.term_ids]
        self.assertEqual(
            terms,
            [
                ("children", "none", -0.25),
                ("land", "log", 1.5),
                ("vehicle", "square", 2),
                ("roof", "none", 1),
                ("electricity", "none", 1),
            ],
        )
        points = {line.value: line.points for line in model.term_ids[3].category_ids}
        # Tiles are the reference category.
        self.assertEqual(points, {"thatch": -3, "iron": -1, "tiles": 0})
        self.activate(model)
        household = self.applicant(children=2, land=1, vehicle=3, roof="thatch", electricity=True)
        # 7.5 - 0.25×2 + 1.5×ln 1 + 2×9 - 3 + 4
        self.assertEqual(self.score(household).score, 26)

    def test_semicolons_and_a_byte_order_mark(self):
        model = self.read("\ufeffterm;coefficient\nintercept;1\nvehicle;2\n")
        self.assertEqual((model.constant, model.term_ids.pmt_weightage), (1, 2))

    def test_refusals(self):
        head = "term,coefficient\n"
        good = {"format": "g2p.pmt.model", "terms": [{"variable": "application:children", "weight": 1}]}
        for content, words in (
            ("", "Choose a file"),
            (b"{\xff\xfe", "not text in UTF-8"),
            ("x" * 1_000_001, "larger than a model"),
            ("a,b\n1,2\n", "The first line must be"),
            (head, "has no terms"),
            (head + "children\n", "Line 2: a term and a coefficient"),
            (head + "goats,1\n", "Line 2: there is no variable “goats” in Child Grant"),
            (head + "children,many\n", "Line 2: “many” is no number"),
            (head + "children,nan\n", "Line 2: “nan” is no number"),
            (head + "children,1e99\n", "Line 2: “1e99” is no number"),
            (head + 'children,"1,5"\n', "is no number"),
            (head + "land,1\nLand,2\n", "Line 3: “Land” is there already"),
            (head + "roof=straw,1\n", "Line 2: “straw” is no choice of “Roof”"),
            (head + "roof=thatch,1\nroof=thatch,2\n", "Line 3: “roof=thatch” is there already"),
            (head + "_cons,1\nintercept,2\n", "Line 3: the intercept is there already"),
            (head + 'children,"1\n', "From row 2 on the file can.t be read as CSV"),
            ("record,colour\n", "the column “colour” is not known"),
            ("record,variable,number\nthing,,1\n", "Line 2: “thing” is not known"),
            ("record,variable,value,number\npoints,application:roof,thatch,1\n", "Line 2: no term"),
            (
                "record,variable,number,area\nterm,land,1,\ncut_off,,3,Nowhere\n",
                "Line 3: there is no area “Nowhere”",
            ),
            ("record,variable,number,residence\nterm,land,1,\ncut_off,,3,sea\n", "Line 3: “sea” is not known"),
            ("{", "is no JSON"),
            ("{}", "is no proxy means test"),
            (json.dumps({**good, "terms": "x"}), "“terms” must be a list"),
            (
                json.dumps({**good, "terms": [{"variable": "application:children", "weight": None}]}),
                "Term 1: “None” is no number",
            ),
            (json.dumps({**good, "terms": [{"variable": "application:children", "weight": True}]}), "is no number"),
            (
                json.dumps({**good, "terms": [{**good["terms"][0], "only_where": "roof"}]}),
                "Term 1: “roof” must read “variable=choice”",
            ),
            (
                json.dumps({**good, "terms": [{**good["terms"][0], "only_where": "roof=straw"}]}),
                "Term 1: “straw” is no choice of “Roof”",
            ),
            (json.dumps({**good, "terms": [{**good["terms"][0], "classes": {"bound": 1}}]}), "lists of objects"),
            (
                json.dumps({**good, "terms": [{**good["terms"][0], "classes": [{"bound": 1, "points": 1}] * 2}]}),
                "Term 1: this is there already",
            ),
            (json.dumps({**good, "direction": "up"}), "Direction: “up” is not known"),
            (
                json.dumps({**good, "bands": [{"name": "A", "bound": 1}, {"name": "B", "bound": 1}]}),
                "Band 2: this is there",
            ),
            (json.dumps({**good, "bands": [{"name": ""}]}), "Band 1: a band needs a name"),
            (json.dumps({**good, "cut_offs": [{"cut_off": 1}]}), "Cut-off 1: an area, urban or rural"),
            (
                json.dumps({**good, "terms": [{**good["terms"][0], "transform": "cube"}]}),
                "Term 1: “cube” is not known; one of none",
            ),
        ):
            with self.subTest(words), self.assertRaisesRegex(UserError, words):
                self.read(content)
        self.assertFalse(self.env["g2p.pmt.model"].search([("program_id", "=", self.grant.id)]))

    def test_two_variables_of_one_name(self):
        self.grant.definition_id.sudo().application_schema = [
            {"name": "size", "string": "Size of the house", "type": "integer"}
        ]
        with self.assertRaisesRegex(UserError, "may be any of application:size, household:size"):
            self.read("term,coefficient\nsize,1\n")
        self.assertEqual(self.read("term,coefficient\nhousehold:size,1\n").term_ids.source, "household")

    def test_who_may_import(self):
        for role in ("validator", "registrar", "finance", "support", "auditor"):
            if role == "auditor":
                continue
            with self.assertRaises(AccessError):
                self.read("term,coefficient\nchildren,1\n", user=self.users[role])


@tagged("post_install", "-at_install")
class TestExport(HttpCase, PMTCase):
    @mute_logger("odoo.http")
    def test_who_gets_the_file(self):
        model = self.model([("children", 3)])
        action = model.with_user(self.users["auditor"]).action_export_json()
        for user, status in (
            ("test_manager", 200),
            ("test_auditor", 200),
            ("test_registrar", 403),
            ("test_portal", 403),
        ):
            self.authenticate(user, user)
            response = self.url_open(action["url"])
            self.assertEqual(response.status_code, status, user)
        self.authenticate("test_manager", "test_manager")
        self.assertEqual(self.url_open(action["url"]).json()["terms"][0]["weight"], 3)
        self.assertIn("attachment", self.url_open(action["url"]).headers["Content-Disposition"])
        self.assertTrue(self.url_open(action["url"].replace("json", "csv")).text.startswith("record,variable"))
        self.assertEqual(self.url_open(f"/g2p_pmt/model/{model.id + 1}.json").status_code, 404)
