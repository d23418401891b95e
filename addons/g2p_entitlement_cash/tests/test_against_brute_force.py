from decimal import ROUND_HALF_UP, Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo import Command
from odoo.tests import tagged
from odoo.tools import SQL

from odoo.addons.g2p_programs.tests.common import ProgramsCase

PLACES = ["A", "B", None]
CENT = Decimal("0.01")

people = st.lists(st.tuples(st.sampled_from(PLACES), st.one_of(st.none(), st.integers(-2, 6))), min_size=1, max_size=6)
cents = st.integers(0, 20_000).map(lambda number: Decimal(number) / 100)
items = st.lists(
    st.tuples(cents, st.sampled_from([*PLACES, "everybody"]), st.booleans(), st.integers(0, 4)), min_size=1, max_size=4
)
terms = st.fixed_dictionaries(
    {
        "evaluate_one_item": st.booleans(),
        "max_amount": st.one_of(st.just(Decimal(0)), cents),
        "fee_pct": st.one_of(st.just(Decimal(0)), st.integers(1, 10_000).map(lambda number: Decimal(number) / 100)),
    }
)


def expected(world, rules, settings_):
    """Amount and fee of each person, by the words of the specification, one person at a time."""
    result = {}
    for person, (place, number) in enumerate(world):
        total = Decimal(0)
        for amount, condition, multiplied, maximum in rules:
            if condition != "everybody" and place != condition:
                continue
            multiplier = max(number or 0, 0) if multiplied else 1
            if multiplied and maximum:
                multiplier = min(multiplier, maximum)
            total += amount * multiplier
            if settings_["evaluate_one_item"]:
                break
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
        cls.number = cls.env["ir.model.fields"]._get("res.partner", "color")
        cls.persons = [cls.individual(f"Person {number}") for number in range(6)]
        for person in cls.persons:
            cls.member(cls.grant, person, "enrolled")
        cls.grant.with_user(cls.manager).create_new_cycle()
        cls.cycle = cls.grant.cycle_ids

    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(people, items, terms)
    def test_amounts(self, world, rules, settings_):
        with self.env.cr.savepoint() as savepoint:
            manager = self.cash_manager(rules, settings_)
            self.env.flush_all()
            for person, (place, number) in zip(self.persons, world, strict=False):
                self.env.cr.execute(
                    "UPDATE res_partner SET birth_place = %s, color = %s WHERE id = %s", [place, number, person.id]
                )
            inside = [person.id for person, _facts in zip(self.persons, world, strict=False)]
            low, high = min(inside) - 1, max(inside)
            members = manager._members(self.cycle, low, high)
            self.env.cr.execute(
                SQL(
                    "SELECT registrant_id, amount::text, fee::text FROM (%s) AS line WHERE amount > 0",
                    manager._entitlement_lines(members, low, high),
                )
            )
            got = {
                inside.index(registrant): (Decimal(amount), Decimal(fee))
                for registrant, amount, fee in self.env.cr.fetchall()
            }
            savepoint.rollback()
        self.env.invalidate_all()
        self.assertEqual(got, expected(world, rules, settings_))

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
                            "multiplier_field": self.number.id if multiplied else False,
                            "max_multiplier": maximum,
                        }
                    )
                    for position, (amount, place, multiplied, maximum) in enumerate(rules)
                ],
            }
        )
