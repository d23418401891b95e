from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged

from .life import LifeCase


@tagged("post_install", "-at_install")
class TestMembershipChange(LifeCase):
    def test_a_member_is_paused_and_resumed(self):
        [large] = self.of(self.large)
        change = self.change(large, "pause")
        self.assertEqual((large.state, large.reason, large.change_id), ("paused", "Not reached", change))
        self.assertEqual((self.grant.paused_count, self.grant.eligible_beneficiaries_count), (1, 2))
        self.assertEqual((change.state, change.members_count, change.done_count), ("done", 1, 1))
        resumed = self.change(large, "resume")
        self.assertEqual((large.state, large.reason, large.change_id), ("enrolled", False, resumed))
        self.assertEqual(self.grant.paused_count, 0)

    def test_history_says_who_when_why_and_from_what(self):
        [large] = self.of(self.large)
        change = self.change(large, "exit", remark="Moved to her daughter's in June")
        row = large.history_ids[0]
        self.assertEqual((row.from_state, row.to_state, row.reason), ("enrolled", "exited", "Moved away"))
        self.assertEqual((row.from_label, row.to_label), ("Enrolled", "Exited"))
        self.assertEqual((row.user_id, row.membership_change_id), (self.validator, change))
        self.assertEqual(row.with_user(self.validator).remark, "Moved to her daughter's in June")
        self.assertTrue(row.date)

    def test_who_leaves_has_a_date_and_who_comes_back_has_none(self):
        [large] = self.of(self.large)
        died = fields.Date.today() - timedelta(days=40)
        self.change(large, "exit", reason_id=self.reason("deceased").id, date=died)
        self.assertEqual((large.state, large.exit_date.date(), large.reason), ("exited", died, "Deceased"))
        self.change(large, "readmit", self.manager)
        self.assertEqual((large.state, large.exit_date, large.reason), ("draft", False, False))
        large.with_user(self.validator).enroll_eligible_registrants()
        self.assertEqual(large.state, "enrolled")

    def test_graduates_are_counted_apart(self):
        self.change(self.of(self.large, self.small), "graduate")
        self.assertEqual((self.grant.graduated_count, self.grant.exited_count), (2, 0))
        self.assertEqual(set(self.of(self.large, self.small).mapped("state")), {"graduated"})
        self.grant.with_user(self.validator).enroll_eligible_registrants()
        self.assertEqual(self.grant.graduated_count, 2)
        action = self.grant.with_context(members_state="graduated").action_open_members()
        self.assertIn("search_default_graduated", action["context"])

    def test_who_is_there_already_or_in_another_state_is_skipped_and_counted(self):
        self.change(self.of(self.large), "pause")
        draft = self.member(self.grant, self.family("Draft", 0))
        change = self.change(self.of(self.large, self.small) | draft, "pause")
        self.assertEqual(self.outcome(change), {"already": 1, "paused": 1, "left_draft": 1})
        self.assertEqual((change.done_count, change.skipped_count), (1, 2))
        self.assertEqual(draft.state, "draft")
        self.assertEqual(
            draft.change_line_ids.skipped_reason, "Left as they are, in state Draft", draft.change_line_ids.outcome
        )

    def test_the_toast_counts(self):
        self.change(self.of(self.large), "pause")
        action = self.wizard(self.of(*self.families), "pause").action_confirm()
        self.assertIn("Paused: 2.", action["params"]["text"])
        self.assertIn("There already: 1.", action["params"]["text"])

    def test_all_that_match_are_changed_without_naming_them(self):
        change = self.change(self.all_of(self.grant), "pause")
        self.assertEqual((change.members_count, self.grant.paused_count), (3, 3))

    def test_more_than_the_client_marks_means_all_that_match(self):
        self.env["ir.config_parameter"].set_param("web.active_ids_limit", "2")
        domain = [("program_id", "=", self.grant.id)]
        marked = self.of(self.large, self.small).with_context(active_domain=domain)
        self.assertEqual(self.wizard(marked, "pause").members_count, 3)
        few = self.of(self.large).with_context(active_domain=domain)
        self.assertEqual(self.wizard(few, "pause").members_count, 1)

    def test_members_of_several_programs_make_a_change_in_each(self):
        other = self.program("School Grant", "group")
        self.member(other, self.large, "enrolled")
        members = self.env["g2p.program_membership"].search([("partner_id", "=", self.large.id)])
        document = self.env["ir.attachment"].with_user(self.validator).create({"name": "Certificate", "raw": b"died"})
        self.change(members, "exit", reason_id=self.reason("deceased").id, attachment_ids=[Command.set(document.ids)])
        changes = members.change_id
        self.assertEqual(changes.program_id, self.grant | other)
        self.assertEqual(set(members.mapped("state")), {"exited"})
        for change in changes:
            attachment = change.attachment_ids
            self.assertEqual((attachment.res_model, attachment.res_id), (change._name, change.id))
            self.assertEqual(attachment.with_user(self.users["auditor"]).raw, b"died")

    def test_bad_input_is_refused_before_anything_is_written(self):
        members = self.of(self.large)
        today = fields.Date.today()
        for kind, values, sentence in (
            ("pause", {"reason_id": False}, "Choose a reason"),
            ("pause", {"reason_id": self.reason("deceased").id}, "no reason for this change"),
            ("exit", {"reason_id": self.reason("fraud").id}, "needs a remark"),
            ("pause", {"until": today}, "has to end after"),
            ("verify", {"method": False}, "Say how"),
            ("verify", {"date": today + timedelta(days=1)}, "future"),
        ):
            with self.subTest(kind=kind, values=values), self.assertRaisesRegex(UserError, sentence):
                self.wizard(members, kind, **values).action_confirm()
        self.assertEqual((members.state, members.change_line_ids.ids), ("enrolled", []))

    def test_nobody_comes_back_into_a_program_that_has_ended(self):
        self.change(self.of(self.large), "pause")
        self.grant.with_user(self.manager).end_program()
        with self.assertRaisesRegex(UserError, "not active"):
            self.wizard(self.of(self.large), "resume").action_confirm()
        self.change(self.of(self.large), "exit", reason_id=self.reason("program_ended").id)
        self.assertEqual(self.of(self.large).state, "exited")

    def test_a_disabled_registrant_exits_but_is_not_resumed(self):
        self.change(self.of(self.large, self.small), "pause")
        self.large.with_user(self.users["registrar"])._disable("Deceased")
        change = self.change(self.of(self.large, self.small), "resume")
        self.assertEqual(self.outcome(change), {"disabled": 1, "resumed": 1})
        self.change(self.of(self.large), "exit", reason_id=self.reason("deceased").id)
        self.assertEqual(self.of(self.large).state, "exited")

    def test_a_member_with_changes_is_not_removed(self):
        [large] = self.of(self.large)
        self.change(large, "exit")
        self.change(large, "readmit", self.manager)
        with self.assertRaisesRegex(UserError, "must stay"):
            large.with_user(self.manager).unlink()

    # Reverse

    def test_a_change_is_reversed_by_somebody_higher(self):
        self.change(self.of(self.small), "pause")
        change = self.change(self.of(*self.families), "exit")
        self.assertEqual((change.done_count, self.grant.exited_count), (3, 3))
        with self.assertRaises(AccessError):
            change.with_user(self.validator).action_reverse()
        change.with_user(self.manager).action_reverse()
        self.env.invalidate_all()
        self.assertEqual(self.of(self.large, self.empty).mapped("state"), ["enrolled", "enrolled"])
        [small] = self.of(self.small)
        self.assertEqual((small.state, small.reason, small.exit_date), ("paused", "Not reached", False))
        self.assertEqual((change.state, change.reversed_by, self.grant.exited_count), ("reversed", self.manager, 0))
        with self.assertRaises(UserError):
            change.with_user(self.manager).action_reverse()

    def test_who_made_a_change_does_not_reverse_it(self):
        change = self.change(self.of(self.large), "exit", self.manager)
        self.assertFalse(change.with_user(self.manager).can_reverse)
        with self.assertRaisesRegex(AccessError, "somebody else"):
            change.with_user(self.manager).action_reverse()
        self.env["ir.config_parameter"].set_param("g2p_programs.maker_checker", "False")
        change.with_user(self.manager).action_reverse()
        self.assertEqual(self.of(self.large).state, "enrolled")

    def test_who_was_changed_since_is_not_reversed(self):
        change = self.change(self.of(self.large, self.small), "pause")
        self.change(self.of(self.large), "exit")
        change.with_user(self.manager).action_reverse()
        self.assertEqual(self.outcome(change, "reverse"), {"changed_since": 1, "reversed": 1})
        self.assertEqual((self.of(self.large).state, self.of(self.small).state), ("exited", "enrolled"))

    def test_the_same_state_by_a_later_change_is_not_reversed(self):
        first = self.change(self.of(self.large), "pause")
        self.change(self.of(self.large), "resume")
        self.change(self.of(self.large), "pause")
        first.with_user(self.manager).action_reverse()
        self.assertEqual((self.outcome(first, "reverse"), self.of(self.large).state), ({"changed_since": 1}, "paused"))
        self.assertEqual(first.state, "done")

    # Access

    def test_only_the_roles_may(self):
        [large] = self.of(self.large)
        for role in ("registrar", "support", "auditor", "finance"):
            with self.subTest(role=role):
                with self.assertRaises(AccessError):
                    large.with_user(self.users[role]).action_pause()
                with self.assertRaises(AccessError):
                    self.env["g2p.membership.change.wizard"].with_user(self.users[role]).create(
                        {"kind": "pause", "member_domain": [("id", "=", large.id)]}
                    )
        self.change(large, "exit")
        with self.assertRaises(AccessError):
            large.with_user(self.validator).action_readmit()
        self.assertEqual(large.state, "exited")

    def test_a_readmission_smuggled_into_the_wizard_is_refused(self):
        [large] = self.of(self.large)
        self.change(large, "exit")
        wizard = (
            self.env["g2p.membership.change.wizard"]
            .with_user(self.validator)
            .create(
                {
                    "kind": "readmit",
                    "member_domain": [("id", "=", large.id)],
                    "reason_id": self.reason("qualifies_again").id,
                }
            )
        )
        with self.assertRaises(AccessError):
            wizard.action_confirm()
        self.assertEqual(large.state, "exited")

    def test_nobody_writes_changes_past_the_buttons(self):
        change = self.change(self.of(self.large), "pause")
        for user in (self.validator, self.manager, self.users["admin"]):
            for values in ({"state": "planned"}, {"user_id": user.id}, {"remark": "x"}, {"date": "2020-01-01"}):
                with self.subTest(user=user.login, values=values), self.assertRaises(AccessError):
                    change.with_user(user).write(values)
            with self.assertRaises(AccessError):
                change.line_ids.with_user(user).write({"from_state": "draft"})
            with self.assertRaises(AccessError):
                change.with_user(user).create(
                    {"kind": "exit", "program_id": self.grant.id, "date": "2026-01-01", "user_id": user.id}
                )
            with self.assertRaises(AccessError):
                self.of(self.large).with_user(user).write({"last_verified_date": "2026-01-01"})

    def test_an_area_limits_what_a_change_reaches(self):
        kind = self.env["g2p.area.kind"].create({"name": "Ward"})
        here, there = self.env["g2p.area"].create(
            [{"name": name, "code": name, "kind_id": kind.id} for name in ("Here", "There")]
        )
        self.large.area_id, self.small.area_id, self.empty.area_id = here, there, there
        local = new_test_user(self.env, login="test_local", groups="g2p_programs.g2p_program_manager")
        local.g2p_area_ids = here
        self.env["ir.config_parameter"].set_param("web.active_ids_limit", "1")
        everybody = self.of(self.large).with_context(active_domain=[("program_id", "=", self.grant.id)])
        own = self.change(everybody, "pause", local)
        self.assertEqual((own.members_count, self.grant.paused_count), (1, 1))
        wide = self.change(self.of(*self.families), "pause")
        self.assertEqual(wide.done_count, 2)
        lines = self.env["g2p.membership.change.line"].with_user(local).search([("change_id", "=", wide.id)])
        self.assertEqual(lines.partner_id, self.large)
        with self.assertRaisesRegex(AccessError, "beyond your areas"):
            wide.with_user(local).action_reverse()
        with self.assertRaises(AccessError):
            self.of(self.small).with_user(local).action_exit()

    # Planned

    def planned(self, members, kind="exit", days=5, **values):
        return self.change(members, kind, date=fields.Date.today() + timedelta(days=days), **values)

    def come(self, change):
        """The day of a plan comes."""
        change.sudo().date = fields.Date.today()
        self.env["g2p.membership.change"]._cron_daily()
        self.env.invalidate_all()

    def test_a_plan_is_carried_out_on_its_day_as_who_made_it(self):
        [large] = self.of(self.large)
        change = self.planned(large)
        self.assertEqual((change.state, large.state), ("planned", "enrolled"))
        self.assertRegex(large.with_user(self.validator).planned_text, "^Exit on .*, Moved away$")
        self.assertEqual(large.action_open_planned()["domain"], [("id", "in", change.ids)])
        self.env["g2p.membership.change"]._cron_daily()
        self.assertEqual((change.state, large.state), ("planned", "enrolled"))
        self.come(change)
        self.assertEqual((change.state, large.state), ("done", "exited"))
        self.assertEqual((large.history_ids[0].user_id, change.operation_id.user_id), (self.validator, self.validator))
        self.assertFalse(large.planned_text)

    def test_a_plan_meets_the_states_of_its_day(self):
        change = self.planned(self.of(self.large, self.small), "graduate")
        self.change(self.of(self.large), "exit")
        self.come(change)
        self.assertEqual(self.outcome(change), {"left_exited": 1, "graduated": 1})

    def test_a_plan_is_cancelled(self):
        change = self.planned(self.of(self.large))
        with self.assertRaises(AccessError):
            change.with_user(self.users["approver"]).action_cancel()
        change.with_user(self.validator).action_cancel()
        self.come(change)
        self.assertEqual((change.state, self.of(self.large).state), ("cancelled", "enrolled"))
        with self.assertRaises(UserError):
            change.with_user(self.manager).action_cancel()

    def test_a_plan_of_who_may_no_longer_is_not_carried_out(self):
        change = self.planned(self.of(self.large))
        group = self.env.ref("g2p_programs.g2p_program_validator")
        self.validator.group_ids = [Command.unlink(group.id)]
        self.come(change)
        self.assertEqual((change.state, self.of(self.large).state), ("cancelled", "enrolled"))
        self.assertIn("Not carried out", change.note)
        self.assertIn("planned change", self.grant.activity_ids.summary)

    def test_a_plan_reaches_only_whom_its_maker_still_sees(self):
        kind = self.env["g2p.area.kind"].create({"name": "Ward"})
        here = self.env["g2p.area"].create({"name": "Here", "code": "here", "kind_id": kind.id})
        self.large.area_id = here
        change = self.planned(self.of(self.large, self.small))
        self.validator.g2p_area_ids = here
        self.come(change)
        self.assertEqual(self.outcome(change), {"exited": 1, "no_access": 1})
        self.assertEqual(self.of(self.small).state, "enrolled")

    def test_a_pause_ends_by_itself(self):
        members = self.of(self.large, self.small)
        self.change(members, "pause", until=fields.Date.today() + timedelta(days=3))
        self.env["g2p.membership.change"]._cron_daily()
        self.env.invalidate_all()
        self.assertEqual(set(members.mapped("state")), {"paused"})
        self.large.with_user(self.users["registrar"])._disable("Lost")
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE g2p_program_membership SET paused_until = CURRENT_DATE WHERE id = ANY(%s)", [members.ids]
        )
        self.env.invalidate_all()
        self.env["g2p.membership.change"]._cron_daily()
        self.env.invalidate_all()
        self.assertEqual((self.of(self.small).state, self.of(self.large).state), ("enrolled", "paused"))
        self.assertFalse(self.of(self.small).paused_until)
        known = self.env["g2p.membership.change"].search_count([])
        self.env["g2p.membership.change"]._cron_daily()
        self.assertEqual(self.env["g2p.membership.change"].search_count([]), known)
