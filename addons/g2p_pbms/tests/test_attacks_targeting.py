"""What must not be possible in targeting, merging, applying and simulating: tried as each role, as in `test_attacks`.

A failing test is a hole, not a change to follow.
"""

from odoo.tests import tagged

from .test_attacks import AttackCase


class TargetingCase(AttackCase):
    def merge(self, survivor, merged, by=None):
        """A merge that is done."""
        proposed = (
            self.env["g2p.registrant.merge"]
            .with_user(self.users["registrar"])
            .create({"survivor_id": survivor.id, "merged_id": merged.id, "reason": "Seen together"})
        )
        proposed.action_propose()
        proposed.with_user(by or self.users["manager"]).action_merge()
        self.env.invalidate_all()
        return proposed.with_user(by or self.users["manager"])

    def assert_books(self):
        """The money adds up, and nobody is paid twice for one thing."""
        self.figures()
        self.env.cr.execute(
            """
            SELECT COUNT(*) FROM (
                SELECT FROM g2p_entitlement
                 WHERE state NOT IN ('cancelled', 'rejected1', 'rejected2', 'rejected3', 'expired')
                 GROUP BY cycle_id, partner_id, benefit_code_id, item_id HAVING COUNT(*) > 1
                 UNION ALL
                SELECT FROM g2p_payment WHERE status IS DISTINCT FROM 'failed'
                 GROUP BY entitlement_id HAVING COUNT(*) > 1
                 UNION ALL
                SELECT FROM g2p_payment AS payment JOIN g2p_entitlement AS t ON t.id = payment.entitlement_id
                 WHERE payment.partner_id <> t.partner_id
            ) AS wrong
            """
        )
        self.assertEqual(self.env.cr.fetchone()[0], 0)


@tagged("post_install", "-at_install")
class TestMergeAttacks(TargetingCase):
    """Merging registrants must neither double, hide nor divert money, nor forget why somebody is left out."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.twin = cls.family("Twin", 1)

    def place(self, cycle, family):
        return cycle.cycle_membership_ids.filtered(lambda place: place.partner_id == family)

    def test_undo_after_an_entitlement_was_made(self):
        """The place goes back: its entitlement must not stay behind, or the place is paid twice."""
        cycle = self.new_cycle(self.twin)
        merge = self.merge(self.small, self.twin)
        cycle.prepare_entitlement()
        self.assertEqual(self.entitlements(cycle).partner_id, self.small)
        self.refused(self.users["manager"], merge, "action_undo")

    def test_undo_after_a_payment_was_made(self):
        """An entitlement goes back to who had it: a payment made since would pay somebody else for it."""
        self.deposit(1000)
        cycle = self.approved_cycle(self.twin)
        cycle.with_user(self.finance).validate_entitlement()
        merge = self.merge(self.small, self.twin)
        cycle.prepare_payment()
        self.assertEqual(self.payments(cycle).partner_id, self.small)
        self.refused(self.users["manager"], merge, "action_undo")
        self.assert_books()

    def test_undo_brings_reasons_back(self):
        """Who is not eligible knows why, also after a merge was undone; the other is enrolled without a stale reason."""
        self.member(self.grant, self.small)
        own = self.grant.program_membership_ids.filtered(lambda member: member.partner_id == self.small)
        self.env.cr.execute(
            "UPDATE g2p_program_membership SET state = 'not_eligible', reason = 'Too rich' WHERE id = %s", [own.id]
        )
        other = self.member(self.grant, self.twin, "enrolled")
        self.env.invalidate_all()
        before = [(m.state, m.reason, m.enrollment_date) for m in own + other]
        merge = self.merge(self.small, self.twin)
        self.rpc(self.users["manager"], merge, "action_undo")
        self.env.invalidate_all()
        self.assertEqual([(m.state, m.reason, m.enrollment_date) for m in own + other], before)

    def test_a_place_in_an_open_cycle_is_not_lost(self):
        """Both have a place: the paused one's must not be all that is left to who goes on."""
        cycle = self.new_cycle(self.small + self.twin)
        own = self.grant.program_membership_ids.filtered(lambda member: member.partner_id == self.small)
        self.change("pause", own)
        self.assertEqual((own.state, self.place(cycle, self.small).state), ("paused", "paused"))
        proposed = self.env["g2p.registrant.merge"].create(
            {"survivor_id": self.small.id, "merged_id": self.twin.id, "reason": "Seen together"}
        )
        self.refused(self.users["registrar"], proposed, "action_propose")
        self.assertIn("in state paused", proposed.obstacle)

    def test_a_merged_registrant_is_not_made(self):
        self.refused(
            self.users["registrar"],
            "res.partner",
            "create",
            [{"name": "x", "is_registrant": True, "merged_into_id": self.small.id}],
        )

    def change(self, kind, members, user=None, **values):
        reason = self.env["g2p.membership.change.reason"].search([(f"for_{kind}", "=", True)], limit=1)
        wizard = (
            self.env["g2p.membership.change.wizard"]
            .with_user(user or self.users["validator"])
            .create(
                {
                    "kind": kind,
                    "member_domain": [("id", "in", members.ids)],
                    "reason_id": reason.id,
                    "remark": "As agreed",
                    **values,
                }
            )
        )
        wizard.action_confirm()
        self.env.invalidate_all()
        return self.env["g2p.membership.change"].search([], order="id DESC", limit=1)


@tagged("post_install", "-at_install")
class TestManagersUnderWay(TargetingCase):
    """Who approves is settled before there is anything to approve, by whatever way a manager would be exchanged."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deposit(1000)
        cls.cycle = cls.new_cycle()
        cls.cycle.prepare_entitlement()
        cls.cycle.to_approve()
        cls.own = cls.env.ref("g2p_programs.g2p_program_manager")

    def exchanged(self, kind, **values):
        """The manager exchanges the concrete manager under its reference; every attempt must be refused."""
        [reference] = self.env[kind].search([("program_id", "=", self.grant.id)])
        concrete = reference.manager_ref_id
        model = concrete._name
        vals = {"name": "Mine", "program_id": self.grant.id, **values}
        self.refused(self.manager, reference, "unlink")
        self.refused(self.manager, concrete, "unlink")
        for flag in ("g2p_keep_manager", "g2p_keep_reference"):
            with self.subTest(flag):
                self.refused(self.manager, reference, "unlink", context={flag: True})
                self.refused(self.manager, concrete, "unlink", context={flag: True})
        with self.refusal("another one beside it, then in its place"):
            [made] = self.rpc(self.manager, model, "create", [vals], context={"g2p_keep_reference": True})
            self.rpc(self.manager, reference, "write", {"manager_ref_id": f"{model},{made}"})
        with self.refusal("another one beside it, before it"):
            self.rpc(self.manager, model, "create", [vals])
        with self.refusal("moved away"):
            self.rpc(self.manager, reference, "write", {"program_id": self.program("Other", "group").id})

    def test_entitlement_manager(self):
        self.exchanged("g2p.program.entitlement.manager", entitlement_validation_group_id=self.own.id)

    def test_cycle_manager(self):
        self.exchanged("g2p.cycle.manager", approver_group_id=self.own.id)

    def test_scenario(self):
        """Applying a scenario exchanges managers too."""
        scenario = (
            self.env["g2p.program.scenario"]
            .with_user(self.manager)
            .create({"name": "Mine", "program_id": self.grant.id})
        )
        [terms] = scenario.sandbox_id.get_managers(scenario.sandbox_id.MANAGER_ENTITLEMENT)
        terms.entitlement_validation_group_id = self.own
        scenario.action_simulate()
        self.refused(self.manager, scenario, "apply_to_program")
