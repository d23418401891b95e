import json
from decimal import ROUND_HALF_UP, Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo import Command
from odoo.tests import tagged
from odoo.tools import SQL

from odoo.addons.g2p_programs.tests.common import ProgramsCase
from odoo.addons.g2p_programs.tools.amount_words import AmountWords

PLACES = ["A", "B", None]
CENT = Decimal("0.01")

people = st.lists(st.tuples(st.sampled_from(PLACES), st.one_of(st.none(), st.integers(-2, 6))), min_size=1, max_size=6)
cents = st.integers(0, 20_000).map(lambda number: Decimal(number) / 100)
items = st.lists(
    st.tuples(
        cents,
        st.sampled_from([*PLACES, "everybody"]),
        st.booleans(),
        st.integers(0, 4),
        st.sampled_from(["wait", "nothing"]),
    ),
    min_size=1,
    max_size=4,
)
terms = st.fixed_dictionaries(
    {
        "evaluate_one_item": st.booleans(),
        "max_amount": st.one_of(st.just(Decimal(0)), cents),
        "fee_pct": st.one_of(st.just(Decimal(0)), st.integers(1, 10_000).map(lambda number: Decimal(number) / 100)),
    }
)


def judged(place, number, rule):
    """(is the condition met, how often does the amount count); None: nobody can tell."""
    _amount, condition, multiplied, maximum, if_missing = rule
    met = True if condition == "everybody" else (place is None if condition is None else place and place == condition)
    times = number if multiplied else 1
    if times is not None:
        times = max(times, 0)
        times = min(times, maximum) if multiplied and maximum else times
    if if_missing == "nothing":
        return bool(met), times or 0
    return met, times


def total_of(place, number, rules, first_only):
    """The amount, before limits; None: nobody can tell."""
    total = Decimal(0)
    for rule in rules:
        met, times = judged(place, number, rule)
        if met is False:
            continue
        if first_only:
            return rule[0] * times if met and times is not None else None
        if times == 0:
            continue
        if met is None or times is None:
            return None
        total += rule[0] * times
    return total


def expected(world, rules, settings_):
    """Amount and fee of each person, by the words of the specification, one person at a time; None: data is missing."""
    result = {}
    for person, (place, number) in enumerate(world):
        total = total_of(place, number, rules, settings_["evaluate_one_item"])
        if total is None:
            result[person] = None
            continue
        if settings_["max_amount"]:
            total = min(total, settings_["max_amount"])
        total = total.quantize(CENT, ROUND_HALF_UP)
        if total > 0:
            fee = (total * settings_["fee_pct"] / 100).quantize(CENT, ROUND_HALF_UP)
            result[person] = (total, fee)
    return result


@tagged("post_install", "-at_install")
class TestAgainstBruteForce(ProgramsCase):
    """The query of the cash manager and plain Python give the same amounts in every small world."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.grant = cls.program()
        cls.grant.entitlement_managers.unlink()
        schema = cls.env["g2p.registrant.schema"].search([("target_type", "=", "individual")], limit=1)
        schema = schema or schema.create({"target_type": "individual"})
        schema.attributes_definition = [
            *schema.attributes_definition,
            {"name": "camels", "string": "Camels", "type": "integer"},
        ]
        cls.words = AmountWords(cls.env)
        cls.persons = [cls.individual(f"Person {number}") for number in range(6)]
        for person in cls.persons:
            cls.member(cls.grant, person, "enrolled")
        cls.grant.with_user(cls.manager).create_new_cycle()
        cls.cycle = cls.grant.cycle_ids

    @settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(people, items, terms)
    def test_amounts(self, world, rules, settings_):
        with self.env.cr.savepoint() as savepoint:
            manager = self.cash_manager(rules, settings_)
            self.env.flush_all()
            for person, (place, number) in zip(self.persons, world, strict=False):
                self.env.cr.execute(
                    "UPDATE res_partner SET birth_place = %s, registrant_attributes = %s WHERE id = %s",
                    [place, json.dumps({} if number is None else {"camels": number}), person.id],
                )
            inside = [person.id for person, _facts in zip(self.persons, world, strict=False)]
            low, high = min(inside) - 1, max(inside)
            members = manager._members(self.cycle, low, high)
            self.env.cr.execute(
                SQL(
                    "SELECT registrant_id, amount::text, fee::text, missing, computation FROM (%s) AS line",
                    manager._entitlement_lines(members, low, high),
                )
            )
            got = {
                inside.index(registrant): None if missing else (Decimal(amount), Decimal(fee))
                for registrant, amount, fee, missing, terms in self.env.cr.fetchall()
                if missing or self.told(terms, Decimal(amount), Decimal(fee))
            }
            savepoint.rollback()
        self.env.invalidate_all()
        self.assertEqual(got, expected(world, rules, settings_))

    def told(self, terms, amount, fee):
        """Whether something is due; the words say the same amount as the query."""
        text = self.words.tell(terms, "individual")
        if not amount:
            self.assertRegex(text, "^Nothing is due: ")
            return False
        self.assertIn(self.words.number(float(amount)), text)
        if fee:
            self.assertIn(f"({self.words.number(float(fee))})", text)
            if fee <= amount:
                self.assertTrue(text.endswith(f"{self.words.number(float(amount - fee))} is paid out"), text)
        return True

    def cash_manager(self, rules, settings_):
        def condition(place):
            if place == "everybody":
                return "[]"
            return f"[('birth_place', '=', {place!r})]" if place else "[('birth_place', '=', False)]"

        return self.env["g2p.program.entitlement.manager.cash"].create(
            {
                "name": "Cash",
                "program_id": self.grant.id,
                "evaluate_one_item": settings_["evaluate_one_item"],
                "max_amount": float(settings_["max_amount"]),
                "transfer_fee_pct": float(settings_["fee_pct"]),
                "entitlement_item_ids": [
                    Command.create(
                        {
                            "name": "Item",
                            "sequence": position,
                            "amount": float(amount),
                            "condition": condition(place),
                            "multiplier": "attribute:camels" if multiplied else False,
                            "max_multiplier": maximum,
                            "if_missing": if_missing,
                        }
                    )
                    for position, (amount, place, multiplied, maximum, if_missing) in enumerate(rules)
                ],
            }
        )
