"""A member leaves or is paused while the cycle's steps run: nothing is paid to who left, nothing leaks from the fund."""

from odoo.tests import tagged

from odoo.addons.g2p_programs.tests import test_money_concurrency as money


@tagged("post_install", "-at_install")
class TestMembershipConcurrency(money.TestMoneyConcurrency):
    """The committed world of the money tests: three people of 100 each, in two cycles that wait for approval."""

    @staticmethod
    def clean(env):
        env.cr.execute("SELECT id FROM g2p_program WHERE name = %s", [money.NAME])
        programs = [program_id for [program_id] in env.cr.fetchall()]
        env.cr.execute("ALTER TABLE g2p_state_history DISABLE TRIGGER g2p_state_history_append_only")
        env.cr.execute(
            """
            UPDATE g2p_program_membership SET change_id = NULL WHERE program_id = ANY(%(programs)s);
            DELETE FROM g2p_membership_change_line
             WHERE change_id IN (SELECT id FROM g2p_membership_change WHERE program_id = ANY(%(programs)s));
            DELETE FROM g2p_state_history
             WHERE res_model = 'g2p.membership.change'
               AND res_id IN (SELECT id FROM g2p_membership_change WHERE program_id = ANY(%(programs)s));
            """,
            {"programs": programs},
        )
        env.cr.execute("SELECT id FROM g2p_membership_change WHERE program_id = ANY(%s)", [programs])
        changes = [change_id for [change_id] in env.cr.fetchall()]
        env.cr.execute("DELETE FROM g2p_membership_change WHERE id = ANY(%s)", [changes])
        env.cr.execute("ALTER TABLE g2p_state_history ENABLE TRIGGER g2p_state_history_append_only")
        money.TestMoneyConcurrency.clean(env)
        env.cr.execute(
            "DELETE FROM g2p_bulk_operation WHERE res_model = 'g2p.membership.change' AND res_id = ANY(%s)", [changes]
        )

    def change(self, kind, partners=None):
        """A function that confirms a change of the members, all or some, as the wizard does."""

        def press(env):
            members = env["g2p.program_membership"].search([("program_id", "=", self.program_id)], order="partner_id")
            wizard = env["g2p.membership.change.wizard"].create(
                {
                    "kind": kind,
                    "member_domain": [("id", "in", members[:partners].ids)],
                    "reason_id": env.ref("g2p_program_membership_change.change_reason_other").id,
                    "remark": "Test",
                }
            )
            wizard.action_confirm()

        return press

    def step(self, method, number=0):
        return lambda env: getattr(env["g2p.cycle"].browse(self.cycle_ids[number]), method)()

    def check(self):
        """What has to be true whoever came first. Returns (reserved, disbursed)."""
        with self.connection() as env:
            account = env["g2p.fund.account"].search([("program_id", "=", self.program_id)])
            self.assertEqual(account._verify_balance(), [])
            env.cr.execute(
                """
                SELECT place.state, t.state, t.on_hold, payment.state, payment.status
                  FROM g2p_program_membership AS member
                  JOIN g2p_cycle AS cycle ON cycle.program_id = member.program_id
                  LEFT JOIN g2p_cycle_membership AS place
                    ON place.cycle_id = cycle.id AND place.partner_id = member.partner_id
                  LEFT JOIN g2p_entitlement AS t ON t.cycle_id = cycle.id AND t.partner_id = member.partner_id
                  LEFT JOIN g2p_payment AS payment ON payment.entitlement_id = t.id
                 WHERE member.program_id = %s AND member.state IN ('exited', 'graduated')
                """,
                [self.program_id],
            )
            for place, entitlement, held, payment, status in env.cr.fetchall():
                self.assertNotIn(place, ("draft", "enrolled", "paused"))
                self.assertNotIn(entitlement, ("draft", "pending_validation", "approved"))
                if entitlement == "trans2FSP":
                    self.assertTrue(held)
                if payment == "issued":
                    self.assertEqual(status, "failed")
            env.cr.execute(
                """
                SELECT COUNT(*)
                  FROM g2p_program_membership AS member
                  JOIN g2p_cycle AS cycle ON cycle.program_id = member.program_id
                  JOIN g2p_entitlement AS t ON t.cycle_id = cycle.id AND t.partner_id = member.partner_id
                 WHERE member.program_id = %s AND member.state = 'paused' AND t.on_hold IS NOT TRUE
                   AND t.state IN ('draft', 'pending_validation', 'approved', 'trans2FSP')
                """,
                [self.program_id],
            )
            self.assertEqual(env.cr.fetchone(), (0,))
            return account.reserved, account.disbursed

    def refuse_errors(self, results):
        self.assertFalse([result for result in results if isinstance(result, Exception)], results)

    def test_an_exit_while_the_cycle_is_approved(self):
        self.deposit(600)
        self.refuse_errors(self.at_once(self.approve(0), self.change("exit", 2)))
        self.assertEqual(self.check(), (100, 0))

    def test_a_pause_while_the_cycle_is_approved(self):
        self.deposit(600)
        self.refuse_errors(self.at_once(self.approve(0), self.change("pause", 2)))
        reserved, _disbursed = self.check()
        self.assertIn(reserved, (100, 300))

    def test_an_exit_while_payments_are_prepared(self):
        self.deposit(600)
        self.at_once(self.approve(0))
        self.refuse_errors(self.at_once(self.step("prepare_payment"), self.change("exit", 1)))
        self.assertEqual(self.check(), (200, 0))

    def test_an_exit_while_payments_are_sent(self):
        self.deposit(600)
        self.at_once(self.approve(0))
        self.at_once(self.step("prepare_payment"))
        self.refuse_errors(self.at_once(self.step("send_payment"), self.change("exit", 1)))
        reserved, _disbursed = self.check()
        self.assertIn(reserved, (200, 300))

    def test_an_exit_while_the_bank_answers(self):
        self.deposit(600)
        for step in (self.approve(0), self.step("prepare_payment"), self.step("send_payment")):
            self.at_once(step)

        def failed(env):
            env["g2p.cycle"].browse(self.cycle_ids[0])._mark_payments("failed", "Closed")

        self.refuse_errors(self.at_once(failed, self.change("exit", 1)))
        self.assertEqual(self.check(), (200, 0))

    def test_two_changes_of_the_same_members(self):
        self.refuse_errors(self.at_once(self.change("exit"), self.change("graduate"), self.change("pause")))
        self.check()
        with self.connection() as env:
            lines = env["g2p.membership.change.line"].search([("change_id.program_id", "=", self.program_id)])
            self.assertEqual(len(lines), 9)
            self.assertFalse(lines.filtered(lambda line: line.outcome == "pending"))
            # Exit goes after pause, graduate after pause: each member left by exactly one of the two.
            left = lines.filtered(lambda line: line.outcome == "done" and line.kind in ("exit", "graduate"))
            self.assertEqual(sorted(left.membership_id.ids), sorted(left.mapped("membership_id.id")))
            self.assertEqual(len(left), 3)

    def test_an_exit_that_an_older_transaction_of_the_cycle_did_not_see(self):
        """The step looked before the exit, and writes after it. Its end, or the end of the exit, puts it right."""
        with self.connection(money.PREPARER) as env:
            cycle = env["g2p.cycle"].create(
                {
                    "name": "Third",
                    "program_id": self.program_id,
                    "start_date": "2026-01-01",
                    "end_date": "2026-01-31",
                }
            )
            self.cycle_ids.append(cycle.id)
        with self.connection(money.PREPARER) as late:
            late.cr.execute("SELECT COUNT(*) FROM g2p_program_membership")
            with self.connection() as early:
                self.change("exit", 2)(early)
            cycle = late["g2p.cycle"].browse(self.cycle_ids[2])
            operation = late["g2p.bulk.operation"].create(
                {
                    "name": "Copy",
                    "step": "copy",
                    "res_model": "g2p.cycle",
                    "res_id": cycle.id,
                    "user_id": money.PREPARER,
                }
            )
            counts = cycle._bulk_step("copy")._chunk(cycle, operation, None, None)
            self.assertEqual(counts, {"copied": 3})
        with self.connection(money.PREPARER) as late:
            cycle = late["g2p.cycle"].browse(self.cycle_ids[2])
            cycle._bulk_step("copy")._finish(cycle, operation.with_env(late))
        self.check()
        with self.connection() as env:
            self.assertEqual(env["g2p.cycle"].browse(self.cycle_ids[2]).members_count, 1)


# The tests of the money are run by their own class.
for name, test in vars(money.TestMoneyConcurrency).items():
    if name.startswith("test_") and callable(test):
        setattr(TestMembershipConcurrency, name, None)
