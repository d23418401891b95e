#!/usr/bin/env python3
"""Writes a new plug-in that works: make plugin KIND=entitlement NAME=g2p_my_thing

    scripts/plugin.py KIND NAME [--into FOLDER]      KIND is one of the keys of `KINDS`; FOLDER is addons/ by default

What it writes is small and does something: a type of manager of the kind (or a step of a cycle) with model, access, rule, form,
uninstall hook, README and a first test. Change the rule in the model and the story in the test. `tests/test_examples.py` writes
one of each kind, installs them, runs their tests and uninstalls them.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path
from string import Template
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LONGEST_NAME = 30
READERS = (
    ("admin", "g2p_registry_base.group_g2p_admin", "1,1,1,1"),
    ("manager", "g2p_programs.g2p_program_manager", "1,1,1,1"),
    ("validator", "g2p_programs.g2p_program_validator", "1,0,0,0"),
    ("finance", "g2p_programs.g2p_finance_validator", "1,0,0,0"),
    ("registrar", "g2p_registry_base.group_g2p_registrar", "1,0,0,0"),
    ("support", "g2p_registry_base.group_g2p_support", "1,0,0,0"),
    ("auditor", "g2p_registry_base.group_g2p_auditor", "1,0,0,0"),
)


class Kind(NamedTuple):
    """One kind of plug-in. Texts are templates: $$addon, $$thing (my_thing), $$words (My thing), $$class_name (MyThing), $$model."""

    what: str  # said in the manifest and in the README
    imports: str = ""
    reference: str = ""  # the model of the kind, whose list of types the plug-in joins
    base: str = ""  # what the type inherits
    prefix: str = ""  # models of types begin so
    body: str = ""  # the class below its _name, _description and _inherit
    field: str = ""  # the setting that the form shows
    test: str = ""


KINDS = {
    "eligibility": Kind(
        what="who was registered long enough ago qualifies",
        imports="from odoo import api, fields, models\nfrom odoo.tools import SQL\n",
        reference="g2p.eligibility.manager",
        base="g2p.program_membership.manager",
        prefix="g2p.program_membership.manager",
        field="least_days",
        body='''
    _reason_code = "$thing"

    least_days = fields.Integer("Days registered at least", default=30, required=True)

    _least_days_bounds = models.Constraint("CHECK (least_days BETWEEN 0 AND 36500)", "Days are between 0 and 36,500.")

    def _criterion(self):
        return self._registered(may_be_unknown=False)

    def _possible_criterion(self):
        """Of whom it is not known when they were registered, nobody can tell."""
        return self._registered(may_be_unknown=True)

    def _registered(self, may_be_unknown):
        return SQL(
            "EXISTS (SELECT FROM res_partner AS registrant WHERE registrant.id = base.registrant_id"
            " AND COALESCE(%(date)s <= %(day)s, %(may_be_unknown)s))",
            date=self.env["res.partner"]._field_to_sql("registrant", "registration_date"),
            day=fields.Date.subtract(fields.Date.context_today(self), days=self.least_days),
            may_be_unknown=may_be_unknown,
        )

    def _reason_detail(self):
        return self._or_conditions(self.env._("Registered for less than %(days)s days", days=self.least_days))
''',
        test="""
    def test_who_was_registered_long_enough_ago_qualifies_and_of_the_unknown_nobody_can_tell(self):
        program = self.program("Settled", "individual")
        manager = self.env["$model"].with_user(self.manager).create({"name": "$words", "program_id": program.id})
        early, late, unknown = (self.individual("Settled", name) for name in ("Early", "Late", "Unknown"))
        today = fields.Date.today()
        early.registration_date = fields.Date.subtract(today, days=30)
        late.registration_date = fields.Date.subtract(today, days=29)
        unknown.registration_date = False
        told = manager._explain_registrants((early + late + unknown).ids)
        self.assertEqual(
            [told[registrant.id]["verdict"] for registrant in (early, late, unknown)], ["yes", "no", "unknown"]
        )
        self.assertIn("less than 30 days", told[late.id]["text"])
