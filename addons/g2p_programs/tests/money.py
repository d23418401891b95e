from decimal import Decimal

from odoo import fields

from .common import ProgramsCase


class MoneyCase(ProgramsCase):
    """A program for households, 100 and 20 for each of up to three members, 2 % fee; a cycle that awaits entitlements."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.finance = cls.users["finance"]
        cls.approver = cls.users["approver"]
        # Recording by hand is done at once here, as in a department that is too small: test_payment_mark.py is about the rest.
        cls.env.ref("g2p_programs.approval_kind_payment_mark").off_company_ids = cls.env.company
        cls.grant = cls.program("Family Grant", "group")
        cls.terms = cls.grant.get_manager(cls.grant.MANAGER_ENTITLEMENT).with_user(cls.manager)
        cls.terms.write(
            {
                "amount_per_cycle": 100,
                "amount_per_individual_in_group": 20,
                "max_individual_in_group": 3,
                "transfer_fee_pct": 2,
            }
        )
        cls.payer = cls.grant.get_manager(cls.grant.MANAGER_PAYMENT).with_user(cls.manager)
        # 5 members: 160; 1 member: 120; nobody: 100
        cls.large = cls.family("Large", 5)
        cls.small = cls.family("Small", 1)
        cls.empty = cls.family("Empty", 0)
        cls.families = cls.large + cls.small + cls.empty

    @classmethod
    def family(cls, name, size):
        members = [cls.individual(name, f"Member {number}") for number in range(size)]
        family = cls.household(name, members)
        cls.bank_account(family, f"ET-{name}")
        return family

    @classmethod
    def bank_account(cls, partner, number, **values):
        return cls.env["res.partner.bank"].create({"partner_id": partner.id, "acc_number": number, **values})

    @classmethod
    def new_cycle(cls, families=None, program=None):
        """A draft cycle of the program with these families as enrolled beneficiaries."""
        program = program or cls.grant
        for family in families if families is not None else cls.families:
            if not program.program_membership_ids.filtered(lambda member, family=family: member.partner_id == family):
                cls.member(program, family, "enrolled")
        program.program_membership_ids.invalidate_recordset()
        known = program.cycle_ids
        program.with_user(cls.manager).create_new_cycle()
        cycle = (program.cycle_ids - known).with_user(cls.manager)
        # The first cycle of a program begins today; a later one too, for the tests.
        cycle.sudo().write({"start_date": fields.Date.today()})
        return cycle

    @classmethod
    def approved_cycle(cls, families=None, program=None):
        """A cycle whose entitlements wait for approval."""
        cycle = cls.new_cycle(families, program)
        cycle.prepare_entitlement()
        cycle.to_approve()
        cycle.with_user(cls.approver).approve()
        return cycle

    @classmethod
    def deposit(cls, amount, program=None, kind="deposit"):
        fund = (
            cls.env["g2p.program.fund"]
            .with_user(cls.manager)
            .create({"program_id": (program or cls.grant).id, "amount": amount, "kind": kind})
            .with_user(cls.finance)
        )
        fund.post_fund()
        return fund

    @classmethod
    def paid_out(cls, families=None, program=None, amount=1000):
        """A cycle whose payments are sent."""
        cls.deposit(amount, program)
        cycle = cls.approved_cycle(families, program)
        cycle.with_user(cls.finance).validate_entitlement()
        cycle.prepare_payment()
        cycle.send_payment()
        return cycle

    def account(self, program=None):
        program = program or self.grant
        return self.env["g2p.fund.account"]._of(program, program.currency_id)

    def figures(self, program=None):
        """(posted, reserved, disbursed) of the program's fund, exactly; checked against ledger and entitlements."""
        account = self.account(program)
        self.assertEqual(account._verify_balance(), [])
        self.env.cr.execute(
            "SELECT posted::text, reserved::text, disbursed::text FROM g2p_fund_account WHERE id = %s", [account.id]
        )
        return tuple(Decimal(text) for text in self.env.cr.fetchone())

    def entitlements(self, cycle):
        return self.env["g2p.entitlement"].search([("cycle_id", "=", cycle.id)], order="id")

    def payments(self, cycle):
        return self.env["g2p.payment"].search([("cycle_id", "=", cycle.id)], order="id")

    def counts(self, record, step):
        return self.operation(record, step).counts
