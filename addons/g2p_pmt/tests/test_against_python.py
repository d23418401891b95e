"""Random models over random data: what SQL makes of them is what the formula says, worked out with Decimal."""

from decimal import ROUND_HALF_UP, Decimal, localcontext

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.tests import tagged

from .common import PMTCase

ROOFS = ["thatch", "iron", "tiles"]
NUMBERS = ["children", "square_feet", "land", "vehicle"]

numbers = st.decimals(-1000, 1000, places=3).map(float)
weights = st.decimals(-100, 100, places=4).map(float)


@st.composite
def number_terms(draw, name):
    transform = draw(st.sampled_from(["none", "log", "sqrt", "square", "capped", "classes"]))
    low = draw(numbers)
    missing = draw(st.sampled_from(["zero", "value", "mean", "refuse"]))
    given = draw(numbers)
    if transform in ("log", "sqrt"):
        given = abs(given) + 1
    return {
        "pmt_field": name,
        "pmt_weightage": draw(weights),
        "transform": transform,
        "cap_min": low,
        "cap_max": low + draw(st.integers(0, 50)),
        "missing": missing,
        "missing_value": given,
        "only_where_key": draw(st.sampled_from([False, *(f"application:roof={roof}" for roof in ROOFS)])),
        "class_ids": draw(classes()) if transform == "classes" else [],
    }


@st.composite
def classes(draw):
    lines = [
        {"bound": bound, "points": draw(weights)}
        for bound in draw(st.lists(numbers, min_size=1, max_size=3, unique=True))
    ]
    return lines + ([{"is_rest": True, "points": draw(weights)}] if draw(st.booleans()) else [])


@st.composite
def models(draw):
    terms = [draw(number_terms(name)) for name in draw(st.lists(st.sampled_from(NUMBERS), max_size=4))]
    if draw(st.booleans()) or not terms:
        listed = draw(st.lists(st.sampled_from(ROOFS), min_size=1, max_size=3, unique=True))
        terms.append(
            {
                "pmt_field": "roof",
                "pmt_weightage": draw(weights),
                "transform": "none",
                "missing": draw(st.sampled_from(["zero", "value", "mean", "refuse"])),
                "missing_value": draw(weights),
                "category_ids": [{"value": roof, "points": draw(weights)} for roof in listed],
            }
        )
    return {
        "terms": terms,
        "constant": draw(weights),
        "direction": draw(st.sampled_from(["low", "high"])),
        "cut_off": draw(numbers),
        "bounds": draw(st.lists(numbers, max_size=4, unique=True)),
    }


households = st.fixed_dictionaries(
    {},
    optional={
        "children": st.integers(0, 12),
        "vehicle": st.integers(-3, 3),
        "square_feet": numbers,
        "land": numbers,
        "roof": st.sampled_from(ROOFS),
    },
)


def number(term, answer):
    if term["transform"] == "classes":
        if answer is None:
            return None
        lines = sorted(term["class_ids"], key=lambda line: (line.get("is_rest", False), line.get("bound", 0)))
        reached = [line for line in lines if line.get("is_rest") or answer <= line["bound"]]
        return Decimal(str(reached[0]["points"])) if reached else None
    if answer is None or "category_ids" not in term:
        return None if answer is None else Decimal(str(answer))
    points = {line["value"]: line["points"] for line in term["category_ids"]}
    return Decimal(str(points[answer])) if answer in points else None


def rounded(value, places):
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def transformed(term, value):
    if value is None:
        return None
    transform = term["transform"]
    if transform == "log":
        return rounded(value.ln(), 10) if value > 0 else None
    if transform == "sqrt":
        return rounded(value.sqrt(), 10) if value >= 0 else None
    if transform == "square":
        return value * value
    if transform == "capped":
        return min(max(value, Decimal(str(term["cap_min"]))), Decimal(str(term["cap_max"])))
    return value


def counts(term, answers):
    """Whether the term counts; None when nobody knows."""
    wanted = (term.get("only_where_key") or "").rpartition("=")[2]
    return True if not wanted else None if answers.get("roof") is None else answers["roof"] == wanted


def evaluate(model, answers, everybody):
    """(score or None, poor or None, position of the band or None)"""
    with localcontext() as context:
        context.prec = 60
        score = Decimal(str(model["constant"]))
        for term in model["terms"]:
            name = term["pmt_field"]
            value = transformed(term, number(term, answers.get(name)))
            holds = counts(term, answers)
            if holds is False:
                continue
            if value is None or holds is None:
                policy = term["missing"]
                known = [number(term, other.get(name)) for other in everybody if counts(term, other)]
                known = [one for one in known if one is not None]
                if policy == "refuse" or (policy == "mean" and not known):
                    return None, None, None
                if policy == "zero":
                    value = Decimal(0)
                elif policy == "value":
                    value = transformed(term, Decimal(str(term["missing_value"])))
                else:
                    value = transformed(term, rounded(sum(known) / len(known), 10))
                    if value is None:
                        return None, None, None
            score += Decimal(str(term["pmt_weightage"])) * value
        score = rounded(score, 6)
    high = model["direction"] == "high"

    def reaches(bound):
        return score >= Decimal(str(bound)) if high else score <= Decimal(str(bound))

    bounds = sorted(model["bounds"], reverse=high)
    band = next((place for place, bound in enumerate(bounds, 1) if reaches(bound)), None)
    return score, reaches(model["cut_off"]), band


@tagged("post_install", "-at_install")
class TestAgainstPython(PMTCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.homes = [cls.household(f"H{number}") for number in range(4)]

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(models(), st.lists(households, min_size=4, max_size=4))
    def test_sql_says_what_the_formula_says(self, drawn, everybody):
        savepoint = self.env.cr.savepoint()
        try:
            for home, answers in zip(self.homes, everybody, strict=True):
                self.apply(home, **answers)
            model = self.activate(
                self.model(
                    drawn["terms"],
                    constant=drawn["constant"],
                    direction=drawn["direction"],
                    has_cut_off=True,
                    cut_off=drawn["cut_off"],
                    band_ids=[{"name": f"B{bound}", "bound": bound} for bound in drawn["bounds"]],
                )
            )
            self.compute()
            bands = model.band_ids._poorest_first()
            for home, answers in zip(self.homes, everybody, strict=True):
                score, poor, band = evaluate(drawn, answers, everybody)
                kept = self.score(home)
                if score is None:
                    self.assertEqual(kept.verdict, "unscorable")
                    continue
                self.assertEqual(Decimal(self.exact_score(home)), score)
                self.assertEqual(kept.verdict, "poor" if poor else "not_poor")
                self.assertEqual(kept.band_id, bands[band - 1] if band else bands.browse())
        finally:
            savepoint.rollback()
            savepoint.close(rollback=True)
            self.env.invalidate_all(flush=False)
