from datetime import timedelta

from psycopg2 import IntegrityError

from odoo import Command, fields
from odoo.exceptions import ValidationError
from odoo.tests import TransactionCase, tagged
from odoo.tools import mute_logger


@tagged("post_install", "-at_install")
class TestGroupMembership(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.head = cls.env.ref("g2p_registry_base.group_membership_kind_head")
        cls.recipient = cls.env["g2p.group.membership.kind"].create({"name": "Recipient"})
        cls.almaz, cls.dawit, cls.hana = cls.env["res.partner"].create(
            [{"is_registrant": True, "given_name": name} for name in ("Almaz", "Dawit", "Hana")]
        )
        cls.household, cls.other_household = cls.env["res.partner"].create(
            [{"is_registrant": True, "is_group": True, "name": name} for name in ("Tesfaye", "Girma")]
        )
        cls.day = timedelta(days=1)
        cls.past = fields.Datetime.now() - 10 * cls.day

    def member(self, individual, group=None, kind=(), **values):
        return self.env["g2p.group.membership"].create(
            {
                "group": (group or self.household).id,
                "individual": individual.id,
                "kind": [Command.set([k.id for k in kind])],
                "start_date": self.past,
                **values,
            }
        )

    def count(self, group=None):
        return (group or self.household).z_ind_grp_num_individuals

    # -- one person, one membership

    @mute_logger("odoo.sql_db")
    def test_the_database_keeps_an_individual_once_in_a_group(self):
        self.member(self.almaz)
        with self.assertRaises(IntegrityError), self.env.cr.savepoint():
            self.env.cr.execute(
                'INSERT INTO g2p_group_membership ("group", individual) VALUES (%s, %s)',
                [self.household.id, self.almaz.id],
            )

    def test_who_left_may_come_back_but_not_overlap(self):
        first = self.member(self.almaz)
        first.action_end()
        self.assertTrue(first.is_ended)
        self.member(self.almaz, start_date=fields.Datetime.now() + self.day)
        with self.assertRaises(ValidationError):
            first.ended_date = fields.Datetime.now() + 5 * self.day

    @mute_logger("odoo.sql_db")
    def test_a_membership_ends_after_it_starts(self):
        with self.assertRaises(IntegrityError), self.env.cr.savepoint():
            self.member(self.almaz, ended_date=self.past - self.day)

    def test_groups_hold_individuals(self):
        contact = self.env["res.partner"].create({"name": "Contact"})
        for group, individual in (
            (self.household, self.other_household),
            (self.almaz, self.dawit),
            (self.household, contact),
        ):
            with self.subTest(group.name), self.assertRaises(ValidationError):
                self.member(individual, group)
        self.member(self.almaz)
        for partner, values in ((self.household, {"is_group": False}), (self.almaz, {"is_group": True})):
            with self.subTest(partner.name), self.assertRaises(ValidationError):
                partner.write(values)

    # -- unique roles

    def test_a_group_has_one_head(self):
        self.member(self.almaz, kind=[self.head])
        with self.assertRaisesRegex(ValidationError, "Tesfaye can have only one Head"), self.env.cr.savepoint():
            self.member(self.dawit, kind=[self.head])
        dawit = self.member(self.dawit)
        with self.assertRaises(ValidationError):
            dawit.kind = self.head
        self.assertTrue(self.member(self.dawit, self.other_household, [self.head]))

    @mute_logger("odoo.sql_db")
    def test_the_database_refuses_a_second_head(self):
        self.member(self.almaz, kind=[self.head])
        dawit = self.member(self.dawit)
        self.env.flush_all()
        with self.assertRaises(IntegrityError), self.env.cr.savepoint():
            self.env.cr.execute(
                "INSERT INTO g2p_group_membership_g2p_group_membership_kind_rel VALUES (%s, %s)",
                [dawit.id, self.head.id],
            )

    @mute_logger("odoo.sql_db")
    def test_the_database_refuses_to_move_a_head_to_a_group_that_has_one(self):
        self.member(self.almaz, kind=[self.head])
        dawit = self.member(self.dawit, self.other_household, [self.head])
        self.env.flush_all()
        with self.assertRaises(IntegrityError), self.env.cr.savepoint():
            self.env.cr.execute(
                'UPDATE g2p_group_membership SET "group" = %s WHERE id = %s', [self.household.id, dawit.id]
            )

    def test_heads_of_two_groups_are_written_at_once(self):
        groups = self.household | self.other_household
        self.member(self.almaz, kind=[self.head])
        self.member(self.dawit, self.other_household, [self.head])
        groups.write({"is_partial_group": True})
        self.assertEqual(groups.mapped("is_partial_group"), [True, True])

    def test_the_head_changes_in_one_save_whatever_the_order(self):
        almaz, dawit = self.member(self.almaz, kind=[self.head]), self.member(self.dawit)
        self.household.write(
            {
                "group_membership_ids": [
                    Command.update(dawit.id, {"kind": [Command.link(self.head.id)]}),
                    Command.update(almaz.id, {"kind": [Command.unlink(self.head.id)]}),
                ]
            }
        )
        self.assertEqual((almaz.kind, dawit.kind), (self.env["g2p.group.membership.kind"], self.head))

    def test_a_head_follows_a_head_whose_time_is_over(self):
        change = fields.Datetime.now() + 5 * self.day
        self.member(self.almaz, kind=[self.head], ended_date=change)
        with self.assertRaises(ValidationError):
            self.member(self.dawit, kind=[self.head])
        self.assertTrue(self.member(self.hana, kind=[self.head], start_date=change))

    @mute_logger("odoo.sql_db")
    def test_a_kind_becomes_unique_only_where_nobody_shares_it(self):
        self.member(self.almaz, kind=[self.recipient])
        dawit = self.member(self.dawit, kind=[self.recipient])
        with self.assertRaises(IntegrityError), self.env.cr.savepoint():
            self.recipient.is_unique = True
        dawit.kind = False
        self.recipient.is_unique = True
        with self.assertRaises(ValidationError):
            dawit.kind = self.recipient

    # -- counting

    def test_a_member_with_two_roles_is_one_person(self):
        self.member(self.almaz, kind=[self.head, self.recipient])
        self.member(self.dawit)
        self.assertEqual(self.count(), 2)

    def test_who_left_is_not_counted(self):
        self.member(self.almaz)
        dawit = self.member(self.dawit)
        dawit.action_end()
        self.assertEqual(self.count(), 1)
        dawit.ended_date = fields.Datetime.now() + self.day
        self.assertEqual((self.count(), dawit.status), (2, "active"))

    def test_who_leaves_by_the_calendar_is_not_counted_from_the_next_run(self):
        dawit = self.member(self.dawit, ended_date=fields.Datetime.now() + self.day)
        self.assertEqual(self.count(), 1)
        self.env.flush_all()
        self.env.cr.execute("ALTER TABLE g2p_group_membership DISABLE TRIGGER g2p_group_membership_updated")
        self.env.cr.execute(
            "UPDATE g2p_group_membership SET ended_date = now() - interval '1 hour' WHERE id = %s", [dawit.id]
        )
        self.env.cr.execute("ALTER TABLE g2p_group_membership ENABLE TRIGGER g2p_group_membership_updated")
        self.env["g2p.registry"]._cron_refresh_indicators()
        self.assertEqual(self.count(), 0)

    def test_a_disabled_person_is_not_counted(self):
        self.member(self.almaz)
        self.member(self.dawit)
        self.dawit._disable("Deceased")
        self.assertEqual(self.count(), 1)
        self.dawit.enable_registrant()
        self.assertEqual(self.count(), 2)

    def test_moving_deleting_and_writing_by_sql_are_counted(self):
        almaz, dawit = self.member(self.almaz), self.member(self.dawit)
        almaz.group = self.other_household
        self.assertEqual((self.count(), self.count(self.other_household)), (1, 1))
        dawit.unlink()
        self.assertEqual(self.count(), 0)
        self.env.cr.execute(
            'INSERT INTO g2p_group_membership ("group", individual) SELECT %s, unnest(%s)',
            [self.household.id, (self.dawit | self.hana).ids],
        )
        self.env.invalidate_all()
        self.assertEqual(self.count(), 2)

    def test_status_can_be_searched(self):
        almaz, dawit = self.member(self.almaz), self.member(self.dawit, ended_date=self.past + self.day)
        memberships = self.env["g2p.group.membership"]
        mine = [("group", "=", self.household.id)]
        self.assertEqual(memberships.search([*mine, ("status", "=", "active")]), almaz)
        self.assertEqual(memberships.search([*mine, ("is_ended", "=", True)]), dawit)
        self.assertEqual(memberships.search([*mine, ("is_ended", "!=", True)]), almaz)
        self.assertEqual(memberships.search([*mine, ("status", "in", ["active", "inactive"])]), almaz | dawit)
