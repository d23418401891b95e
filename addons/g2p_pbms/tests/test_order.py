"""Nothing goes past a step that is unfinished: every pair of (unfinished step, what relies on it), by RPC as the right role.

The pairs are made from the declarations of every record that bulk steps work on; a step, transition or act that is declared
nowhere, or that this table does not know how to press, fails the test.
"""

import ast
import base64
import contextlib
import inspect
import textwrap
from collections import defaultdict

from odoo import fields
from odoo.service.model import call_kw
from odoo.tests import tagged

from odoo.addons.g2p_bulk.engine.liveness import at_work
from odoo.addons.g2p_programs.tests.money import MoneyCase

MOVES = {"_transition", "_transition_where", "_leave_where", "_refresh_counters"}
# Public methods that move rows and need no guard of their own, and why.
NO_GUARD = {
    "action_refresh_counters": "counts, and moves nothing",
    "validate_entitlement": "starts a step",
    "approve_entitlement": "starts a step",
    "create_program": "the program is new",
    "action_duplicate": "the next Deduplicate looks at the set again; its guard is _check_decision",
    "action_not_duplicate": "its guard is _check_decision",
    "action_keep": "its guard is _check_decision",
    "action_accept": "its guard is _check_decision",
    "action_different": "its guard is _check_decision",
    "action_merge": "its guard is _check_idle",
    "action_undo": "its guard is _check_idle",
    "assign_registrant": "checks the program's row",
    "post_fund": "moves money of the account, under its lock, and no rows of steps",
    "cancel_fund": "as post_fund",
}
# Models whose rows no bulk step of a cycle or program moves.
OTHER_ROWS = {
    "g2p.registrant.merge": "a merge of two people; the programs they are in are asked (_check_idle)",
    "g2p.program.fund": "money of the account, under its lock",
    "g2p.approval.request": "requests, each decided on under its lock; what it does asks as its button did",
    "g2p.pmt.model": "settings: the program is asked",
    "g2p.program.registrant_info": "applications, each moved by its own button",
    "g2p.payment.contradiction": "what a person found out about a payment; the payment moves by a correction",
    "g2p.program.assessment": "assessments, each moved by its own button",
}
RUNNING, INTERRUPTED, FAILED, CANCELLED = "running", "interrupted", "failed", "cancelled"


class OrderCase(MoneyCase):
    @classmethod
    def targets(cls):
        mixin = cls.env.registry["g2p.bulk.mixin"]
        return [
            name
            for name, model in sorted(cls.env.registry.items())
            if issubclass(model, mixin) and not model._abstract and not name.startswith("g2p.bulk.test")
        ]

    def unfinished(self, target, step, kind):
        """An operation of the step on the record, as a process left it: 10 rows, of which 4 are done. One that is running needs
        somebody `at_work`."""
        now = fields.Datetime.now()
        operation = self.env["g2p.bulk.operation"].create(
            {
                "name": f"{target._bulk_steps()[step]}: test",
                "step": step,
                "res_model": target._name,
                "res_id": target.id,
                "user_id": self.manager.id,
                "state": RUNNING if kind == INTERRUPTED else kind,
                "mode": "inline",
                "chunk_size": 5,
                "planned": 10,
                "started_at": now,
                "resumed_at": now,
                "params": {},
            }
        )
        rest = {RUNNING: "pending", INTERRUPTED: "pending"}.get(kind, kind)
        for low, planned, state in ((0, 4, "done"), (4, 6, rest)):
            self.env["g2p.bulk.chunk"].create(
                {"operation_id": operation.id, "low": low, "high": low + planned, "planned": planned, "state": state}
            )
        if kind == INTERRUPTED:
            self.env.flush_all()
            self.env.cr.execute(
                "UPDATE g2p_bulk_operation SET resumed_at = '2020-01-01', create_date = '2020-01-01' WHERE id = %s",
                [operation.id],
            )
        self.env.invalidate_all()
        return operation

    def refusing(self, target, name):
        """{(model, step): the kinds of unfinished operations that stand in the way}, from the declarations."""
        steps, relied = target._bulk_steps(), target._bulk_relies_on()[name]
        act, harmless = name in target._bulk_acts(), target._bulk_harmless().get(name, ())
        live = (RUNNING, INTERRUPTED)
        pairs = {}
        for step in steps:
            if step != name:
                pairs[target._name, step] = live if act or name in steps else (*live, FAILED)
        for needed in relied:
            model, _colon, step = needed.rpartition(":")
            model = model or target._name
            given_up = self.env[model]._bulk_given_up()
            for code in self.env[model]._bulk_steps() if step == "*" else (step,):
                kinds = live if act else (*live, FAILED)
                if not act and step != "*" and step not in given_up:
                    kinds = (*kinds, CANCELLED)
                pairs[model, code] = kinds
        return {
            (model, step): [
                kind
                for kind in kinds
                if kind != RUNNING or (step if model == target._name else f"{model}:{step}") not in harmless
            ]
            for (model, step), kinds in pairs.items()
        }


