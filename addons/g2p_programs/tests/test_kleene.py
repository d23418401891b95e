"""Three-valued domains against a straightforward evaluation in Python, on random small registries."""

from datetime import date

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.fields import Domain
from odoo.tests import tagged
from odoo.tools import SQL

from ..models.explain import DomainExplanation
from ..tools.kleene import three_valued
from .common import ProgramsCase

PLACES = ["Adama", "Gondar", "Harar"]
INCOMES = [0, 40, 100]
DATES = [date(1950, 1, 1), date(1990, 6, 1), date(2015, 3, 3)]
SIZE = 6

person = st.fixed_dictionaries(
    {
        "birth_place": st.sampled_from([None, "", *PLACES]),
        "income": st.sampled_from([None, *INCOMES]),
        "birthdate": st.sampled_from([None, *DATES]),
        "area": st.sampled_from([None, 0, 1]),
        "tags": st.sets(st.sampled_from([0, 1])),
        "is_company": st.sampled_from([None, False, True]),
    }
)

leaf = st.one_of(
    st.tuples(st.just("birth_place"), st.sampled_from(["=", "!=", "<", ">="]), st.sampled_from(PLACES)),
    st.tuples(st.just("birth_place"), st.sampled_from(["=", "!="]), st.just(False)),
    st.tuples(
        st.just("birth_place"),
        st.sampled_from(["in", "not in"]),
        st.lists(st.sampled_from([False, *PLACES]), min_size=1, max_size=3, unique=True),
    ),
    st.tuples(st.just("birth_place"), st.sampled_from(["like", "not like"]), st.sampled_from(["dam", "ar"])),
    st.tuples(st.just("income"), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.sampled_from(INCOMES)),
    st.tuples(st.just("birthdate"), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.sampled_from(DATES)),
    st.tuples(st.just("birthdate"), st.sampled_from(["=", "!="]), st.just(False)),
    st.tuples(st.just("area"), st.sampled_from(["=", "!=", "child_of"]), st.sampled_from([0, 1])),
    st.tuples(st.just("area.code"), st.sampled_from(["=", "!=", "<"]), st.sampled_from(["K-0", "K-1"])),
    st.tuples(st.just("area.code"), st.sampled_from(["=", "!="]), st.just(False)),
    st.tuples(st.just("area"), st.sampled_from(["any", "not any"]), st.sampled_from(["K-0", "K-1"])),
    st.tuples(st.just("tags"), st.sampled_from(["in", "not in"]), st.sampled_from([0, 1])),
    st.tuples(st.just("tags"), st.sampled_from(["=", "!="]), st.just(False)),
    st.tuples(st.just("is_company"), st.sampled_from(["=", "!="]), st.booleans()),
)
tree = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.tuples(st.just("!"), inner),
        st.tuples(st.just("&"), inner, inner),
        st.tuples(st.just("|"), inner, inner),
    ),
    max_leaves=6,
)


def negated(value):
    return None if value is None else not value


def evaluate(node, row):
    """True, False, or None for unknown."""
    if node[0] == "!":
        return negated(evaluate(node[1], row))
    if node[0] in "&|":
        left, right = evaluate(node[1], row), evaluate(node[2], row)
        decisive = node[0] == "|"
        if decisive in (left, right):
            return decisive
        return None if None in (left, right) else not decisive
    name, operator, wanted = node
    if operator in ("!=", "not in", "not like", "not any"):
        return negated(evaluate((name, {"!=": "="}.get(operator, operator[4:]), wanted), row))
    if name == "tags":
        return not row["tags"] if wanted is False else wanted in row["tags"]
    if name == "is_company":
        return bool(row["is_company"]) == wanted
    value = row["area" if name == "area.code" else name]
    missing = value is None or value == ""
    if wanted is False:
        return missing
    if operator == "in":
        return (False in wanted) if missing and False in wanted else None if missing else value in wanted
    if missing:
        return None
    if name == "area.code" or operator == "any":
        value = f"K-{value}"
    if operator == "child_of":
        return value >= wanted  # area 1 is a part of area 0
    return {
        "=": value == wanted,
        "any": value == wanted,
        "like": operator == "like" and wanted in value,
        "<": operator == "<" and value < wanted,
        "<=": operator == "<=" and value <= wanted,
        ">": operator == ">" and value > wanted,
        ">=": operator == ">=" and value >= wanted,
    }[operator]


