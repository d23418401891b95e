from odoo.addons.g2p_programs.tests.money import MoneyCase


class LifeCase(MoneyCase):
    """Three families in the grant: Large 160, Small 120, Empty 100, 380 in all."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.validator = cls.users["validator"]
        for family in cls.families:
            cls.member(cls.grant, family, "enrolled")
        cls.grant.invalidate_recordset()

    def of(self, *families, program=None):
        """The memberships of families."""
        ids = [family.id for family in families]
        members = self.env["g2p.program_membership"].search(
            [("program_id", "=", (program or self.grant).id), ("partner_id", "in", ids)]
        )
        members.invalidate_recordset()
        return members

    def all_of(self, program):
        """All members of a program as the list's button hands them over: some of them, and the domain that all match."""
        self.env["ir.config_parameter"].set_param("web.active_ids_limit", "1")
        some = self.env["g2p.program_membership"].search([("program_id", "=", program.id)], limit=1)
        return some.with_context(active_domain=[("program_id", "=", program.id)])

    def reason(self, code):
        return self.env.ref(f"g2p_program_membership_change.change_reason_{code}")

    def wizard(self, members, kind, user=None, **values):
        """The wizard as the button opens it."""
        method = {"verify": "action_verify_life"}.get(kind, f"action_{kind}")
        action = getattr(members.with_user(user or self.validator), method)()
        self.assertEqual((action["res_model"], action["target"]), ("g2p.membership.change.wizard", "new"))
        defaults = {
            "pause": {"reason_id": self.reason("not_reached").id},
            "resume": {"reason_id": self.reason("cause_removed").id},
            "exit": {"reason_id": self.reason("moved_away").id},
            "graduate": {"reason_id": self.reason("graduated").id},
            "readmit": {"reason_id": self.reason("qualifies_again").id},
            "verify": {"method": "visit"},
        }[kind]
        wizard = self.env[action["res_model"]].with_user(user or self.validator).browse(action["res_id"])
        wizard.write({**defaults, **values})
        return wizard

    def change(self, members, kind, user=None, **values):
        """Press the button and confirm; to a re-admission another manager agrees. Returns the change that was made last."""
        self.wizard(members, kind, user, **values).action_confirm()
        self.env.invalidate_all()
        change = self.env["g2p.membership.change"].search([], limit=1)
        if kind == "readmit":
            request = change._approval_open().with_user(self.users["admin"])
            request.action_approve("They qualify", request.digest)
            self.env.invalidate_all()
        return change

    def places(self, cycle):
        """{family: state} in a cycle."""
        places = self.env["g2p.cycle.membership"].search([("cycle_id", "=", cycle.id)])
        places.invalidate_recordset()
        return {place.partner_id: place.state for place in places}

    def due(self, cycle):
        """{family: state of the entitlement} in a cycle; the last one counts."""
        entitlements = self.entitlements(cycle)
        entitlements.invalidate_recordset()
        return {entitlement.partner_id: entitlement.state for entitlement in entitlements}

    def outcome(self, change, step="apply"):
        return self.counts(change, step)