@tagged("post_install", "-at_install")
class TestDeclarations(OrderCase):
    def test_every_step_says_what_it_relies_on(self):
        for name in self.targets():
            model = self.env[name]
            steps, relies = model._bulk_steps(), model._bulk_relies_on()
            with self.subTest(name):
                self.assertEqual(set(steps) - set(relies), set(), "steps without a declaration")
                for declared in relies:
                    self.assertTrue(
                        declared in steps
                        or declared in model._bulk_acts()
                        or hasattr(model, declared)
                        or declared in ("send_batch",),
                        f"{declared} is no step, no act and no method",
                    )
                for needed in {
                    step for needs in (*relies.values(), *model._bulk_harmless().values()) for step in needs
                }:
                    other, _colon, step = needed.rpartition(":")
                    other = self.env[other] if other else model
                    self.assertTrue(step == "*" or step in other._bulk_steps(), f"{needed} is no step")
                for step, states in model._bulk_from_states().items():
                    self.assertIn(step, steps)
                    self.assertLessEqual(set(states), set(model._fields["state"].get_values(self.env)))
                for step, others in model._bulk_completed_by().items():
                    self.assertLessEqual({step, *others}, set(steps))
                self.assertLessEqual(set(model._bulk_given_up()), set(steps))
                self.assertLessEqual(set(model._bulk_acts()), set(relies))

    def public_methods(self, model):
        """{name: [the names that its definitions in the suite call]}"""
        found = {}
        for klass in type(model).mro():
            if not klass.__module__.startswith("odoo.addons.g2p_"):
                continue
            for name, method in vars(klass).items():
                public = not name.startswith("_") or name in ("create", "write", "unlink")
                if (
                    not public
                    or not inspect.isfunction(inspect.unwrap(method))
                    or getattr(method, "_api_private", False)
                ):
                    continue
                tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(method))))
                calls = {
                    node.func.attr
                    for node in ast.walk(tree)
                    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                }
                found.setdefault(name, set()).update(calls)
        return found

    def test_every_method_that_moves_what_steps_move_asks_first(self):
        """Of the records themselves (transitions), and of the rows that steps make and move (acts)."""
        mixin = self.env.registry["g2p.state.mixin"]
        targets = self.targets()
        models = [
            name
            for name, model in self.env.registry.items()
            if not model._abstract
            and (name in targets or (issubclass(model, mixin) and name not in OTHER_ROWS))
            and not name.startswith("g2p.bulk.test")
        ]
        checked, wrong = 0, []
        for name in models:
            for method, calls in self.public_methods(self.env[name]).items():
                if method == "init" or not calls & MOVES or method in NO_GUARD:
                    continue
                checked += 1
                if not calls & {"_bulk_check", "_bulk_start"}:
                    wrong.append(f"{name}.{method}")
        self.assertEqual(wrong, [], "these move rows of steps without asking")
        self.assertGreater(checked, 15)


