from odoo import fields
from odoo.tests import tagged

from .common import DeduplicationCase


@tagged("post_install", "-at_install")
class TestBankAccount(DeduplicationCase):
    def test_the_number_counts_not_its_spaces(self):
        program, __ = self.only("bank_account")
        one, two, three = (self.individual(name) for name in ("One", "Two", "Three"))
        self.account(one, "ET 12-3456")
        self.account(two, "et12 3456")
        self.account(three, "ET123457")
        for partner in (one, two, three):
            self.member(program, partner)
        program.deduplicate_beneficiaries()
        self.assertEqual(self.sets(program), {frozenset((one.name, two.name))})

    def test_wallets_of_different_providers_and_archived_accounts_are_not_the_same(self):
        program, __ = self.only("bank_account")
        people = [self.individual(name) for name in ("One", "Two", "Three", "Four")]
        self.account(people[0], "911 223344", account_type="mobile_wallet", provider="DemoPay")
        self.account(people[1], "911223344", account_type="mobile_wallet", provider="SafiCash")
        self.account(people[2], "911223344")
        self.account(people[3], "911223344").active = False
        for partner in people:
            self.member(program, partner)
        program.deduplicate_beneficiaries()
        self.assertFalse(self.sets(program))

    def test_accounts_of_members_now_make_households_collide_but_not_one_with_itself(self):
        program, __ = self.only("bank_account", "group")
        one, two, three, gone = (self.individual(name) for name in ("One", "Two", "Three", "Gone"))
        for partner in (one, two, three, gone):
            self.account(partner, "100200" if partner != three else "999")
        first = self.household("First", one | two)
        second = self.household("Second", three | gone)
        third = self.household("Third", three)
        past = second.group_membership_ids.filtered(lambda link: link.individual == gone)
        past.write({"start_date": "2020-01-01 00:00:00", "ended_date": "2021-01-01 00:00:00"})
        for group in (first, second, third):
            self.member(program, group)
        program.deduplicate_beneficiaries()
        self.assertEqual(self.sets(program), {frozenset(("Second", "Third"))}, "both have Three, with the account 999")
        # Gone comes back to the second household: now First shares 100200 with it.
        past.write({"ended_date": False})
        program.deduplicate_beneficiaries()
        self.assertEqual(self.sets(program), {frozenset(("First", "Second", "Third"))})

    def test_whom_the_registry_disabled_is_not_compared(self):
        program, __ = self.only("bank_account")
        one, two = (self.individual(name) for name in ("One", "Two"))
        for partner in (one, two):
            self.account(partner, "100200")
            self.member(program, partner)
        one.sudo().write({"disabled": fields.Datetime.now()})
        program.deduplicate_beneficiaries()
        self.assertFalse(self.sets(program))
