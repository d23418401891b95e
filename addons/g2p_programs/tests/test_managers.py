from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged

from ..tools.constants import MANAGER_FIELDS
from .common import ProgramsCase


@tagged("post_install", "-at_install")
class TestManagers(ProgramsCase):
    """A manager is two records: the reference that belongs to the program, and the concrete one with the settings."""

    def test_a_concrete_manager_makes_its_reference(self):
        program = self.program()
        manager = self.env["g2p.program_membership.manager.phone_number"].create(
            {"name": "Has a phone", "program_id": program.id}
        )
        self.assertIn(manager, program.get_managers(program.MANAGER_ELIGIBILITY))
        manager.unlink()
        self.assertEqual(len(program.eligibility_managers), 1)

    def test_a_reference_to_it_is_not_made_twice(self):
        program = self.program()
        manager = self.env["g2p.program_membership.manager.phone_number"].create(
            {"name": "Has a phone", "program_id": program.id}
        )
        self.env["g2p.eligibility.manager"].create(
            {"program_id": program.id, "manager_ref_id": f"{manager._name},{manager.id}"}
        )
        self.assertEqual(len(program.eligibility_managers), 2)
        program.eligibility_managers.filtered(lambda ref: ref.manager_ref_id == manager).unlink()
        self.assertFalse(manager.exists())

    def test_a_manager_serves_one_program(self):
        one, other = self.program("One"), self.program("Other")
        manager = one.get_managers(one.MANAGER_ELIGIBILITY)[0]
        with self.assertRaisesRegex(ValidationError, "belongs to the program"):
            self.env["g2p.eligibility.manager"].create(
                {"program_id": other.id, "manager_ref_id": f"{manager._name},{manager.id}"}
            )
        with self.assertRaises(UserError):
            manager.write({"program_id": other.id})

    def test_conditions_must_be_conditions(self):
        program = self.program()
        manager = program.get_managers(program.MANAGER_ELIGIBILITY)[0]
        for text in ("[('no_such_field', '=', 1)]", "not python", "{'a': 1}", "__import__('os')"):
            with self.subTest(text), self.assertRaises(ValidationError), self.cr.savepoint():
                manager.write({"eligibility_domain": text})

    def test_conditions_can_not_read_what_their_author_may_not(self):
        program = self.program()
        manager = program.get_managers(program.MANAGER_ELIGIBILITY)[0].with_user(self.manager)
        with self.assertRaises(ValidationError):
            manager.write({"eligibility_domain": "[('user_ids.password', '=like', 'a%')]"})

    def test_a_type_that_goes_takes_its_references_along(self):
        program = self.program()
        manager = self.env["g2p.program_membership.manager.phone_number"].create(
            {"name": "Has a phone", "program_id": program.id}
        )
        self.env["ir.model"]._forget_managers([manager._name])
        program.invalidate_recordset()
        self.assertEqual(len(program.eligibility_managers), 1)

    def test_a_second_manager_of_a_single_kind_is_refused(self):
        program = self.program()
        for model in ("g2p.cycle.manager.default", "g2p.program.payment.manager.default"):
            with self.subTest(model), self.assertRaisesRegex(ValidationError, "more than one"), self.cr.savepoint():
                self.env[model].create({"name": "Second", "program_id": program.id})

    def test_managers_of_a_cycle_under_way_stay(self):
        program = self.program()
        self.member(program, self.individual("Abebe"), "enrolled")
        program.get_manager(program.MANAGER_ENTITLEMENT).amount_per_cycle = 10
        program.create_new_cycle()
        cycle = program.cycle_ids.with_user(self.manager)
        cycle.prepare_entitlement()
        cycle.to_approve()
        for kind in (program.MANAGER_CYCLE, program.MANAGER_ENTITLEMENT, program.MANAGER_PAYMENT):
            with self.subTest(kind), self.assertRaisesRegex(UserError, "under way"), self.cr.savepoint():
                program.get_manager(kind).unlink()
            program.invalidate_recordset()
            with self.subTest(kind), self.assertRaisesRegex(UserError, "under way"), self.cr.savepoint():
                program[MANAGER_FIELDS[kind]].unlink()

    def test_how_an_approved_cycle_is_paid_stays(self):
        """Neither before nor after the approval: not the manager, not what becomes of people without an account, by any way."""
        program = self.program().with_user(self.manager)
        self.member(program, self.individual("Abebe"), "enrolled")
        program.get_manager(program.MANAGER_ENTITLEMENT).amount_per_cycle = 10
        program.no_account_policy = "desk"
        program.no_account_policy = "block"
        reference = program.payment_managers
        company = self.manager.company_id
        tag = (
            self.env["g2p.payment.batch.tag"].with_user(self.manager).create({"name": "Own", "company_id": company.id})
        )
        reference.manager_ref_id.batch_tag_ids = tag
        program.create_new_cycle()
        cycle = program.cycle_ids
        cycle.prepare_entitlement()
        cycle.to_approve()
        spare = (
            self.env["g2p.program.payment.manager.default"]
            .with_user(self.manager)
            .with_context(g2p_keep_reference=True)
            .create({"name": "Other", "program_id": program.id})
        )
        attempts = {
            "exchange": lambda: reference.write({"manager_ref_id": f"{spare._name},{spare.id}"}),
            "unlink": lambda: reference.unlink(),
            "unlink of the concrete one": lambda: reference.manager_ref_id.unlink(),
            "command": lambda: program.write({"payment_managers": [(2, reference.id)]}),
            "policy": lambda: program.write({"no_account_policy": "desk"}),
            "policy on the manager": lambda: reference.manager_ref_id.write({"no_account_policy": "desk"}),
            "no batches": lambda: reference.manager_ref_id.write({"create_batch": False}),
            "other batches": lambda: reference.manager_ref_id.write({"batch_tag_ids": [(3, tag.id)]}),
            "size of batches": lambda: tag.write({"max_batch_size": 1}),
            "what goes into a batch": lambda: tag.write({"domain": "[('initial_amount', '>', 5)]"}),
        }
        for state in ("to_approve", "approved"):
            self.assertEqual(cycle.state, state)
            for name, attempt in attempts.items():
                with self.subTest(state=state, way=name), self.assertRaisesRegex(UserError, "under way"):
                    with self.cr.savepoint():
                        attempt()
                self.env.invalidate_all()
            if state == "to_approve":
                cycle.with_user(self.users["approver"]).approve()
        self.assertEqual((program.payment_managers, program.no_account_policy), (reference, "block"))
        program.with_user(self.users["admin"]).no_account_policy = "desk"
        self.assertEqual(program.no_account_policy, "desk")
