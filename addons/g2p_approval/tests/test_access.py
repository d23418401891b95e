"""Who sees what is asked for, and who calls what: other companies, portal, people without a part."""

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged

from .common import ApprovalCase

MODELS = (
    "g2p.approval.kind",
    "g2p.approval.stage",
    "g2p.approval.delegation",
    "g2p.approval.request",
    "g2p.approval.request.stage",
    "g2p.approval.decision",
    "g2p.approval.decide",
)
BUTTONS = (
    ("action_approve", "Fine"),
    ("action_reject", "No"),
    ("action_withdraw",),
    ("action_ask_approve",),
    ("action_ask_reject",),
    ("action_open_record",),
)


@tagged("post_install", "-at_install")
class TestAccess(ApprovalCase):
    def call(self, user, request, button, *args):
        if button in ("action_approve", "action_reject"):
            args = (*args, request.digest)
        return self.rpc(user, request, button, *args)

    def test_portal_and_people_without_a_role_see_nothing(self):
        _paper, request = self.asked()
        for groups in ("base.group_portal", "base.group_public", "base.group_user"):
            user = new_test_user(self.env, login=f"stranger {groups}", groups=groups)
            for name in MODELS:
                self.refused(AccessError, self.env[name].with_user(user).search, [])
            for button, *args in BUTTONS:
                with self.subTest(groups=groups, button=button):
                    self.refused(AccessError, self.call, user, request, button, *args)
        self.assertEqual((request.state, len(request.decision_ids)), ("waiting", 0))

    def test_another_company_sees_nothing(self):
        _paper, request = self.asked()
        company = self.env["res.company"].create({"name": "Other"})
        stranger = self.user("stranger", self.directors, company_id=company.id, company_ids=[Command.set(company.ids)])
        for records in (request, request.stage_ids):
            self.assertFalse(records.with_user(stranger).search([("id", "in", records.ids)]))
        for button, *args in BUTTONS:
            with self.subTest(button=button):
                self.refused(AccessError, self.call, stranger, request, button, *args)
        # Nor is a stranger told.
        self.assertNotIn(stranger.partner_id, request.message_ids.partner_ids)
        self.assertEqual((request.state, len(request.decision_ids)), ("waiting", 0))

    def test_a_request_is_as_visible_as_what_it_is_about(self):
        hidden, request = self.asked(name="Hidden")
        _paper, shown = self.asked(name="Shown")
        self.env["ir.rule"].create(
            {
                "name": "Not hidden",
                "model_id": self.env["ir.model"]._get_id(hidden._name),
                "domain_force": "[('name', '!=', 'Hidden')]",
                "groups": [Command.set(self.heads.ids)],
            }
        )
        self.approve(shown, self.ben)
        mine = self.env["g2p.approval.request"].with_user(self.ann)
        self.assertEqual(mine.search([("id", "in", (request + shown).ids)]), shown)
        self.assertEqual(
            self.env["g2p.approval.decision"].with_user(self.ann).search([("request_id", "in", (request + shown).ids)]),
            shown.decision_ids,
        )
        self.refused(AccessError, self.approve, request, self.ann)
        self.assertFalse(mine.search([("can_decide", "=", True), ("id", "=", request.id)]))

    def test_who_has_no_part_presses_in_vain(self):
        _paper, request = self.asked()
        for user in (self.clerk, self.admin):
            for button, *args in BUTTONS[:2]:
                with self.subTest(user=user.login, button=button):
                    self.refused(UserError, self.call, user, request, button, *args)
        self.assertEqual((request.state, len(request.decision_ids)), ("waiting", 0))

    def test_nothing_is_forged(self):
        _paper, request = self.asked()
        for values in (
            {"state": "done"},
            {"digest": "other"},
            {"requested_by": self.ann.id},
            {"author_ids": [Command.clear()]},
            {"stage_ids": [Command.clear()]},
        ):
            for user in (self.clerk, self.ann, self.admin):
                self.refused(AccessError, request.with_user(user).write, values)
        stage = request.stage_ids.with_user(self.admin)
        self.refused(AccessError, stage.write, {"needed": 1})
        self.refused(AccessError, self.env["g2p.approval.request"].with_user(self.admin).create, {"name": "Mine"})
        self.refused(AccessError, self.env["g2p.approval.request.stage"].with_user(self.admin).create, {"name": "Mine"})
        self.refused(AccessError, request.with_user(self.admin).unlink)

    def test_no_public_method_asks_or_grants(self):
        paper, request = self.asked()
        for record, method in ((paper, "_approval_granted"), (paper, "_approval_submit"), (request, "_decide")):
            self.refused(AccessError, self.rpc, self.admin, record, method)