""",
    ),
    "deduplication": Kind(
        what="members with the same e-mail address are taken for duplicates",
        imports="from odoo import api, models\nfrom odoo.tools import SQL\n",
        reference="g2p.deduplication.manager",
        base="g2p.base.deduplication.manager",
        prefix="g2p.deduplication.manager",
        field="needs_decision",
        body='''
    _only_a_sign = True

    def _collision_keys(self, people):
        return SQL(
            """
            SELECT lower(trim(person.email)) AS key, people.registrant_id, NULL::text AS evidence
              FROM (%s) AS people
              JOIN res_partner AS person ON person.id = people.partner_id
             WHERE trim(person.email) <> \'\'
            """,
            people,
        )

    def _looks_at(self):
        return self.env._("e-mail address")

    def _reason(self):
        return self.env._("The same e-mail address")
''',
        test="""
    def test_members_who_share_it_are_found_and_others_are_not(self):
        program = self.program("Once", "individual")
        self.env["$model"].with_user(self.manager).create({"name": "$words", "program_id": program.id})
        one = self.member(program, self.individual("Once", "One", email="one@example.org"))
        same = self.member(program, self.individual("Once", "Same", email=" ONE@example.org"))
        self.member(program, self.individual("Once", "Other", email="other@example.org"))
        program.deduplicate_beneficiaries()
        found = self.env["g2p.program.membership.duplicate"].search([("program_id", "=", program.id)])
        self.assertEqual(found.beneficiary_ids, one | same)