@tagged("post_install", "-at_install")
class TestOrder(OrderCase):
    """The table. Each model has a method that makes a record, what it relies on, and says how each thing is done."""

    def setUp(self):
        super().setUp()
        self.related = {}

    def press(self, user, record, method, *args):
        return lambda: call_kw(self.env[record._name].with_user(user), method, [record.ids, *args], {})

    def start(self, record, step):
        """Steps that a transition or the clock starts."""
        return lambda: record._bulk_start(step)

    def check(self, record, name):
        return lambda: record._bulk_check(name)

    # How things are done

    def recipes_g2p_cycle(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        manager, finance, approver = self.manager, self.finance, self.approver
        reconciliation = self.env["g2p.payment.reconciliation"].create({"cycle_id": cycle.id})
        change = self.env["g2p.membership.change"].create(
            {"program_id": self.grant.id, "user_id": manager.id, "kind": "exit", "date": fields.Date.today()}
        )
        self.related = {"g2p.program": self.grant, "g2p.payment.reconciliation": reconciliation, change._name: change}
        entitlement = self.entitlements(cycle)[0]
        reject = self.env["g2p.entitlement.reject.wizard"].create(
            {"entitlement_ids": [(6, 0, entitlement.ids)], "reason": "No", "state": "rejected3"}
        )
        reject.sudo().create_uid = finance
        place = cycle.cycle_membership_ids[0]
        self.states_of = {
            "draft": (
                "copy",
                "verify",
                "prepare",
                "withdraw",
                "to_approve",
                "edit_members",
                "edit_entitlements",
                "repair",
            ),
            "to_approve": ("submit", "reset_draft", "approve"),
            "distributed": ("mark_ended",),
            "cancelled": ("cancel_entitlements",),
        }
        return cycle, {
            "copy": self.press(manager, cycle, "copy_beneficiaries_from_program"),
            "verify": self.press(manager, cycle, "check_eligibility"),
            "prepare": self.press(manager, cycle, "prepare_entitlement"),
            "submit": self.start(cycle, "submit"),
            "withdraw": self.start(cycle, "withdraw"),
            "approve_entitlements": self.press(finance, cycle, "validate_entitlement"),
            "cancel_entitlements": self.start(cycle, "cancel_entitlements"),
            "expire": self.start(cycle, "expire"),
            "repair": self.start(cycle, "repair"),
            "prepare_payments": self.press(manager, cycle, "prepare_payment"),
            "send": self.press(manager, cycle, "send_payment"),
            "reconcile": lambda: cycle.with_user(finance)._mark_payments("paid"),
            "to_approve": self.press(manager, cycle, "to_approve"),
            "reset_draft": self.press(manager, cycle, "reset_draft"),
            "approve": self.press(approver, cycle, "approve"),
            "mark_distributed": self.press(manager, cycle, "mark_distributed"),
            "mark_ended": self.press(manager, cycle, "mark_ended"),
            "mark_cancelled": self.press(manager, cycle, "mark_cancelled"),
            "edit_members": self.press(manager, place, "unlink"),
            "edit_entitlements": self.press(manager, entitlement, "write", {"initial_amount": 5, "reason": "Appeal"}),
            "reject": lambda: entitlement.with_user(finance)._reject("rejected3", "No"),
            "edit_payments": self.check(cycle, "edit_payments"),
            "send_batch": self.check(cycle, "send_batch"),
            "mark": self.check(cycle, "mark"),
        }

    def recipes_g2p_program(self):
        program = self.grant
        cycle = self.new_cycle()
        manager = self.manager
        change = self.env["g2p.membership.change"].create(
            {"program_id": program.id, "user_id": manager.id, "kind": "exit", "date": fields.Date.today()}
        )
        self.related = {"g2p.cycle": cycle, change._name: change}
        program.sudo().pmt_config = True
        lists = self.env["g2p.program_membership.manager.list"].create({"name": "List", "program_id": program.id})
        wizard = (
            self.env["g2p.eligibility.list.load"]
            .with_user(manager)
            .create({"manager_id": lists.id, "file": base64.b64encode(b"Registrant\n1\n"), "file_name": "a.csv"})
        )
        self.states_of = {
            "draft": ("action_activate",),
            "ended": ("reactivate_program", "close_applications"),
            "paused": ("resume_program",),
        }
        return program, {
            "load_list": self.press(manager, wizard, "action_load"),
            "import_eligible": self.press(manager, program, "import_eligible_registrants"),
            "enroll": self.press(manager, program, "enroll_eligible_registrants"),
            "verify": self.press(manager, program, "verify_eligibility"),
            "deduplicate": self.press(manager, program, "deduplicate_beneficiaries"),
            "auto_enrol": self.press(manager, program, "action_auto_enrol"),
            "close_applications": self.start(program, "close_applications"),
            "score": self.start(program, "score"),
            "action_activate": self.press(manager, program, "action_activate"),
            "create_new_cycle": self.press(manager, program, "create_new_cycle"),
            "end_program": self.press(manager, program, "end_program"),
            "reactivate_program": self.press(manager, program, "reactivate_program"),
            "pause_program": self.press(manager, program, "pause_program", "Elections"),
            "resume_program": self.press(manager, program, "resume_program"),
            "action_archive": self.press(manager, program, "action_archive"),
            "edit_members": self.press(manager, program.program_membership_ids[0], "enroll_eligible_registrants"),
            "merge_members": self.check(program, "merge_members"),
            "settings": self.check(program, "settings"),
        }

    def recipes_g2p_membership_change(self):
        cycle = self.new_cycle()
        admin = self.env.ref("base.user_admin")
        change = self.env["g2p.membership.change"].create(
            {"program_id": self.grant.id, "user_id": admin.id, "kind": "exit", "date": fields.Date.today()}
        )
        self.related = {"g2p.program": self.grant, "g2p.cycle": cycle}
        self.states_of = {"done": ("reverse",), "planned": ("action_cancel",)}
        return change, {
            "apply": self.start(change, "apply"),
            "reverse": self.press(self.manager, change, "action_reverse"),
            "action_cancel": self.press(self.manager, change, "action_cancel"),
        }

    def recipes_g2p_payment_reconciliation(self):
        cycle = self.new_cycle()
        record = (
            self.env["g2p.payment.reconciliation"]
            .with_user(self.finance)
            .create(
                {"cycle_id": cycle.id, "file": base64.b64encode(b"payment reference,status\n"), "filename": "a.csv"}
            )
        )
        self.related = {"g2p.cycle": cycle}
        self.states_of = {"draft": ("read", "match"), "checked": ("reconcile",)}
        return record, {
            "read": self.start(record, "read"),
            "match": self.press(self.finance, record, "action_check"),
            "reconcile": self.press(self.finance, record, "action_apply"),
        }

    def recipes_g2p_registrant_import(self):
        registrar = self.users["registrar"]
        record = (
            self.env["g2p.registrant.import"]
            .with_user(registrar)
            .create({"name": "a.csv", "file": base64.b64encode(b"Family name\nRana\n")})
        )
        record.action_check()
        self.env["ir.config_parameter"].set_param("g2p_registry_base.import_maker_checker", "True")
        self.states_of = {"checked": ("check", "action_submit"), "submitted": ("import",), "done": ("undo",)}
        return record, {
            "read": self.start(record, "read"),
            "check": self.press(registrar, record, "action_check"),
            "import": self.press(self.users["admin"], record, "action_import"),
            "undo": self.press(registrar, record, "action_undo"),
            "action_submit": self.press(registrar, record, "action_submit"),
        }

    def recipes_g2p_registry(self):
        registry = self.env.ref("g2p_registry_base.registry")
        return registry, {"refresh_indicators": self.press(self.users["admin"], registry, "action_refresh_indicators")}

    def recipes_g2p_registry_deduplication(self):
        settings = self.env.ref("g2p_deduplication.registry_deduplication_individual")
        return settings, {"deduplicate": self.press(self.users["admin"], settings, "action_deduplicate")}

    def recipes_g2p_program_scenario(self):
        scenario = (
            self.env["g2p.program.scenario"]
            .with_user(self.manager)
            .create({"name": "Try", "program_id": self.grant.id})
        )
        scenario.sandbox_id.get_manager(scenario.sandbox_id.MANAGER_ENTITLEMENT).amount_per_cycle = 7
        scenario.action_simulate()
        return scenario, {
            "simulate": self.press(self.manager, scenario, "action_simulate"),
            "apply_to_program": self.press(self.manager, scenario, "apply_to_program"),
        }

    # The table

    def put(self, target, name):
        """The record in a state in which `name` could be done."""
        if "state" in target._fields and getattr(self, "states_of", None):
            default = {"g2p.cycle": "approved", "g2p.program": "active"}.get(target._name, target.state)
            state = next((state for state, names in self.states_of.items() if name in names), default)
            self.env.flush_all()
            self.env.cr.execute(f"UPDATE {target._table} SET state = %s WHERE id = %s", [state, target.id])
            self.env.invalidate_all()

    @contextlib.contextmanager
    def undone(self):
        savepoint = self.env.cr.savepoint()
        try:
            yield
        finally:
            savepoint.close(rollback=True)
            self.env.invalidate_all()

    def test_nothing_goes_past_an_unfinished_step(self):
        tried, wrong = 0, []
        for model in self.targets():
            self.states_of = {}
            record, recipes = getattr(self, "recipes_" + model.replace(".", "_"))()
            record = record.with_env(self.env)
            self.assertEqual(set(recipes), set(record._bulk_relies_on()), f"the table of {model}")
            refused = defaultdict(list)
            for name in recipes:
                for (other, step), kinds in self.refusing(record, name).items():
                    for kind in kinds:
                        refused[other, step, kind].append(name)
            for (other, step, kind), names in refused.items():
                target = record if other == model else self.related[other]
                with self.undone(), contextlib.ExitStack() as stack:
                    operation = self.unfinished(target.with_env(self.env), step, kind)
                    if kind == RUNNING:
                        stack.enter_context(at_work(operation))
                    wanted = {RUNNING: ("Wait", "already running"), CANCELLED: ("Start it again",)}
                    wanted = wanted.get(kind, ("Resume it",))
                    for name in names:
                        tried += 1
                        with self.undone():
                            self.put(record, name)
                            try:
                                recipes[name]()
                                said = "nothing"
                            except Exception as refusal:
                                said = f"{type(refusal).__name__}: {refusal}"
                        right = operation.name in said and any(words in said for words in wanted)
                        if not said.startswith("UserError") or not right:
                            wrong.append(f"{model} {name} past {other}:{step} {kind}: {said}")
        self.assertEqual(wrong, [])
        self.assertGreater(tried, 400)
