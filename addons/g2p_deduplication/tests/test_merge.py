from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from odoo.addons.g2p_bulk.tests.statements import counting_statements
from odoo.addons.g2p_programs.tests.money import MoneyCase

from .common import DeduplicationCase


@tagged("post_install", "-at_install")
class TestMerge(DeduplicationCase, MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.area = cls.env["g2p.area"].create({"name": "Ward"})
        cls.stays = cls.individual("Tadesse", "Akinyi", birthdate="1990-05-05")
        cls.goes = cls.individual("Tadesse", "Akinyii", birthdate="1990-05-06", gender="female", area_id=cls.area.id)

    def proposal(self, survivor=None, merged=None, **take):
        merge = (
            self.env["g2p.registrant.merge"]
            .with_user(self.registrar)
            .create(
                {
                    "survivor_id": (survivor or self.stays).id,
                    "merged_id": (merged or self.goes).id,
                    "reason": "The same person: seen together",
                }
            )
        )
        for line in merge.line_ids:
            if line.field_name in take:
                line.take = take[line.field_name]
        return merge

    def merged(self, *args, **take):
        merge = self.proposal(*args, **take)
        merge.action_propose()
        merge.with_user(self.manager).action_merge()
        self.env.invalidate_all()
        return merge

    def owners(self, *records):
        self.env.invalidate_all()
        return [record.partner_id for record in records]

    # Everything goes, and comes back

    def test_all_rows_go_and_come_back(self):
        stays, goes = self.stays, self.goes
        own, same, more = (
            self.document(stays, "A1"),
            self.document(goes, "A2"),
            self.document(goes, "R9", self.other_type),
        )
        phone = self.phone(goes, "+251911234567")
        self.account(stays, "100")
        account = self.account(goes, "200")
        household = self.household("Home", goes)
        friend = self.individual("Friend")
        relation = self.env["g2p.relationship"].create({"name": "Friend of", "name_inverse": "Friend to"})
        link = self.env["g2p.reg.rel"].create({"source": goes.id, "destination": friend.id, "relation": relation.id})
        between = self.env["g2p.reg.rel"].create({"source": goes.id, "destination": stays.id, "relation": relation.id})
        tag = self.env["g2p.registrant.tags"].create({"name": "Refugee"})
        goes.tags_ids = tag
        paper = self.env["ir.attachment"].create(
            {"name": "card.txt", "raw": b"x", "res_model": "res.partner", "res_id": goes.id}
        )
        member = self.member(self.program(), goes)

        merge = self.merged()
        self.assertEqual(self.owners(own, more, phone, account, member), [stays] * 5)
        self.assertEqual(same.partner_id, goes, "one document of a type: the other stays with the merged one")
        self.assertEqual((account.is_primary, household.group_membership_ids.individual), (False, stays))
        self.assertEqual((link.source, between.source, stays.tags_ids, paper.res_id), (stays, goes, tag, stays.id))
        self.assertEqual(stays.phone, "+251911234567")
        self.assertEqual((goes.merged_into_id, bool(goes.disabled), goes.active), (stays, True, True))
        self.assertEqual(goes.disabled_by, self.manager)
        self.assertEqual(
            (merge.state, merge.proposed_by_id, merge.merged_by_id), ("merged", self.registrar, self.manager)
        )
        self.assertIn("Registrant ID: 1", merge.outcome)
        self.assertIn("seen together", stays.message_ids[0].body)
        # What only the merged one had is taken over; what both have stays.
        self.assertEqual((stays.area_id, stays.gender, stays.given_name), (self.area, "female", "Akinyi"))

        merge.with_user(self.manager).action_undo()
        self.assertEqual(self.owners(own, same, more, phone, account, member), [stays, *[goes] * 5])
        self.assertEqual((account.is_primary, household.group_membership_ids.individual), (True, goes))
        self.assertEqual((link.source, stays.tags_ids, goes.tags_ids, paper.res_id), (goes, tag.browse(), tag, goes.id))
        self.assertEqual((goes.merged_into_id, goes.disabled, goes.phone), (goes.browse(), False, "+251911234567"))
        self.assertEqual((stays.area_id, stays.gender, stays.phone), (self.area.browse(), False, False))
        self.assertEqual(merge.state, "undone")

    def test_chosen_fields(self):
        merge = self.merged(given_name="merged", area_id="survivor")
        self.assertEqual(
            (self.stays.name, self.stays.birthdate, self.stays.area_id.id),
            ("TADESSE, AKINYII", fields.Date.to_date("1990-05-05"), False),
        )
        merge.with_user(self.manager).action_undo()
        self.assertEqual(self.stays.name, "TADESSE, AKINYI")

    def test_groups(self):
        head = self.env.ref("g2p_registry_base.group_membership_kind_head", raise_if_not_found=False) or self.env[
            "g2p.group.membership.kind"
        ].search([("is_unique", "=", True)], limit=1)
        people = [self.individual(name) for name in ("One", "Two", "Three")]
        one, two = self.household("Home", people[0] | people[2]), self.household("Home again", people[1] | people[2])
        one.group_membership_ids[0].kind = head
        role = two.group_membership_ids.filtered(lambda link: link.individual == people[1])
        role.kind = head
        merge = self.merged(one, two)
        self.assertEqual(one.group_membership_ids.individual, people[0] | people[1] | people[2])
        self.assertEqual((one.z_ind_grp_num_individuals, two.z_ind_grp_num_individuals), (3, 1))
        self.assertFalse(role.kind, "a household has one head")
        merge.with_user(self.manager).action_undo()
        self.assertEqual(two.group_membership_ids.individual, people[1] | people[2])
        self.assertEqual((role.kind, one.z_ind_grp_num_individuals, two.z_ind_grp_num_individuals), (head, 2, 2))

    def test_the_same_statements_whatever_there_is_to_move(self):
        counts = []
        for documents in (0, 1, 4):
            stays, goes = self.individual(f"Stays {documents}"), self.individual(f"Goes {documents}")
            for number in range(documents):
                self.phone(goes, f"+2519112345{documents}{number}")
                self.household(f"Home {documents}{number}", goes)
            merge = self.proposal(stays, goes)
            merge.action_propose()
            self.env.invalidate_all()
            with counting_statements(self.cr) as count:
                merge.with_user(self.manager).action_merge()
            counts.append(count.statements)
        self.assertEqual(counts[1], counts[2], "no statement for each row; the first merge fills caches")

    # Programs and money

    def test_both_enrolled_with_a_cycle_under_way(self):
        program = self.program("Grant")
        self.member(program, self.stays, "enrolled")
        mine = self.member(program, self.goes, "enrolled")
        program.create_new_cycle()
        merge = self.proposal()
        self.assertIn("Both are enrolled in Grant", merge.obstacle)
        with self.assertRaisesRegex(UserError, "Deduplicate the program and keep TADESSE, AKINYI"):
            merge.action_propose()
        mine._transition("duplicated")
        self.env.invalidate_all()
        merge.action_propose()
        merge.with_user(self.manager).action_merge()
        self.assertEqual(self.owners(mine), [self.goes], "both are members: each membership stays")

    def test_an_enrolment_is_taken_over(self):
        program = self.program("Grant")
        draft, enrolled = self.member(program, self.stays), self.member(program, self.goes, "enrolled")
        merge = self.merged()
        self.assertEqual((draft.state, enrolled.state), ("enrolled", "duplicated"))
        self.assertEqual(program.eligible_beneficiaries_count, 1)
        program.deduplicate_beneficiaries()
        self.assertEqual(enrolled.state, "duplicated", "who was merged is not freed by the next deduplication")
        merge.with_user(self.manager).action_undo()
        self.assertEqual((draft.state, enrolled.state), ("draft", "enrolled"))

    def test_who_left_does_not_take_over(self):
        program = self.program("Grant")
        self.member(program, self.stays)._transition("exited")
        self.member(program, self.goes, "enrolled")
        self.assertIn("has left Grant", self.proposal().obstacle)

    def cycle_of_both(self):
        """A cycle with both; in the program only the one who is to be merged is enrolled still."""
        program = self.program("Grant")
        own = self.member(program, self.stays, "enrolled")
        self.member(program, self.goes, "enrolled")
        program.create_new_cycle()
        own._transition("not_eligible")
        return program.cycle_ids

    def entitlement(self, cycle, partner, state):
        return self.env["g2p.entitlement"].create(
            {"cycle_id": cycle.id, "partner_id": partner.id, "initial_amount": 10, "state": state}
        )

    def test_entitlements(self):
        cycle = self.cycle_of_both()
        mine = self.entitlement(cycle, self.goes, "approved")
        own = self.entitlement(cycle, self.stays, "draft")
        merge = self.proposal()
        self.assertIn(f"Both have an entitlement in {cycle.name}", merge.obstacle)
        own.sudo().write({"state": "cancelled"})
        self.env.invalidate_all()
        merge.action_propose()
        # Between proposal and merge the survivor gets another: the merge looks again.
        again = self.entitlement(cycle, self.stays, "draft")
        with self.assertRaisesRegex(UserError, "Both have an entitlement"):
            merge.with_user(self.manager).action_merge()
        again.sudo().write({"state": "cancelled"})
        merge.with_user(self.manager).action_merge()
        self.assertEqual(self.owners(mine, own), [self.stays, self.stays])
        # An entitlement that has moved on since stays where it is, and so does everything else.
        mine.sudo().write({"state": "trans2FSP"})
        with self.assertRaisesRegex(UserError, "has changed since .Entitlement"):
            merge.with_user(self.manager).action_undo()
        self.env.invalidate_all()
        self.assertEqual((self.goes.merged_into_id, merge.state), (self.stays, "merged"))

    def test_both_were_paid_in_a_cycle(self):
        """The payment twice is the reason for the merge: each entitlement goes on telling who got it."""
        cycle = self.cycle_of_both()
        entitlements = [self.entitlement(cycle, partner, "rdpd2ben") for partner in (self.stays, self.goes)]
        self.merged()
        self.assertEqual(self.owners(*entitlements), [self.stays, self.goes])

    # Who, when, what not

    def test_maker_and_checker(self):
        merge = self.proposal()
        with self.assertRaises(UserError):
            merge.with_user(self.manager).action_merge()  # not proposed yet
        merge.with_user(self.admin).action_propose()
        with self.assertRaisesRegex(UserError, "You proposed this merge"):
            merge.with_user(self.admin).action_merge()
        for role in ("registrar", "validator", "approver", "finance", "support", "auditor"):
            with self.subTest(role), self.assertRaises(AccessError):
                merge.with_user(self.users[role]).action_merge()
        for values in (
            {"state": "merged"},
            {"merged_by_id": self.registrar.id},
            {"journal": {}},
            {"proposed_by_id": 1},
        ):
            with self.subTest(values), self.assertRaises(AccessError):
                merge.with_user(self.registrar).write(values)
        for values in ({"survivor_id": self.individual("Third").id}, {"reason": "Another"}):
            with self.subTest(values), self.assertRaises(UserError):
                merge.with_user(self.registrar).write(values)
        with self.assertRaises(UserError):
            merge.line_ids[0].with_user(self.registrar).take = "survivor"
        merge.with_user(self.manager).action_merge()
        with self.assertRaises(AccessError):
            merge.with_user(self.registrar).action_undo()
        with self.assertRaises(UserError):
            merge.with_user(self.admin).unlink()
        with self.assertRaises(UserError):
            self.goes.with_user(self.registrar).enable_registrant()
        with self.assertRaises(UserError):
            self.goes.with_user(self.registrar).write({"merged_into_id": False})

    def test_a_reason_is_asked_for(self):
        merge = self.proposal()
        merge.reason = " "
        with self.assertRaisesRegex(UserError, "Say why"):
            merge.action_propose()

    def test_undo_has_a_time(self):
        merge = self.merged()
        self.assertEqual((merge.undo_until - merge.merged_on).days, 30)
        merge.sudo().undo_until = fields.Datetime.now() - timedelta(hours=1)
        with self.assertRaisesRegex(UserError, "could be undone until"):
            merge.with_user(self.manager).action_undo()
        self.env["ir.config_parameter"].sudo().set_param("g2p_deduplication.undo_days", "7")
        other = self.merged(self.individual("A"), self.individual("B"))
        self.assertEqual((other.undo_until - other.merged_on).days, 7)

    def test_undo_refuses_what_changed_since(self):
        phone = self.phone(self.goes, "+251911234567")
        merge = self.merged()
        phone.phone_no = "+251911234568"
        with self.assertRaisesRegex(UserError, "has changed since .Phone Number"):
            merge.with_user(self.manager).action_undo()
        phone.phone_no = "+251911234567"
        self.stays.gender = "male"
        with self.assertRaisesRegex(UserError, "has changed since"):
            merge.with_user(self.manager).action_undo()

    def test_chains_are_undone_from_the_end(self):
        third = self.individual("Third")
        merge = self.merged()
        with self.assertRaisesRegex(UserError, "was merged into"):
            self.proposal(third, self.goes).action_propose()
        last = self.merged(third, self.stays)
        with self.assertRaisesRegex(UserError, "undo that merge first"):
            merge.with_user(self.manager).action_undo()
        last.with_user(self.manager).action_undo()
        merge.with_user(self.manager).action_undo()

    def test_only_of_one_kind(self):
        with self.assertRaisesRegex(UserError, "nothing else"):
            self.proposal(self.stays, self.household("Home"))
        with self.assertRaisesRegex(UserError, "nothing else"):
            self.proposal(self.stays, self.env["res.partner"].create({"name": "No registrant"}))

    def test_who_has_a_login_stays(self):
        self.env["res.users"].create({"name": "x", "login": "merge_portal", "partner_id": self.goes.id})
        self.assertIn("has a login", self.proposal().obstacle)

    def test_areas(self):
        other = self.env["g2p.area"].create({"name": "Elsewhere"})
        self.stays.area_id = other
        self.registrar.g2p_area_ids = self.area
        with self.assertRaises(AccessError):
            self.proposal()

    def test_from_a_set(self):
        for partner in (self.stays, self.goes):
            self.document(partner, "X1")
        self.settings.write({"use_names": False})
        self.settings.with_user(self.registrar).action_deduplicate()
        record = self.env["g2p.registry.duplicate"].search([("partner_ids", "in", self.goes.ids)])
        self.assertEqual(record.survivor_id, self.goes, "more is known of them")
        action = record.with_user(self.registrar).action_merge()
        merge = self.env["g2p.registrant.merge"].browse(action["res_id"])
        self.assertEqual((merge.survivor_id, merge.merged_id), (self.goes, self.stays))
        self.assertEqual(record.with_user(self.registrar).action_merge()["res_id"], merge.id, "the one under way")
        merge.with_user(self.registrar).action_propose()
        merge.with_user(self.manager).action_merge()
        self.assertEqual(record.state, "resolved")
        self.settings.with_user(self.registrar).action_deduplicate()
        self.assertFalse(
            self.env["g2p.registry.duplicate"].search(
                [("state", "=", "duplicate"), ("partner_ids", "in", self.goes.ids)]
            )
        )
        merge.with_user(self.manager).action_undo()
        self.assertEqual(record.state, "duplicate")

    def test_every_reference_to_a_registrant_has_a_policy(self):
        """A table that refers to a registrant is moved, or kept by name; a new one must be thought about."""
        moved = {(table, column) for table, column, *_more in self.proposal()._references()}
        for reference in (
            ("g2p_reg_id", "partner_id"),
            ("g2p_phone_number", "partner_id"),
            ("res_partner_bank", "partner_id"),
            ("g2p_group_membership", "group"),
            ("g2p_group_membership", "individual"),
            ("g2p_reg_rel", "source"),
            ("g2p_reg_rel", "destination"),
            ("g2p_program_membership", "partner_id"),
            ("g2p_cycle_membership", "partner_id"),
            ("g2p_entitlement", "partner_id"),
            ("g2p_payment", "partner_id"),
            ("g2p_registrant_tags_res_partner_rel", "res_partner_id"),
        ):
            self.assertIn(reference, moved)
        self.assertFalse(
            {table for table, __ in moved} & {"res_users", "res_partner", "mail_message", "g2p_registrant_merge"}
        )