""",
    ),
    "entitlement": Kind(
        what="a fixed amount for everybody who is old enough",
        imports="from odoo import api, fields, models\nfrom odoo.tools import SQL\n\nfrom odoo.addons.g2p_programs.tools.money import decimal\n",
        reference="g2p.program.entitlement.manager",
        base="g2p.base.program.entitlement.manager",
        prefix="g2p.program.entitlement.manager",
        field="amount",
        body='''
    amount = fields.Monetary(required=True)
    least_age = fields.Integer("Years at least", default=65, required=True)

    _amount_bounds = models.Constraint("CHECK (amount >= 0)", "An amount is 0 or more.")
    _least_age_bounds = models.Constraint("CHECK (least_age BETWEEN 0 AND 150)", "An age is between 0 and 150 years.")

    def _entitlement_lines(self, members, low, high):
        self.ensure_one()
        return self._priced_lines(
            SQL(
                """
                SELECT member.registrant_id, %(benefit)s::integer AS benefit_code_id, 0 AS item_id,
                       CASE WHEN registrant.birthdate <= %(born)s THEN %(amount)s::numeric ELSE 0 END AS amount,
                       jsonb_build_object(\'base\', %(amount)s::numeric) AS terms, NULL::numeric AS cap,
                       CASE WHEN registrant.birthdate IS NULL THEN %(birthdate)s::text END AS missing
                  FROM (%(members)s) AS member
                  JOIN res_partner AS registrant ON registrant.id = member.registrant_id AND %(range)s
                """,
                benefit=self._benefit_code().id or None,
                born=fields.Date.subtract(fields.Date.context_today(self), years=self.least_age),
                amount=decimal(self.amount),
                birthdate=self.env["res.partner"]._fields["birthdate"]._description_string(self.env),
                members=members,
                range=self._registrant_range(low, high),
            )
        )
''',
        test="""
    def test_the_old_get_it_the_young_do_not_and_of_the_unknown_nobody_can_tell(self):
        program = self.program("Old age grant", "individual")
        program.get_manager(program.MANAGER_ENTITLEMENT).unlink()
        self.env["$model"].with_user(self.manager).create(
            {"name": "$words", "program_id": program.id, "amount": 50}
        )
        today = fields.Date.today()
        old, young, unknown = (self.individual("Age", name) for name in ("Old", "Young", "Unknown"))
        old.birthdate = fields.Date.subtract(today, years=65)
        young.birthdate = fields.Date.subtract(today, years=64)
        unknown.birthdate = False
        cycle = self.new_cycle(old + young + unknown, program)
        cycle.prepare_entitlement()
        self.assertEqual(self.counts(cycle, "prepare"), {"prepared": 1, "no_amount": 1, "data_missing": 1})
        self.assertEqual(self.entitlements(cycle).partner_id, old)
""",
    ),
    "payment": Kind(
        what="money is handed out at a named place, and recorded by hand",
        imports="from odoo import api, fields, models\n",
        reference="g2p.program.payment.manager",
        base="g2p.base.program.payment.manager",
        prefix="g2p.program.payment.manager",
        field="place",
        body="""
    # A type that calls the outside world queues in `_send` what it will send: see g2p_programs, "Sending", and g2p_outbox.
    _is_cash_desk = True
    _table = "g2p_payer_$thing"  # short: PostgreSQL takes 63 signs for the table that joins it to the tags of batches

    place = fields.Char(required=True, help="Where people come for their money.")
""",
        test="""
    def test_nobody_needs_an_account(self):
        program = self.program("At the post office", "individual", no_account_policy="block")
        program.get_manager(program.MANAGER_PAYMENT).unlink()
        self.env["$model"].with_user(self.manager).create(
            {"name": "$words", "program_id": program.id, "place": "Post office"}
        )
        program.get_manager(program.MANAGER_ENTITLEMENT).with_user(self.manager).amount_per_cycle = 50
        self.deposit(1000, program)
        cycle = self.approved_cycle(self.individual("Without", "Account"), program)
        cycle.with_user(self.finance).validate_entitlement()
        cycle.prepare_payment()
        self.assertEqual(self.payments(cycle).mapped("payout"), ["desk"])
""",
    ),
    "program": Kind(
        what="who was enrolled long enough ago enters the next cycle",
        imports="from odoo import api, fields, models\nfrom odoo.tools import SQL\n",
        reference="g2p.program.manager",
        base="g2p.program.manager.default",
        prefix="g2p.program.manager",
        field="least_days",
        body='''
    least_days = fields.Integer("Days enrolled at least", default=30, required=True)

    _least_days_bounds = models.Constraint("CHECK (least_days BETWEEN 0 AND 36500)", "Days are between 0 and 36,500.")

    def _next_cycle_members(self, cycle, low=None, high=None):
        return SQL(
            """
            SELECT member.registrant_id
              FROM (%(members)s) AS member
              JOIN g2p_program_membership AS membership
                ON membership.partner_id = member.registrant_id AND membership.program_id = %(program)s
             WHERE membership.enrollment_date < %(day)s
            """,
            members=super()._next_cycle_members(cycle, low, high),
            program=self.program_id.id,
            day=fields.Datetime.subtract(fields.Datetime.now(), days=self.least_days),
        )
''',
        test="""
    def test_who_was_enrolled_just_now_waits_for_a_later_cycle(self):
        program = self.program("Patience", "individual")
        program.get_manager(program.MANAGER_PROGRAM).unlink()
        manager = self.env["$model"].with_user(self.manager).create({"name": "$words", "program_id": program.id})
        early, late = (self.member(program, self.individual("Patience", name), "enrolled") for name in ("Early", "Late"))
        early.sudo().enrollment_date = fields.Datetime.subtract(fields.Datetime.now(), days=31)
        self.env.flush_all()
        cycle = self.new_cycle(early.partner_id + late.partner_id, program)
        entering = [registrant for [registrant] in self.env.execute_query(manager._next_cycle_members(cycle))]
        self.assertEqual(entering, early.partner_id.ids)
""",
    ),
    "cycle": Kind(
        what="cycles of so many weeks, one after the other",
        imports="from datetime import timedelta\n\nfrom odoo import api, fields, models\n",
        reference="g2p.cycle.manager",
        base="g2p.base.cycle.manager",
        prefix="g2p.cycle.manager",
        field="weeks",
        body="""
    weeks = fields.Integer(default=4, required=True)

    _weeks_bounds = models.Constraint("CHECK (weeks BETWEEN 1 AND 520)", "A cycle lasts from 1 to 520 weeks.")

    def _next_period(self, after=None):
        self.ensure_one()
        start = after + timedelta(days=1) if after else fields.Date.context_today(self)
        return start, start + timedelta(weeks=self.weeks, days=-1)
""",
        test="""
    def test_a_cycle_begins_when_the_one_before_is_over(self):
        program = self.program("Weeks", "individual")
        program.get_manager(program.MANAGER_CYCLE).unlink()
        manager = self.env["$model"].with_user(self.manager).create(
            {"name": "$words", "program_id": program.id, "weeks": 6}
        )
        first = self.new_cycle(self.individual("Weeks", "Member"), program)
        self.assertEqual((first.end_date - first.start_date).days, 41)
        start, end = manager._next_period(first.end_date)
        self.assertEqual(((start - first.end_date).days, (end - start).days), (1, 41))
""",
    ),
    "step": Kind(
        what="a step of a cycle, after prepare, that counts who has an entitlement and who has none",
        imports="from odoo import models\nfrom odoo.tools import SQL\n",
        body='''
class $class_name(models.AbstractModel):
    """Counts, in a draft cycle, for whom an entitlement was prepared and for whom none was."""

    _name = "g2p.cycle.step.$thing"
    _inherit = "g2p.cycle.step"
    _description = "$words"

    _step = "$thing"
    _place = 35  # after prepare (30)
    _from_states = ("draft",)
    _moves = ("g2p.cycle.membership",)
    _relies_on = ("copy", "verify", "prepare")

    _button = "action_$thing"
    _groups = "g2p_programs.g2p_program_manager"
    _visible = "state == \'draft\' and entitlements_count"

    def _label(self):
        return self.env._("$words")

    def _question(self, cycle):
        return self.env._("%(members)s beneficiaries are looked at.", **cycle._told())

    def _outcomes(self):
        return {
            "with": (self.env._("With an entitlement"), "done"),
            "without": (self.env._("Without one"), "skipped"),
        }

    def _rows(self, cycle, operation, outcome):
        if outcome in ("with", "without"):
            mine = self._mine(cycle, operation, outcome)
            return "g2p.cycle.membership", SQL("%s AND %s = %s", mine, self._has_entitlement("t"), outcome == "with")
        return super()._rows(cycle, operation, outcome)

    def _has_entitlement(self, membership):
        return SQL(
            "EXISTS (SELECT FROM g2p_entitlement AS found WHERE found.cycle_id = %(member)s.cycle_id"
            " AND found.partner_id = %(member)s.partner_id)",
            member=SQL.identifier(membership),
        )

    def _source(self, cycle, operation):
        return SQL("SELECT partner_id AS key FROM g2p_cycle_membership WHERE cycle_id = %s", cycle.id)

    def _chunk(self, cycle, operation, low, high):
        [[having, missing]] = self.env.execute_query(
            SQL(
                """
                SELECT COUNT(*) FILTER (WHERE %(has)s), COUNT(*) FILTER (WHERE NOT %(has)s)
                  FROM g2p_cycle_membership AS membership
                 WHERE membership.cycle_id = %(cycle)s AND %(range)s
                """,
                has=self._has_entitlement("membership"),
                cycle=cycle.id,
                range=self._range("membership", "partner_id", low, high),
            )
        )
        return {"with": having, "without": missing}


class Cycle(models.Model):
    _inherit = "g2p.cycle"

    def action_$thing(self):
        """Button."""
        return self._press("$thing")
''',
        test="""
    def test_it_counts_its_rows_and_asks_the_role(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        cycle.action_$thing()
        operation = self.operation(cycle, "$thing")
        self.assertEqual(operation.counts, {"with": 3})
        action = operation.action_open_outcome("with")
        self.assertEqual(self.env[action["res_model"]].search_count(action["domain"]), 3)
        with self.assertRaises(AccessError):
            cycle.with_user(self.finance).action_$thing()
""",
    ),
}

MANAGER = """$imports

class $kind_class(models.Model):
    _inherit = "$reference"

    @api.model
    def _selection_manager_ref_id(self):
        return [*super()._selection_manager_ref_id(), ("$model", self.env._("$words"))]


class $class_name(models.Model):
    \"\"\"$What.\"\"\"

    _name = "$model"
    _description = "$words"
    _inherit = "$base"
$body"""

FORM = """<?xml version="1.0" encoding="utf-8" ?>
<odoo>
    <record id="${file}_view_form" model="ir.ui.view">
        <field name="name">$model.form</field>
        <field name="model">$model</field>
        <field name="arch" type="xml">
            <form>
                <sheet>
                    <group>
                        <field name="name" />
                        <field name="program_id" readonly="id" options="{'no_create': True}" />
                        $fields
                    </group>
                </sheet>
            </form>
        </field>
    </record>
</odoo>
"""

RULE = """<?xml version="1.0" encoding="utf-8" ?>
<odoo>
    <record id="rule_$file" model="ir.rule">
        <field name="name">$model: company</field>
        <field name="model_id" ref="model_$file" />
        <field name="domain_force">[('program_id.company_id', 'in', company_ids)]</field>
    </record>
</odoo>
"""

HOOKS = '''from odoo.addons.g2p_programs.tools import managers


def uninstall_hook(env):
    """Programs keep no reference to a manager whose type is gone."""
    managers.remove(env, "$model")
'''

MANIFEST = """{
    "name": "G2P $words",
    "summary": "$What",
    "version": "$version",
    "category": "G2P PBMS",
    "license": "LGPL-3",
    "author": "G2P PBMS contributors",
    "depends": ["g2p_programs"],
$more}
"""

README = """# G2P $words

In short: $what.

Written by `make plugin KIND=$kind`. What the class of the kind has to answer is the docstring of its base in `g2p_programs`; the
guide is `docs/developer.md`.
"""

TEST = """from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import tagged

from odoo.addons.g2p_programs.tests.money import MoneyCase


@tagged("post_install", "-at_install")
class Test$class_name(MoneyCase):$test"""


def filled(text, names):
    """A template with its names, of which there may be some in what is filled in."""
    while "$" in text:
        text = Template(text).substitute(names)
    return text


def files(kind_name, addon):
    """{path inside the addon: text}"""
    kind = KINDS[kind_name]
    thing = addon.removeprefix("g2p_")
    model = f"{kind.prefix}.{thing}"
    names = {
        **kind._asdict(),
        "kind": kind_name,
        "addon": addon,
        "thing": thing,
        "words": thing.replace("_", " ").capitalize(),
        "class_name": "".join(part.capitalize() for part in thing.split("_")),
        "kind_class": "".join(part.capitalize() for part in kind_name.split("_")) + "Kind",
        "model": model,
        "file": model.replace(".", "_"),
        "version": re.search(r"^## (\d\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1],
        "What": kind.what[0].upper() + kind.what[1:],
    }
    test = TEST if "fields." in kind.test else TEST.replace("from odoo import fields\n", "")
    if "AccessError" not in kind.test:
        test = test.replace("from odoo.exceptions import AccessError\n", "")
    texts = {
        "README.md": README,
        "tests/__init__.py": "from . import test_$thing\n",
        "tests/test_$thing.py": test,
        "models/__init__.py": "from . import $thing\n",
    }
    if kind.prefix:
        fields = [kind.field] if kind.field != "amount" else ["currency_id", "amount", "least_age"]
        names["fields"] = "\n                        ".join(
            f'<field name="{field}"{" invisible=" + chr(34) + "1" + chr(34) if field == "currency_id" else ""} />'
            for field in fields
        )
        names["more"] = (
            '    "data": [\n        "security/ir.model.access.csv",\n        "security/${addon}_rules.xml",\n'
            '        "views/${file}_views.xml",\n    ],\n    "uninstall_hook": "uninstall_hook",\n'
        )
        access = ["id,name,model_id:id,group_id:id,perm_read,perm_write,perm_create,perm_unlink"]
        access += [f"access_$file_{role},$model {role},model_$file,{group},{may}" for role, group, may in READERS]
        texts |= {
            "__init__.py": "from . import models\nfrom .hooks import uninstall_hook\n",
            "hooks.py": HOOKS,
            "models/$thing.py": MANAGER,
            "security/ir.model.access.csv": "\n".join(access).replace("$file_", "${file}_") + "\n",
            "security/${addon}_rules.xml": RULE,
            "views/${file}_views.xml": FORM,
        }
    else:
        names["more"] = ""
        texts |= {"__init__.py": "from . import models\n", "models/$thing.py": "$imports\n$body"}
    texts["__manifest__.py"] = MANIFEST
    return {filled(path, names): filled(text, names) for path, text in texts.items()}


def write(kind, addon, folder):
    """Write the addon into a folder. :return: its own folder"""
    target = folder / addon
    for path, text in files(kind, addon).items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text)
    return target


def main(arguments):
    parser = argparse.ArgumentParser(description="Writes a new plug-in.")
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("name", help="the name of the addon: g2p_ and lower-case words with underscores")
    parser.add_argument("--into", type=Path, default=ROOT / "addons", help="the folder that gets it")
    chosen = parser.parse_args(arguments)
    if not re.fullmatch(r"g2p(_[a-z][a-z0-9]*)+", chosen.name):
        parser.error(f"{chosen.name!r} is no name of an addon: g2p_ and lower-case words, such as g2p_my_thing")
    if len(chosen.name) > LONGEST_NAME:
        parser.error(f"{chosen.name!r} is too long for the names of tables: at most {LONGEST_NAME} signs")
    if (chosen.into / chosen.name).exists():
        parser.error(f"{chosen.into / chosen.name} is there already")
    target = write(chosen.kind, chosen.name, chosen.into)
    ruff = ROOT / ".venv/bin/ruff"
    if ruff.exists():
        subprocess.run([ruff, "format", "-q", "--config", ROOT / "pyproject.toml", target], check=True)
    for path in sorted(target.rglob("*.*")):
        print(path)
    print(
        "\nNext: say its layer in scripts/module_map.py, draw its icon in scripts/icons.py, then run scripts/module_map.py, "
        f"and\n  scripts/test.sh {target}/tests"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
