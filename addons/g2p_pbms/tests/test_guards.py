"""What nobody may do to the records of others, tried on every model that there is.

The tests find models and fields by themselves. Where they can't make a record of a new model, they say so: add it to `FACTS`.
"""

import json
import re

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.g2p_bulk.tests.users import new_test_users
from odoo.addons.g2p_bulk.tools.guards import rule_paths
from odoo.addons.g2p_programs.tests.common import ROLES as GROUPS_OF
from odoo.addons.g2p_programs.tools.constants import MANAGER_FIELDS, SINGLE_MANAGERS

from .test_attacks import REFUSED, AttackCase

ROLES = ("admin", "registrar", "validator", "approver", "manager", "finance", "support", "auditor")
# Programs of this number and above are for groups.
GROUPS = 100
# Who is nobody's user: their labels must not be told.
SECRET = "HIDDEN"
# Nobody may write these at all, and making one takes a payment that was paid: tried by the tests of payments.
NOT_MADE = {"g2p.payment.correction"}


class World:
    """One record of each model, made when it is asked for, of one company and one area, by the superuser."""

    def __init__(self, case, company, area, name):
        self.case, self.company, self.area, self.name = case, company, area, name
        self.env = case.env(user=1, su=True, context={"allowed_company_ids": [company.id], "tracking_disable": True})
        self.made = {}

    def __getitem__(self, model):
        return self.record(model)

    def record(self, model, number=0):
        """The `number`-th record of this world; another number, another record."""
        if model == "res.company":
            return self.company
        key = (model, number)
        if key not in self.made:
            # Whoever is asked for while it is being made is made without it.
            record = self.made[key] = self.reference(model, number) or self.env[model].create(
                self.values(model, number)
            )
            if model == "g2p.program":
                record.action_activate()
        return self.made[key]

    def reference(self, model, number):
        """What is there already: managers and the references to them come with their program, settings with a company."""
        if model in ("g2p.registry.deduplication", "g2p.registrant.schema"):
            return self.env[model].search([("company_id", "in", [self.company.id, False])], limit=1)
        if "manager_ref_id" in self.env[model]._fields or getattr(self.env[model], "_manager_reference", None):
            program = self.record("g2p.program", number)
            found = self.env[model].search([("program_id", "=", program.id)], limit=1)
            kind = self.env[model]._manager_reference if "manager_ref_id" not in self.env[model]._fields else None
            if not found and kind in {program[MANAGER_FIELDS[single]]._name for single in SINGLE_MANAGERS}:
                # A program has one manager of this kind: this one takes the place of the default.
                self.env[kind].search([("program_id", "=", program.id)]).unlink()
                self.env.invalidate_all()
            return found
        return None

    def values(self, model, number=0):
        """Enough to make a record: what is required, and what the facts say."""
        facts = FACTS.get(model, {})
        facts = facts(self, number) if callable(facts) else dict(facts)
        for name, field in self.env[model]._fields.items():
            inherited = field.inherited and field.related_field.model_name != model
            if (
                name in facts
                or not field.required
                or inherited
                or field.compute
                or field.related
                or name in ("id", *models_delegated(self.env[model]))
            ):
                continue
            if field.default and not field.relational:
                continue
            facts[name] = self.value(field, number)
        return {name: value for name, value in facts.items() if value is not None}

    def value(self, field, number):
        if field.type == "many2one":
            if field.comodel_name == "res.company":
                return self.company.id
            if field.comodel_name == "res.currency":
                return self.company.currency_id.id
            if field.comodel_name == "res.users":
                return self.env.uid
            if not field.comodel_name.startswith(("g2p.", "res.partner", "gender")):
                return self.env[field.comodel_name].search([], limit=1).id
            return self.record(field.comodel_name, number).id
        if field.type in ("one2many", "many2many"):
            return [(6, 0, self.record(field.comodel_name, number).ids)]
        if field.type in ("integer", "float", "monetary"):
            return 1
        if field.type == "date":
            return fields.Date.today()
        if field.type == "datetime":
            return fields.Datetime.now()
        if field.type == "selection":
            return field.get_values(self.env)[0]
        if field.type == "boolean":
            return False
        return f"{self.name}-{field.model_name.rsplit('.', 1)[-1]}-{number}".replace("_", "-")


def models_delegated(model):
    return model._inherits.values()


def person(world, number):
    return {
        "is_registrant": True,
        "is_group": False,
        "family_name": world.name,
        "given_name": f"Person {number}",
        "company_id": world.company.id,
        "area_id": world.area.id,
    }