@tagged("post_install", "-at_install")
class TestKleene(ProgramsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.areas = cls.env["g2p.area"].create([{"name": "Region", "code": "K-0"}])
        cls.areas |= cls.env["g2p.area"].create([{"name": "District", "code": "K-1", "parent_id": cls.areas.id}])
        cls.tags = cls.env["g2p.registrant.tags"].create([{"name": "K-A"}, {"name": "K-B"}])
        low, high = cls.many_registrants(SIZE, prefix="Kleene")
        cls.ids = list(range(low, high + 1))
        cls.partners = cls.env["res.partner"].sudo().with_context(active_test=False)

    def test_a_question_of_yes_or_no_has_three_answers(self):
        schema = self.env.ref("g2p_registry_base.registrant_schema_individual")
        schema.attributes_definition = [{"name": "electricity", "string": "Electricity", "type": "boolean"}]
        yes, no, unanswered = (
            self.individual("Person", registrant_attributes=answers)
            for answers in ({"electricity": True}, {"electricity": False}, {})
        )
        people = yes | no | unanswered
        path = "registrant_attributes.electricity"
        for conditions, certain, open_ones in (
            ([(path, "=", True)], yes, unanswered),
            ([(path, "=", False)], no, unanswered),
            ([(path, "!=", True)], no, unanswered),
            ([(path, "!=", False)], yes, unanswered),
            ([(path, "in", [True, False])], yes | no, unanswered),
            (["!", (path, "=", True)], no, unanswered),
            ([(path, "=", True), ("name", "=", "nobody")], people.browse(), people.browse()),
        ):
            with self.subTest(conditions):
                verdict = three_valued(Domain(conditions), self.partners)
                among = Domain("id", "in", people.ids)
                self.assertEqual(self.partners.search(verdict.certain & among), certain)
                self.assertEqual(self.partners.search(verdict.possible & among), certain | open_ones)

    def fill(self, rows):
        tags = self.env["res.partner"]._fields["tags_ids"]
        self.env.cr.execute(SQL("DELETE FROM %s WHERE %s = ANY(%s)", *self.relation(tags)[:2], self.ids))
        for partner_id, row in zip(self.ids, rows, strict=True):
            self.env.cr.execute(
                "UPDATE res_partner SET birth_place = %s, income = %s, birthdate = %s, area_id = %s, is_company = %s "
                "WHERE id = %s",
                [
                    row["birth_place"],
                    row["income"],
                    row["birthdate"],
                    None if row["area"] is None else self.areas[row["area"]].id,
                    row["is_company"],
                    partner_id,
                ],
            )
            for tag in row["tags"]:
                self.env.cr.execute(
                    SQL("INSERT INTO %s (%s, %s) VALUES (%s, %s)", *self.relation(tags), partner_id, self.tags[tag].id)
                )
        self.env.invalidate_all()

    def relation(self, field):
        return SQL.identifier(field.relation), SQL.identifier(field.column1), SQL.identifier(field.column2)

    def domain(self, node):
        if node[0] == "!":
            return ~self.domain(node[1])
        if node[0] == "&":
            return self.domain(node[1]) & self.domain(node[2])
        if node[0] == "|":
            return self.domain(node[1]) | self.domain(node[2])
        name, operator, wanted = node
        if name == "tags":
            return Domain("tags_ids", operator, [self.tags[wanted].id] if wanted is not False else False)
        if name == "area.code":
            return Domain("area_id.code", operator, wanted)
        if name == "area":
            value = [("code", "=", wanted)] if "any" in operator else self.areas[wanted].id
            return Domain("area_id", operator, value)
        return Domain(name, operator, wanted)

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(person, min_size=SIZE, max_size=SIZE), tree)
    def test_sets_equal_a_plain_evaluation(self, rows, node):
        self.fill(rows)
        sides = three_valued(self.domain(node), self.partners)
        among = Domain("id", "in", self.ids)
        certain = set(self.partners._search(among & sides.certain))
        possible = set(self.partners._search(among & sides.possible))
        verdicts = [evaluate(node, row) for row in rows]
        self.assertEqual(certain, {i for i, verdict in zip(self.ids, verdicts, strict=True) if verdict is True})
        self.assertEqual(
            possible - certain, {i for i, verdict in zip(self.ids, verdicts, strict=True) if verdict is None}
        )
        self.assertLessEqual(certain, possible)
        # Explained condition by condition, the verdicts combine to the same.
        words = {True: "yes", False: "no", None: "unknown"}
        told = {partner_id: [] for partner_id in self.ids}
        records = self.partners.browse(self.ids)
        explained = DomainExplanation(self.domain(node), self.partners)._tell(
            self.domain(node), records, told, 0, False
        )
        self.assertEqual(explained, {i: words[verdict] for i, verdict in zip(self.ids, verdicts, strict=True)})
