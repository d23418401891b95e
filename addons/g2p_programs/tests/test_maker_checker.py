"""Who makes does not check: authors of a cycle are everybody who had a hand in it, and who approves is set by an administrator."""

from psycopg2.errors import InsufficientPrivilege

from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import SQL, mute_logger

from odoo.addons.g2p_bulk.tests.statements import counting_statements

from ..tools.constants import MANAGER_FIELDS, SINGLE_MANAGERS
from .money import MoneyCase

BOTH = "g2p_programs.g2p_program_manager,g2p_programs.g2p_program_cycle_approver,g2p_programs.g2p_finance_validator"


@tagged("post_install", "-at_install")
class TestAuthors(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # One person with every role but the administrator's: only what they did may stand in their way.
        cls.both = new_test_user(cls.env, login="both", groups=BOTH)
        cls.deposit(1000)

    def acts(self, cycle):
        return {
            (author.user_id, author.act)
            for author in self.env["g2p.cycle.author"].search([("cycle_id", "=", cycle.id)])
        }

    def refused(self, cycle, user):
        """Neither the cycle nor its entitlements are approved by the user, by any way."""
        mine = cycle.with_user(user)
        self.assertFalse(mine.can_approve)
        with self.assertRaisesRegex(AccessError, "somebody else"):
            mine.approve()
        cycle.with_user(self.approver).approve()
        waiting = self.entitlements(cycle).with_user(user)
        with self.assertRaisesRegex(AccessError, "somebody else"):
            mine.validate_entitlement()
        with self.assertRaisesRegex(AccessError, "somebody else"):
            waiting[0].approve_entitlement()
        wizard = (
            self.env["g2p.multi.entitlement.approval.wizard"]
            .with_user(user)
            .create({"entitlement_ids": [Command.set(waiting.ids)]})
        )
        with self.assertRaisesRegex(AccessError, "somebody else"):
            wizard.approve_selected()
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"pending_validation"})

    def test_who_had_no_hand_in_it_approves(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        cycle.to_approve()
        cycle.with_user(self.both).approve()
        self.assertEqual(cycle.state, "approved")

    def test_preparing_again_takes_nothing_over(self):
        cycle = self.new_cycle()
        cycle.with_user(self.both).prepare_entitlement()
        cycle.prepare_entitlement()
        cycle.to_approve()
        self.assertEqual(cycle.prepared_by, self.both)
        self.assertLessEqual(
            {(self.both, "prepared"), (self.manager, "prepared"), (self.manager, "submitted")}, self.acts(cycle)
        )
        self.refused(cycle, self.both)

    def test_who_submitted_before_is_an_author_too(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        cycle.with_user(self.both).to_approve()
        cycle.reset_draft()
        cycle.to_approve()
        self.refused(cycle, self.both)

    def test_who_set_one_amount_approves_nothing_of_the_cycle(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        one = self.entitlements(cycle)[0]
        one.with_user(self.both).with_context(g2p_reason="Appeal").initial_amount = 99
        # Somebody else sets it again: the row forgets who set it first, the cycle does not.
        one.with_user(self.manager).with_context(g2p_reason="Appeal").initial_amount = 98
        cycle.to_approve()
        self.assertIn((self.both, "amount"), self.acts(cycle))
        self.refused(cycle, self.both)

    def test_a_fee_is_an_amount(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        self.entitlements(cycle)[0].with_user(self.both).with_context(g2p_reason="Appeal").transfer_fee = 1
        cycle.to_approve()
        self.refused(cycle, self.both)

    def test_who_made_an_entitlement(self):
        for way in ("create", "load"):
            with self.subTest(way), self.cr.savepoint() as savepoint:
                cycle = self.new_cycle()
                cycle.prepare_entitlement()
                row = self.entitlements(cycle)[0]
                family = row.partner_id
                row.unlink()
                model = self.env["g2p.entitlement"].with_user(self.both)
                if way == "create":
                    model.create(
                        {"cycle_id": cycle.id, "partner_id": family.id, "initial_amount": 7, "reason": "Appeal"}
                    )
                else:
                    result = model.load(
                        ["cycle_id/.id", "partner_id/.id", "initial_amount", "reason"],
                        [[str(cycle.id), str(family.id), "7", "Appeal"]],
                    )
                    self.assertTrue(result["ids"], result["messages"])
                cycle.to_approve()
                self.assertIn((self.both, "created"), self.acts(cycle))
                self.refused(cycle, self.both)
                savepoint.rollback()

    def test_what_was_made_and_deleted_counts(self):
        cycle = self.new_cycle()
        cycle.with_user(self.both).prepare_entitlement()
        self.entitlements(cycle).unlink()
        cycle.prepare_entitlement()
        cycle.to_approve()
        self.refused(cycle, self.both)

    def test_plain_sql_makes_an_author(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE g2p_entitlement SET initial_amount = 5, transfer_fee = 0, write_uid = %s WHERE cycle_id = %s",
            [self.both.id, cycle.id],
        )
        self.assertIn((self.both, "amount"), self.acts(cycle))

    def test_moving_states_makes_no_authors(self):
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual({user for user, _act in self.acts(cycle)}, {self.manager})

    def test_one_approval_for_both_is_no_way_round(self):
        self.grant.get_manager(self.grant.MANAGER_CYCLE).sudo().auto_approve_entitlements = True
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        self.entitlements(cycle)[0].with_user(self.both).with_context(g2p_reason="Appeal").initial_amount = 99
        cycle.to_approve()
        with self.assertRaises(AccessError):
            cycle.with_user(self.both).approve()

    def test_authors_stay(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        author = self.env["g2p.cycle.author"].search([("cycle_id", "=", cycle.id)], limit=1)
        for statement in ("UPDATE g2p_cycle_author SET user_id = 1", "DELETE FROM g2p_cycle_author"):
            with mute_logger("odoo.sql_db"), self.assertRaises(InsufficientPrivilege), self.cr.savepoint():
                self.cr.execute(statement)
        for user in (self.both, self.env.ref("base.user_admin")):
            for attempt in (
                lambda row: row.unlink(),
                lambda row: row.write({"act": "created"}),
                lambda row: row.create({}),
            ):
                with self.assertRaises(AccessError):
                    attempt(author.with_user(user))
        with self.assertRaises(AccessError):
            cycle.with_user(self.both).write({"author_ids": [Command.clear()]})

    def test_a_draft_cycle_goes_with_its_authors(self):
        cycle = self.new_cycle(self.families[:1])
        cycle.prepare_entitlement()
        self.entitlements(cycle).unlink()
        cycle.cycle_membership_ids.sudo().unlink()
        cycle.sudo().unlink()
        self.assertFalse(cycle.exists())

    def test_the_question_costs_the_same_whatever_the_size(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        cycle.to_approve()
        mine = cycle.with_user(self.both)
        mine._approval_refusal()
        with counting_statements(self.env.cr) as counted:
            mine._is_own_work()
        self.assertLessEqual(counted.statements, 2)
        plan = self.env.execute_query(self.sql_of_question(cycle))
        self.assertIn("Index", " ".join(line for [line] in plan))

    def sql_of_question(self, cycle):
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        return SQL(
            "EXPLAIN SELECT FROM g2p_cycle_author WHERE cycle_id = %s AND user_id = %s LIMIT 1", cycle.id, self.both.id
        )


@tagged("post_install", "-at_install")
class TestWhoApproves(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.everybody = cls.env.ref("base.group_user")
        # A group of its own that holds the approver's right.
        cls.friends = cls.env["res.groups"].create(
            {
                "name": "Friends",
                "implied_ids": [Command.link(cls.env.ref("g2p_programs.g2p_program_cycle_approver").id)],
            }
        )
        cls.cycles = cls.grant.sudo().get_manager(cls.grant.MANAGER_CYCLE)
        cls.admin = new_test_user(cls.env, login="chief", groups="g2p_registry_base.group_g2p_admin")

    def managers(self):
        """Every concrete kind of manager with fields that decide who approves."""
        for name, model in sorted(self.env.registry.items()):
            if "_approval_fields" in dir(model) and not model._abstract and self.env[name]._approval_fields:
                yield self.env[name]

    def value(self, field):
        return self.friends.id if field.comodel_name == "res.groups" else True

    def may_be_set(self, name):
        """Whether anybody but an administrator creates or changes records of the model."""
        model = self.env[name].with_user(self.manager)
        return model.has_access("create") or model.has_access("write")

    def test_every_field_that_names_a_group_is_an_approval_field(self):
        """The next kind of manager can't forget: whoever points to a group decides who may do something. Where only
        administrators write, there is nothing to keep others from."""
        found = set()
        for name, model in sorted(self.env.registry.items()):
            if not name.startswith("g2p.") or model._transient or "test" in name:
                continue
            for field in model._fields.values():
                if field.comodel_name == "res.groups" and field.store and self.may_be_set(name):
                    with self.subTest(model=name, field=field.name):
                        self.assertIn(field.name, self.env[name]._approval_fields)
                    found.add(field.name)
        self.assertEqual(found, {"approver_group_id", "entitlement_validation_group_id"})
        kinds = {model._name for model in self.managers()}
        self.assertLessEqual({"g2p.cycle.manager.default", "g2p.program.entitlement.manager.default"}, kinds)

    def test_a_manager_does_not_choose_the_checker(self):
        for model in self.managers():
            for name in model._approval_fields:
                with self.subTest(model=model._name, field=name):
                    value = self.value(model._fields[name])
                    mine = model.with_user(self.manager)
                    other = self.program(f"Another {model._name} {name}", "group")
                    reference = self.env[model._manager_reference].search([("program_id", "=", other.id)])
                    vals = {"name": "Mine", "program_id": other.id}
                    with self.assertRaisesRegex(AccessError, "set by an administrator"), self.cr.savepoint():
                        mine.create({**vals, name: value})
                    with self.cr.savepoint() as savepoint:
                        reference.with_context(g2p_keep_manager=True).unlink()
                        self.env["ir.default"].sudo().set(model._name, name, value, user_id=self.manager.id)
                        made = mine.with_context(**{f"default_{name}": value}).create(vals)
                        self.assertEqual(
                            model._fields[name].convert_to_write(made[name], made), model._approval_default(name)
                        )
                        with self.assertRaisesRegex(AccessError, "set by an administrator"), self.cr.savepoint():
                            made.write({name: value})
                        with self.assertRaisesRegex(AccessError, "set by an administrator"), self.cr.savepoint():
                            made.copy({name: value})
                        made.with_user(self.admin).write({name: value})
                        savepoint.rollback()

    def test_program_wizard(self):
        for name, value in (
            ("approver_group_id", self.friends.id),
            ("auto_approve_entitlements", True),
            ("entitlement_validation_group_id", self.friends.id),
        ):
            with (
                self.subTest(name),
                self.assertRaisesRegex(AccessError, "set by an administrator"),
                self.cr.savepoint(),
            ):
                wizard = (
                    self.env["g2p.program.create.wizard"]
                    .with_user(self.manager)
                    .create({"name": f"Mine {name}", "amount_per_cycle": 10, name: value})
                )
                wizard.create_program()

    def test_cycle(self):
        cycle = self.new_cycle()
        with self.assertRaisesRegex(AccessError, "set by an administrator"):
            cycle.write({"auto_approve_entitlements": True})
        with self.assertRaisesRegex(AccessError, "set by an administrator"), self.cr.savepoint():
            self.env["g2p.cycle"].with_user(self.manager).create(
                {
                    "program_id": self.grant.id,
                    "name": "Mine",
                    "start_date": "2026-01-01",
                    "end_date": "2026-01-31",
                    "auto_approve_entitlements": True,
                }
            )
        cycle.with_user(self.admin).write({"auto_approve_entitlements": True})
        self.assertTrue(cycle.auto_approve_entitlements)

    def test_the_form_of_a_manager_shows_who_approves_and_lets_them_be(self):
        with Form(self.cycles.with_user(self.manager)) as form:
            self.assertTrue(form._view["modifiers"]["approver_group_id"].get("readonly") in ("True", True, "1"))

    def test_the_group_holds_the_right(self):
        for manager, name in (
            (self.cycles, "approver_group_id"),
            (self.terms.sudo(), "entitlement_validation_group_id"),
        ):
            for group in (self.everybody, self.env.ref("g2p_programs.g2p_program_manager")):
                with (
                    self.subTest(name, group=group.name),
                    self.assertRaisesRegex(ValidationError, "neither"),
                    self.cr.savepoint(),
                ):
                    manager[name] = group
            manager[name] = self.friends

    def test_a_group_that_lost_the_right_approves_no_more(self):
        self.cycles.approver_group_id = self.friends
        friend = new_test_user(self.env, login="friend", groups="g2p_programs.g2p_program_cycle_approver")
        self.friends.user_ids = friend
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        cycle.to_approve()
        self.assertFalse(cycle.with_user(friend)._approval_refusal())
        self.friends.implied_ids = self.everybody
        self.assertRegex(cycle.with_user(friend)._approval_refusal(), "any more")

    def test_a_copy_keeps_who_approves(self):
        self.cycles.approver_group_id = self.friends
        copied = self.grant.with_user(self.manager).copy({"name": "Copied"})
        self.assertEqual(copied.sudo().get_manager(copied.MANAGER_CYCLE).approver_group_id, self.friends)

    def chosen(self, model, name):
        """A program, with a draft cycle, whose manager of this kind got another value of this field from an administrator."""
        program = self.program(f"Chosen {model._name} {name}", "group")
        kind = next(
            field
            for field in MANAGER_FIELDS.values()
            if program._fields[field].comodel_name == model._manager_reference
        )
        references = program.sudo()[kind]
        concrete = references.manager_ref_id if len(references) == 1 else None
        if concrete is None or concrete._name != model._name:
            references.unlink()
            vals = {"name": "Theirs", "program_id": program.id}
            if "entitlement_item_ids" in model._fields:
                vals["entitlement_item_ids"] = [Command.create({"name": "Item", "amount": 10})]
            concrete = model.with_user(self.admin).create(vals)
        concrete.with_user(self.admin).write({name: self.value(model._fields[name])})
        self.member(program, self.small, "enrolled")
        program.create_new_cycle()
        program.invalidate_recordset()
        return program.with_user(self.manager), kind, concrete.with_user(self.manager)

    def ways_to_replace(self, model, program, kind, concrete):
        """{what it is: the call} of every way in which a program manager might take this manager away."""
        reference = program[kind]
        mine = model.with_user(self.manager)
        vals = {"name": "Mine", "program_id": program.id}
        spare = mine.with_context(g2p_keep_reference=True).create(vals)
        other = f"{spare._name},{spare.id}"
        again = {"program_id": program.id, "manager_ref_id": f"{concrete._name},{concrete.id}"}
        ways = {
            "unlink of the reference": lambda: reference.unlink(),
            "unlink, keeping the concrete one": lambda: reference.with_context(g2p_keep_manager=True).unlink(),
            "unlink of the concrete one": lambda: concrete.unlink(),
            "unlink, keeping the reference": lambda: concrete.with_context(g2p_keep_reference=True).unlink(),
            "exchange under the reference": lambda: reference.write({"manager_ref_id": other}),
            "delete command": lambda: program.write({kind: [Command.delete(reference.id)]}),
            "unlink command": lambda: program.write({kind: [Command.unlink(reference.id)]}),
            "clear command": lambda: program.write({kind: [Command.clear()]}),
            "set command": lambda: program.write({kind: [Command.set([])]}),
            "update command": lambda: program.write({kind: [Command.update(reference.id, {"manager_ref_id": other})]}),
            "replace by commands": lambda: program.write(
                {kind: [Command.clear(), Command.create({"manager_ref_id": other})]}
            ),
            "a second reference to the same": lambda: reference.create(again),
            "another beside it": lambda: mine.create(vals),
        }
        if kind not in {MANAGER_FIELDS[single] for single in SINGLE_MANAGERS}:
            # Whoever approves must be one whom all of them allow (test_several_managers): another takes nothing away.
            del ways["another beside it"]
        return ways

    def test_whose_approvers_an_administrator_chose_stays(self):
        """A program manager who replaces the manager would choose their checker: each kind, each field, each way."""
        for model in self.managers():
            for name in model._approval_fields:
                with self.cr.savepoint() as savepoint:
                    program, kind, concrete = self.chosen(model, name)
                    reference = program[kind]
                    ways = self.ways_to_replace(model, program, kind, concrete)
                    for way, attempt in ways.items():
                        # Where one manager of a kind serves a program, this is refused whoever does it
                        error = ValidationError if way == "another beside it" else AccessError
                        with (
                            self.subTest(model=model._name, field=name, way=way),
                            self.assertRaises(error),
                            self.cr.savepoint(),
                        ):
                            attempt()
                        self.env.invalidate_all()
                        self.assertEqual(program.sudo()[kind].manager_ref_id, concrete)
                    with self.subTest(model=model._name, field=name, way="copy of the program"):
                        copied = program.copy({"name": f"Copy {model._name} {name}"})
                        mine = copied[kind].manager_ref_id
                        self.assertEqual(mine.sudo()[name], concrete.sudo()[name])
                        with self.assertRaisesRegex(AccessError, "An administrator chose"), self.cr.savepoint():
                            copied[kind].unlink()
                        copied.with_user(self.manager).unlink()
                        self.assertFalse(copied.exists(), "a program that was never used goes with its managers")
                    with self.subTest(model=model._name, field=name, way="an administrator"):
                        reference.with_user(self.admin).unlink()
                        self.assertFalse(concrete.exists())
                    savepoint.rollback()

    def test_a_manager_with_the_default_approvers_is_replaced_by_a_program_manager(self):
        program = self.program("Plain", "group").with_user(self.manager)
        program.cycle_managers.unlink()
        self.env["g2p.cycle.manager.default"].with_user(self.manager).create({"name": "New", "program_id": program.id})
        self.assertEqual(program.cycle_managers.manager_ref_id.name, "New")