def household(world, number=0):
    key = ("household", number)
    if key not in world.made:
        world.made[key] = world.env["res.partner"].create(
            {
                "is_registrant": True,
                "is_group": True,
                "name": f"{world.name} Household {number}",
                "company_id": world.company.id,
                "area_id": world.area.id,
            }
        )
    return world.made[key]


def enrolled(world, number):
    member = world.record("g2p.program_membership", number)
    member._transition("enrolled")
    return member


def place(world, number):
    """An enrolled beneficiary's place in a cycle."""
    found = world.record("g2p.cycle.membership", number)
    found._transition("enrolled")
    return found


def viewers(world):
    return world.env.ref("g2p_registry_base.group_g2p_registry_viewer")


FACTS = {
    "g2p.approval.kind": lambda world, number: {
        "right_ids": [(6, 0, viewers(world).ids)],
        "group_id": viewers(world).id,
    },
    "g2p.approval.stage": lambda world, number: {"group_id": viewers(world).id, "company_id": world.company.id},
    "g2p.program.approval.mapping": lambda world, number: {
        "kind_id": world.env.ref("g2p_programs.approval_kind_cycle_entitlements").id,
        "group_id": world.env.ref("g2p_programs.g2p_finance_validator").id,
    },
    "g2p.approval.delegation": lambda world, number: {
        "delegate_id": world.env.ref("base.user_admin").id,
        "kind_ids": [(6, 0, world.record("g2p.approval.kind").ids)],
    },
    "g2p.program.entitlement.manager.cash": lambda world, number: {
        "program_id": world.record("g2p.program", number).id,
        "entitlement_item_ids": [(0, 0, {"name": "Item", "amount": 5})],
    },
    "g2p.pmt.area_weight": {"residence": "urban"},
    "g2p.pmt.cut_off": {"residence": "urban"},
    "g2p.program_membership.manager.area": lambda world, number: {"area_ids": [(6, 0, world.area.ids)]},
    "g2p.program_membership.manager.tag": lambda world, number: {
        "tag_ids": [(6, 0, world.record("g2p.registrant.tags").ids)]
    },
    "g2p.benefit.codes": lambda world, number: {
        "benefit_mnemonic": f"{world.name}{number}",
        "benefit_type": "COMMODITY",
        "measurement_unit": "KG",
    },
    "res.partner": person,
    "res.partner.bank": lambda world, number: {
        "partner_id": world.record("res.partner", number).id,
        "acc_number": f"{world.name} {number}",
        "company_id": world.company.id,
    },
    "res.users": lambda world, number: {
        "name": f"{world.name} User {number}",
        "login": f"{world.name} user {number}",
        "company_id": world.company.id,
        "company_ids": [(6, 0, world.company.ids)],
    },
    "g2p.area": lambda world, number: {"name": f"{world.name} Area {number}", "code": f"{world.name}{number}"},
    "g2p.phone.number": lambda world, number: {"phone_no": f"+25471200{world.area.id:02}{number:02}"[:13]},
    "g2p.reg.id": lambda world, number: {"value": f"{world.name}-{number}"},
    "g2p.reg.rel": lambda world, number: {
        "source": world.record("res.partner", number).id,
        "destination": world.record("res.partner", number + 50).id,
        "relation": world.env["g2p.relationship"]
        .create({"name": f"{world.name} {number}", "name_inverse": f"{world.name} back {number}"})
        .id,
    },
    "g2p.group.membership": lambda world, number: {
        "group": household(world, number).id,
        "individual": world.record("res.partner", number).id,
    },
    "g2p.program": lambda world, number: {
        "name": f"{world.name} Program {number}",
        "target_type": "group" if number >= GROUPS else "individual",
        "company_id": world.company.id,
    },
    # Individuals have no members in common.
    "g2p.deduplication.manager.default": lambda world, number: {
        "program_id": world.record("g2p.program", number + GROUPS).id
    },
    "g2p.cycle": lambda world, number: {
        "name": f"{world.name} Cycle {number}",
        "program_id": world.record("g2p.program", number).id,
        "start_date": "2030-01-01",
        "end_date": "2030-01-31",
    },
    "g2p.program.registrant_info": lambda world, number: {
        "registrant_id": world.record("res.partner", number).id,
        "program_id": world.record("g2p.program", number).id,
    },
    "g2p.cycle.membership": lambda world, number: {
        "partner_id": enrolled(world, number).partner_id.id,
        "cycle_id": world.record("g2p.cycle", number).id,
    },
    "g2p.entitlement": lambda world, number: {
        "partner_id": place(world, number).partner_id.id,
        "cycle_id": world.record("g2p.cycle", number).id,
        "initial_amount": 5,
        "reason": "Appeal",
    },
    "g2p.registrant.merge": lambda world, number: {
        "survivor_id": world.record("res.partner", number).id,
        "merged_id": world.record("res.partner", number + 70).id,
    },
}


@tagged("post_install", "-at_install")
class GuardCase(AttackCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.here_area, cls.there_area = cls.env["g2p.area"].create(
            [{"name": "Here", "code": "HERE"}, {"name": f"{SECRET} There", "code": "THERE"}]
        )
        cls.elsewhere = cls.env["res.company"].create({"name": f"{SECRET} Elsewhere"})
        cls.limited = new_test_users(cls.env, GROUPS_OF, "guard_")
        for user in cls.limited.values():
            user.g2p_area_ids = cls.here_area

    def setUp(self):
        super().setUp()
        self.here = World(self, self.env.company, self.here_area, "Here")
        self.there = World(self, self.env.company, self.there_area, f"{SECRET}There")
        self.abroad = World(self, self.elsewhere, self.here_area, f"{SECRET}Abroad")

    def guarded(self):
        """{model: guard} of every model of the suite that has records."""
        return {
            name: guard
            for name in sorted(self.env.registry)
            if (guard := self.env[name]._guard_spec()) and guard.is_suite and "test" not in name
        }

    def exists(self, name):
        """Whether there can be records: a kind of manager without a type has none."""
        if name in NOT_MADE:
            return False
        return "manager_ref_id" not in self.env[name]._fields or bool(self.env[name]._selection_manager_ref_id())

    def may(self, user, record, operation):
        """Whether the user may do it with the record, or with any record of a model."""
        records = self.env[record] if isinstance(record, str) else record
        return records.with_env(self.env(user=user, su=False, context={})).has_access(operation)

    @mute_logger("odoo.addons.base.models.ir_rule", "odoo.addons.base.models.ir_model", "odoo.sql_db")
    def outcome(self, user, record, method, *args, then=None, **kwargs):
        """(refusal or None, what was answered as text); whatever was done is undone."""
        savepoint = self.env.cr.savepoint()
        try:
            answer = self.rpc(user, record, method, *args, **kwargs)
            self.env.flush_all()
            if then:
                then(answer)
            return None, json.dumps(answer, default=str)
        except Exception as error:
            return error, str(error)
        finally:
            self.env.transaction.clear()
            savepoint.close(rollback=True)

    def forged(self, field):
        if field.type in ("one2many", "many2many"):
            return [(4, 1)]
        if field.type == "many2one":
            return 1
        if field.type in ("integer", "float", "monetary"):
            return 4711
        if field.type == "boolean":
            return not (field.default and field.default(self.env[field.model_name]))
        if field.type in ("date", "datetime"):
            return "2001-01-01"
        if field.type == "selection":
            return next(reversed(field.get_values(self.env)), "forged")
        if field.type == "json":
            return {"forged": True}
        return "forged"


@tagged("post_install", "-at_install")
class TestWorld(GuardCase):
    def test_a_record_of_every_model_that_somebody_may_write_can_be_made(self):
        missing = []
        for name in self.guarded():
            kind = self.env[name]
            if kind._transient or not self.exists(name):
                continue
            if any(self.may(user, name, "write") for user in self.users.values()):
                for world in (self.here, self.there, self.abroad):
                    made = dict(world.made)
                    try:
                        with self.env.cr.savepoint(), mute_logger("odoo.sql_db"):
                            self.assertEqual(len(world.record(name)), 1)
                    except Exception as error:
                        self.env.transaction.clear()
                        world.made = made
                        missing.append(f"{world.name} {name}: {str(error)[:200]}")
        self.assertFalse(missing, "\n".join(missing))


@tagged("post_install", "-at_install")
class TestStories(GuardCase):
    """The calls that got through once."""

    def test_an_account_is_not_made_the_primary_account_of_somebody_else(self):
        registrar = self.limited["registrar"]
        own, victim = self.here["res.partner"], self.there["res.partner"]
        [account] = self.rpc(registrar, "res.partner.bank", "create", [{"partner_id": own.id, "acc_number": "666"}])
        account = self.env["res.partner.bank"].browse(account)
        for vals in ({"partner_id": victim.id, "is_primary": True}, {"partner_id": victim.id}):
            self.refused(registrar, account, "write", vals)
            self.refused(self.users["registrar"], account, "write", vals)
            self.refused(self.users["registrar"], victim, "write", {"bank_ids": [(4, account.id)]})
            self.refused(self.users["registrar"], victim, "write", {"bank_ids": [(6, 0, [account.id])]})
        self.assertEqual(account.partner_id, own)
        self.assertFalse(victim.bank_ids)

    def test_what_belongs_to_a_registrant_stays_with_them(self):
        own, victim = self.here["res.partner"], self.there["res.partner"]
        for model, name in (
            ("g2p.phone.number", "partner_id"),
            ("g2p.reg.id", "partner_id"),
            ("g2p.reg.rel", "destination"),
            ("g2p.reg.rel", "source"),
            ("g2p.group.membership", "individual"),
        ):
            with self.subTest(f"{model}.{name}"):
                record = self.here.record(model)
                for user in (self.limited["registrar"], self.users["registrar"], self.users["admin"]):
                    self.refused(user, record, "write", {name: victim.id})
                # the same again is no change
                self.rpc(self.limited["registrar"], record, "write", {name: record[name].id})
        self.assertTrue(own.phone_number_ids)

    def test_a_program_keeps_its_definition(self):
        other = self.program("Other")
        foreign = self.abroad["g2p.program"]
        for user in (self.users["manager"], self.users["admin"]):
            self.refused(user, self.grant, "write", {"definition_id": foreign.definition_id.id})
            self.refused(user, self.grant, "write", {"definition_id": other.definition_id.id})
            self.refused(user, self.grant, "write", {"company_id": self.elsewhere.id})
            self.refused(user, self.grant.definition_id, "write", {"company_id": self.elsewhere.id})
            self.refused(user, "g2p.program", "create", [{"name": "x", "definition_id": foreign.definition_id.id}])
        self.rpc(self.users["manager"], self.grant, "write", {"definition_id": self.grant.definition_id.id})

    def test_an_explanation_names_nobody_of_elsewhere(self):
        for role in ROLES:
            user = self.limited[role]
            for world in (self.there, self.abroad):
                with self.subTest(f"{role} {world.name}"):
                    error, text = self.outcome(
                        user,
                        "g2p.eligibility.explanation",
                        "web_save",
                        [],
                        {"partner_id": world["res.partner"].id},
                        {"partner_id": {"fields": {"display_name": {}}}},
                    )
                    error, text = self.outcome(
                        user, "g2p.eligibility.explanation", "create", [{"partner_id": world["res.partner"].id}]
                    )
                    self.assertIsInstance(error, AccessError)
                    self.assertNotIn(SECRET, text.upper())
            for value in (str(self.there["res.partner"].id), [self.there["res.partner"].id, "x"]):
                error, _text = self.outcome(user, "g2p.eligibility.explanation", "create", [{"partner_id": value}])
                self.assertTrue(error, value)

    def test_a_contact_is_not_put_under_a_hidden_registrant(self):
        outsider = new_test_user(self.env, login="guard_contacts", groups="base.group_user,base.group_partner_manager")
        contact = self.env["res.partner"].create({"name": "Shop"})
        victim = self.there["res.partner"]
        self.rpc(outsider, contact, "write", {"comment": "x"})
        for user in (outsider, self.limited["registrar"]):
            self.refused(user, contact, "write", {"parent_id": victim.id})
        self.refused(outsider, "res.partner", "create", [{"name": "x", "parent_id": victim.id}])
        own = self.here["res.partner"]
        self.refused(self.limited["registrar"], own, "write", {"parent_id": victim.id})

    def test_a_wizard_takes_no_foreign_cycle(self):
        cycle = self.abroad["g2p.cycle"]
        error, text = self.outcome(self.finance, "g2p.payment.mark.wizard", "create", [{"cycle_id": cycle.id}])
        self.assertIsInstance(error, AccessError)
        self.assertNotIn(SECRET, text.upper())
        error, text = self.outcome(
            self.finance,
            "g2p.payment.mark.wizard",
            "onchange",
            {},
            [],
            {"cycle_id": {"fields": {"display_name": {}}}},
            context={"default_cycle_id": cycle.id},
        )
        self.assertNotIn(SECRET, text.upper())

    def test_a_limited_registrar_moves_nobody_out_of_sight(self):
        registrar = self.limited["registrar"]
        self.refused(registrar, self.here["res.partner"], "write", {"area_id": self.there_area.id})

    def test_an_import_is_not_forged(self):
        registrar, victim = self.users["registrar"], self.users["admin"]
        for name, value in (
            ("state", "done"),
            ("imported_count", 500),
            ("confirmed_by_id", victim.id),
            ("submitted_by_id", victim.id),
            ("file_hash", "x"),
        ):
            with self.subTest(name):
                [made] = self.rpc(
                    registrar,
                    "g2p.registrant.import",
                    "create",
                    [{"name": "x.csv"}],
                    context={f"default_{name}": value},
                )
                self.assertNotEqual(
                    self.env["g2p.registrant.import"].browse(made).read([name], load=None)[0][name], value
                )
                self.env["ir.default"].with_user(registrar).set("g2p.registrant.import", name, value, user_id=True)
                [made] = self.rpc(registrar, "g2p.registrant.import", "create", [{"name": "x.csv"}])
                self.assertNotEqual(
                    self.env["g2p.registrant.import"].browse(made).read([name], load=None)[0][name], value
                )

    def test_a_program_with_a_cycle_under_way_is_not_archived(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        for user in (self.users["manager"], self.users["admin"]):
            self.refused(user, self.grant, "write", {"active": False})
            self.refused(user, self.grant, "web_save", {"active": False}, {})
        self.assertTrue(self.grant.active)
        # the button cancels the cycle with its entitlements first
        self.rpc(self.users["manager"], self.grant, "action_archive")
        self.assertEqual((self.grant.active, cycle.state), (False, "cancelled"))

    def test_scheduled_work_is_run_by_the_scheduler(self):
        crons = self.env["ir.cron"].with_context(active_test=False).search([])
        crons = crons.filtered(lambda cron: self.env[cron.model_id.model]._guard_is_suite())
        self.assertGreater(len(crons), 5)
        for action in crons.ir_actions_server_id:
            for role in (*ROLES, "outsider", "portal"):
                user = self.users.get(role) or getattr(self, role)
                with self.subTest(f"{role}: {action.name}"):
                    self.refused(user, action, "run")
        for action in self.env["ir.actions.server"].search([("usage", "=", "ir_actions_server")]):
            if action.model_id.model in self.env and self.env[action.model_id.model]._guard_is_suite():
                external = action.get_external_id()[action.id]
                if external.startswith("g2p_"):
                    self.assertTrue(action.group_ids, external)

    def test_the_active_record_is_no_way_round(self):
        """Forms that take what they are about from the context."""
        foreign = self.abroad["g2p.cycle"]
        for name, guard in self.guarded().items():
            kind = self.env[name]
            for role in ("manager", "finance", "registrar", "admin"):
                user = self.users[role]
                if not kind._transient or not self.may(user, name, "create"):
                    continue
                for target in (foreign, foreign.program_id, self.abroad["res.partner"]):
                    context = {"active_model": target._name, "active_id": target.id, "active_ids": target.ids}
                    spec = {field: {"fields": {"display_name": {}}} for field in guard.relations if field != "id"}
                    _error, text = self.outcome(user, name, "onchange", [], {}, [], spec, context=context)
                    self.assertNotIn(SECRET, text.upper(), name)
                    _error, text = self.outcome(user, name, "web_save", [], {}, spec, context=context)
                    self.assertNotIn(SECRET, text.upper(), name)

    def test_who_disabled_a_phone_is_not_written(self):
        registrar = self.users["registrar"]
        phone = self.here["g2p.phone.number"]
        victim = self.users["admin"]
        self.refused(registrar, phone, "write", {"disabled_by": victim.id})
        self.refused(registrar, phone, "write", {"disabled": "2020-01-01"})
        self.refused(
            registrar,
            "g2p.phone.number",
            "create",
            [{**self.here.values("g2p.phone.number", 7), "disabled_by": victim.id}],
        )
        self.rpc(registrar, phone, "disable_phone")
        self.assertEqual(phone.disabled_by, registrar)
        self.rpc(registrar, phone, "enable_phone")
        self.assertFalse(phone.disabled)

    def test_a_registrar_makes_a_membership(self):
        registrar = self.users["registrar"]
        vals = {"partner_id": self.here["res.partner"].id, "program_id": self.here["g2p.program"].id}
        [made] = self.rpc(registrar, "g2p.program_membership", "create", [vals])
        self.assertEqual(self.env["g2p.program_membership"].browse(made).state, "draft")

    def test_a_refusal_names_nobody_even_in_debug_mode(self):
        victim = self.there["res.partner"]
        refusal = self.env["ir.rule"].with_user(self.limited["registrar"])._make_access_error("read", victim)
        self.assertNotIn(SECRET, str(refusal).upper())
        user = self.env["ir.rule"].with_user(self.limited["registrar"])
        self.patch(type(self.env["res.users"]), "has_group", lambda self, group: True)
        self.assertNotIn(SECRET, str(user._make_access_error("read", victim)).upper())


@tagged("post_install", "-at_install")
class TestParentsAreFixed(GuardCase):
    def parents(self):
        for name, guard in self.guarded().items():
            for field in sorted(guard.fixed):
                if self.env[name]._fields[field].type == "many2one":
                    yield name, field

    def test_the_walk_finds_what_must_be_found(self):
        found = set(self.parents())
        for wanted in (
            ("res.partner.bank", "partner_id"),
            ("g2p.phone.number", "partner_id"),
            ("g2p.reg.id", "partner_id"),
            ("g2p.reg.rel", "source"),
            ("g2p.reg.rel", "destination"),
            ("g2p.group.membership", "group"),
            ("g2p.group.membership", "individual"),
            ("g2p.eligibility.rule.definition", "manager_id"),
            ("g2p.program.entitlement.manager.cash.item", "entitlement_id"),
            ("g2p.program.benefit.codes", "definition_id"),
            ("g2p.program.fund", "program_id"),
            ("g2p.cycle", "program_id"),
            ("g2p.program", "definition_id"),
            ("g2p.program_membership", "partner_id"),
            ("g2p.program_membership", "program_id"),
            ("g2p.cycle.membership", "cycle_id"),
            ("g2p.entitlement", "cycle_id"),
            ("g2p.entitlement", "partner_id"),
            ("g2p.program.registrant_info", "registrant_id"),
        ):
            self.assertIn(wanted, found)

    def test_every_path_of_a_record_rule_is_fixed_or_evidence(self):
        """What rules ask about through a many2one can't be written, or the model says why it may be."""
        for name, guard in self.guarded().items():
            model = self.env[name]
            for path in rule_paths(model):
                first, _dot, rest = path.partition(".")
                field = model._fields.get(first)
                if not rest or not field or field.type != "many2one" or not field.store:
                    continue
                with self.subTest(f"{name}.{path}"):
                    self.assertIn(first, guard.fixed | guard.protected | {*model._loose_fields})

    def test_nobody_gives_a_record_another_parent(self):
        tried = 0
        for name, field in self.parents():
            model = self.env[name]
            writers = [role for role in ROLES if self.may(self.users[role], name, "write")]
            if not writers:
                continue
            if not self.exists(name):
                continue
            record = self.here.record(name)
            comodel = model._fields[field].comodel_name
            before = record[field].id
            others = [
                world.record(comodel, number) for world, number in ((self.here, 9), (self.there, 0), (self.abroad, 0))
            ]
            self.env.flush_all()
            for role in writers:
                for user in (self.users[role], self.limited[role]):
                    for other in others:
                        if other.id == before:
                            continue
                        with self.subTest(f"{user.login}: {name}.{field} = {other}"):
                            tried += 1
                            error, text = self.outcome(user, record, "write", {field: other.id})
                            self.assertIsInstance(error, REFUSED)
                            self.assertNotIn(SECRET, text.upper())
                            for value in (str(other.id), [other.id, "x"], {"id": other.id}):
                                error, text = self.outcome(user, record, "write", {field: value})
                                self.assertTrue(error)
                                self.assertNotIn(SECRET, text.upper())
            # by the way of the other parent's lines
            for inverse in self.env[comodel]._fields.values():
                if inverse.type == "one2many" and inverse.comodel_name == name and inverse.inverse_name == field:
                    for command in ((4, record.id), (6, 0, [record.id]), (1, record.id, {field: others[0].id})):
                        with self.subTest(f"{comodel}.{inverse.name} {command}"):
                            self.outcome(self.users["admin"], others[0], "write", {inverse.name: [command]})
                            self.assertEqual(record[field].id, before)
                            error, _text = self.outcome(
                                self.users["admin"], others[0], "write", {inverse.name: [command]}
                            )
                            self.assertIsInstance(error, REFUSED)
            self.assertEqual(record[field].id, before)
        self.assertGreater(tried, 500)


@tagged("post_install", "-at_install")
class TestTargets(GuardCase):
    """A many2one that is set to a record of others is refused, and its label is not told."""

    def fields_to(self, name, guard):
        for field, kind in sorted(guard.relations.items()):
            comodel = self.env[name]._fields[field].comodel_name if kind != "reference" else None
            if kind == "many2one" and comodel and (comodel in HIDEABLE):
                yield field, comodel

    def test_every_field_of_every_model(self):
        tried, holes = set(), set()
        for name, guard in self.guarded().items():
            model = self.env[name]
            for field, comodel in self.fields_to(name, guard):
                for world in (self.there, self.abroad) if self.exists(name) else ():
                    target = world.record(comodel)
                    for role in ("admin", "registrar", "manager", "finance"):
                        user = self.limited[role]
                        if self.may(user, target, "read"):
                            continue
                        base = {
                            key: value
                            for key, value in self.here.values(name, 5).items()
                            if key != field and key not in guard.protected
                        }
                        vals = {**base, field: target.id}
                        spec = {field: {"fields": {"display_name": {}}}}
                        if self.may(user, name, "create"):
                            for method, arguments, context in (
                                ("create", ([vals],), {}),
                                ("web_save", ([], vals, spec), {}),
                                ("create", ([base],), {f"default_{field}": target.id}),
                                ("onchange", ([], vals, [field], spec), {}),
                                ("onchange", ([], {}, [], spec), {f"default_{field}": target.id}),
                            ):
                                answers = []
                                error, text = self.outcome(
                                    user,
                                    name,
                                    method,
                                    *arguments,
                                    context=context,
                                    then=lambda answer, name=name, field=field, answers=answers: answers.extend(
                                        self.env[name]
                                        .sudo()
                                        .browse(made["id"] if isinstance(made, dict) else made)[field]
                                        for made in (answer if isinstance(answer, list) else ())
                                    ),
                                )
                                # A model may put its own value in the place of what was given.
                                taken = target in answers or not isinstance(error, (*REFUSED, type(None)))
                                if taken or SECRET in text.upper():
                                    holes.add(f"{name}.{method}({arguments}, {context}) → {error or text}")
                            tried.add((name, field))
                        if not model._transient and self.exists(name) and self.may(user, name, "write"):
                            record = self.here.record(name)
                            vals = {field: target.id}
                            if self.may(user, record, "write"):
                                error, text = self.outcome(user, record, "write", vals)
                                if not isinstance(error, REFUSED) or SECRET in text.upper():
                                    holes.add(f"{name}.write({vals}) → {error or text}")
                                tried.add((name, field))
        self.assertFalse(holes, "\n".join(sorted(holes)))
        self.assertGreater(len(tried), 60)
        self.assertIn(("g2p.eligibility.explanation", "partner_id"), tried)
        self.assertIn(("g2p.payment.mark.wizard", "cycle_id"), tried)
        self.assertIn(("res.partner", "parent_id"), tried)

    def test_lists_of_targets(self):
        """many2many, in commands of every kind."""
        for name, guard in self.guarded().items():
            model = self.env[name]
            for field, kind in guard.relations.items():
                comodel = model._fields[field].comodel_name
                if kind != "many2many" or comodel not in HIDEABLE or field in guard.protected:
                    continue
                target = self.abroad.record(comodel)
                for role in ("admin", "registrar", "manager", "finance"):
                    user = self.users[role]
                    if self.may(user, target, "read") or not self.may(user, name, "create"):
                        continue
                    for value in ([(4, target.id)], [(6, 0, [target.id])], [target.id], [(1, target.id, {})]):
                        with self.subTest(f"{role}: {name}.{field} {value}"):
                            error, text = self.outcome(user, name, "create", [{field: value}])
                            self.assertIsInstance(error, REFUSED)
                            self.assertNotIn(SECRET, text.upper())


# What company or area hides: a target of these models can be somebody else's.
HIDEABLE = {
    "res.partner",
    "res.partner.bank",
    "g2p.program",
    "g2p.program.definition",
    "g2p.cycle",
    "g2p.cycle.membership",
    "g2p.program_membership",
    "g2p.entitlement",
    "g2p.registrant.import",
    "g2p.registrant.schema",
    "g2p.program.registrant_info",
    "g2p.program_membership.manager.list",
    "g2p.program_membership.manager.rules",
    "g2p.program.entitlement.manager.cash",
    "g2p.pmt.model",
    "g2p.proxy_means_test_params",
    "g2p.payment.batch.tag",
    "g2p.registrant.merge",
    "g2p.program.scenario",
}


@tagged("post_install", "-at_install")
class TestEvidence(GuardCase):
    """Who, when, which state, how many: written by steps and buttons only."""

    NAMES = re.compile(
        r"(^|_)(state|status|verdict)$|_count$|_by(_id)?$|_on$|^(disabled|approved|submitted|confirmed)|_hash$|^checksum$"
    )
    # Said by a person about the world, not by the system about what happened in it.
    TOLD = {
        "g2p.cycle.manager.default.month_by",
        # OpenG2P's name of what a stage is called
        "g2p.program.approval.mapping.state",
        "g2p.reg.id.status",
        "res.partner.civil_status",
    }

    def test_every_field_of_that_kind_is_evidence(self):
        for name, guard in self.guarded().items():
            if self.env[name]._transient or not any(
                self.may(user, name, operation) for user in self.users.values() for operation in ("create", "write")
            ):
                continue
            for field in self.env[name]._fields.values():
                if field.store and self.NAMES.search(field.name) and (field._module or "").startswith("g2p_"):
                    with self.subTest(f"{name}.{field.name}"):
                        self.assertIn(
                            f"{name}.{field.name}", {f"{name}.{field}" for field in guard.protected} | self.TOLD
                        )

    def test_no_way_leads_to_evidence(self):
        tried = 0
        for name, guard in self.guarded().items():
            model = self.env[name]
            for role in ROLES:
                user = self.users[role]
                writes, creates = (self.may(user, name, operation) for operation in ("write", "create"))
                if not guard.protected or not (writes or creates) or not self.exists(name):
                    continue
                record = self.here.record(name) if writes else None
                for field_name in sorted(guard.protected):
                    value = self.forged(model._fields[field_name])
                    with self.subTest(f"{role}: {name}.{field_name} = {value}"):
                        tried += 1
                        if writes:
                            error, _text = self.outcome(user, record, "write", {field_name: value})
                            self.assertIsInstance(error, REFUSED)
                        if creates:
                            given = self.here.values(name, 5).items()
                            vals = {key: known for key, known in given if key not in guard.protected}
                            stored = []
                            error, _text = self.outcome(
                                user,
                                name,
                                "create",
                                [{**vals, field_name: value}],
                                then=lambda ids, field_name=field_name, model=model, stored=stored: stored.append(
                                    str(model.sudo().browse(ids).read([field_name], load=None)[0][field_name])
                                ),
                            )
                            self.assertTrue(
                                isinstance(error, REFUSED) or (stored and stored[0] != str(value)),
                                f"{name}.{field_name} = {value}: {error}",
                            )
        self.assertGreater(tried, 300)


@tagged("post_install", "-at_install")
class TestWithoutTheRight(GuardCase):
    """Whoever may not write, create or delete is refused, whichever field is named: no override answers before it asked."""

    @mute_logger("odoo.addons.base.models.ir_rule", "odoo.addons.base.models.ir_model", "odoo.sql_db")
    def holes(self, user, record, calls):
        """What was done instead of being refused, of [(method, arguments)]. Who is refused has done nothing to be undone."""
        # With a reason: what the context says is no right.
        records = record.with_env(self.env(user=user, su=False, context={"g2p_reason": "Because"}))
        for method, *arguments in calls:
            error = None
            try:
                try:
                    getattr(records, method)(*arguments)
                except AccessError:
                    raise
                except UserError:
                    # The value was refused, not the user: so what is there already, with which nothing is wrong.
                    if method == "write" and record.exists():
                        [name] = arguments[0]
                        arguments = [{name: record._fields[name].convert_to_write(record[name], record)}]
                        records.write(*arguments)
                    else:
                        raise
            except UserError:
                continue
            except Exception as other:
                error = other
            self.env.transaction.clear()
            yield f"{user.login}: {record._name}.{method}{arguments} → {repr(error)[:120] if error else 'done'}"

    def fields_of(self, name):
        return [
            (field.name, self.forged(field))
            for field in self.env[name]._fields.values()
            if field.name not in ("id", "display_name")
        ]

    def can_be_made(self, name):
        return self.env[name]._auto and not self.env[name]._transient and self.exists(name)

    def test_no_role_writes_creates_or_deletes_without_the_right(self):
        holes, tried = [], 0
        for name in self.guarded():
            lacking = {
                operation: [self.users[role] for role in ROLES if not self.may(self.users[role], name, operation)]
                for operation in ("write", "create", "unlink")
            }
            # What nobody may write needn't be there to be refused.
            somebody = len(lacking["write"]) < len(ROLES) and self.can_be_made(name)
            record = self.here.record(name) if somebody else self.env[name].browse(10**6)
            self.env.flush_all()
            given = self.fields_of(name)
            for operation, users in lacking.items():
                calls = {
                    "write": [("write", {field: value}) for field, value in given],
                    "create": [("create", [{field: value}]) for field, value in given],
                    "unlink": [("unlink",)],
                }[operation]
                for user in users:
                    tried += len(calls)
                    holes += self.holes(user, record, calls)
        self.assertFalse(holes, f"{len(holes)} holes\n" + "\n".join(holes))
        self.assertGreater(tried, 5_000)

    def test_nobody_writes_or_deletes_what_others_have(self):
        """The right on the model is not enough: of another area, of another company."""
        holes, tried = [], 0
        for name in filter(self.can_be_made, self.guarded()):
            writers = [self.limited[role] for role in ROLES if self.may(self.limited[role], name, "write")]
            for world in (self.there, self.abroad) if writers else ():
                record = world.record(name)
                self.env.flush_all()
                for user in writers:
                    calls = []
                    if not self.may(user, record, "write"):
                        calls += [("write", {field: value}) for field, value in self.fields_of(name)]
                    if not self.may(user, record, "unlink"):
                        calls.append(("unlink",))
                    tried += len(calls)
                    holes += self.holes(user, record, calls)
        self.assertFalse(holes, f"{len(holes)} holes\n" + "\n".join(holes))
        self.assertGreater(tried, 500)
