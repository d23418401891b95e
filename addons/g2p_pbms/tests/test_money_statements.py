import base64
import contextlib
from unittest.mock import patch

from odoo.tests import tagged
from odoo.tools import SQL

from odoo.addons.g2p_programs.tests.money import MoneyCase


@tagged("post_install", "-at_install")
class TestMoneyStatements(MoneyCase):
    """What a step costs in statements does not depend on how many beneficiaries one chunk holds."""

    def pipeline(self, count):
        """{step: statements} of the whole job for so many households, everything in one chunk."""
        low, high = self.many_registrants(count, is_group=True, prefix=f"House {count} ")
        people_low, _people_high = self.many_registrants(count * 2, prefix=f"Person {count} ")
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_group_membership ("group", individual, start_date)
                SELECT %(low)s + number / 2, %(people)s + number, now() AT TIME ZONE 'UTC'
                  FROM generate_series(0, %(count)s * 2 - 1) AS number;
                ANALYZE g2p_group_membership; ANALYZE res_partner;
                """,
                low=low,
                people=people_low,
                count=count,
            )
        )
        program = self.program(f"Grant for {count}", "group")
        program.no_account_policy = "desk"
        program.get_manager(program.MANAGER_ENTITLEMENT).write(
            {"amount_per_cycle": 10, "amount_per_individual_in_group": 1, "transfer_fee_pct": 1}
        )
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_program_membership (partner_id, program_id, state, enrollment_date)
                SELECT id, %s, 'enrolled', now() AT TIME ZONE 'UTC' FROM res_partner WHERE id BETWEEN %s AND %s;
                -- as the step would that makes members
                ANALYZE g2p_program_membership;
                """,
                program.id,
                low,
                high,
            )
        )
        program._refresh_counters()
        self.deposit(count * 12, program)
        cycle = self.new_cycle([], program)
        if not cycle.members_count:
            cycle.copy_beneficiaries_from_program()
        self.assertEqual(cycle.members_count, count)
        finance = cycle.with_user(self.finance)
        statements = {
            "verify": self.statements(cycle, "check_eligibility", "verify"),
            "prepare": self.statements(cycle, "prepare_entitlement", "prepare"),
            "prepare again": self.statements(cycle, "prepare_entitlement", "prepare"),
            "submit": self.statements(cycle, "to_approve", "submit"),
        }
        cycle.with_user(self.approver).approve()
        statements |= {
            "approve": self.statements(finance, "validate_entitlement", "approve_entitlements"),
            "prepare payments": self.statements(cycle, "prepare_payment", "prepare_payments"),
            "send": self.statements(cycle, "send_payment", "send"),
        }
        answer = self.answer(cycle, count // 2)
        statements |= {
            "read a file": self.statements(answer, "action_check", "match"),
            "apply a file": self.statements(answer, "action_apply", "reconcile"),
            "mark": self.statements(finance, "_mark_payments", "reconcile", "paid"),
        }
        self.assertEqual((answer.lines_count, answer.matched_count, answer.state), (count // 2, count // 2, "applied"))
        self.assertEqual((cycle.paid_count, cycle.state), (count, "distributed"))
        self.assertEqual(self.figures(program), (count * 12, 0, count * 12))
        self.assertEqual(len(cycle.payment_batch_ids), -(-count // 500))
        return statements

    def answer(self, cycle, count):
        """The payer's file about so many payments of a cycle, all paid."""
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL("SELECT name, amount_issued FROM g2p_payment WHERE cycle_id = %s ORDER BY id LIMIT %s", cycle.id, count)
        )
        content = "reference,status,amount\n" + "".join(f"{name},paid,{amount}\n" for name, amount in rows)
        return (
            self.env["g2p.payment.reconciliation"]
            .with_user(self.finance)
            .create({"file": base64.b64encode(content.encode()), "filename": "answer.csv"})
        )

    def test_a_chunk_of_eight_thousand_costs_what_one_of_two_thousand_does(self):
        self.pipeline(50)  # fills the caches of the registry
        # Half of the payments are reconciled by a file: from a thousand rows on, each step ends with ANALYZE.
        small = self.pipeline(2_002)
        large = self.pipeline(8_000)
        self.assertEqual(small, large)
        # Asking for approval, and the decision, are a request with what it shows and messages to those concerned.
        asked = {step: large.pop(step) for step in ("submit", "approve")}
        self.assertLess(max(large.values()), 120, large)
        self.assertLess(max(asked.values()), 200, asked)

    def test_no_row_is_compared_with_all_others(self):
        """A condition that PostgreSQL takes for a rare one tempts it to join by comparing: a chunk then costs the square of
        its rows."""
        count = 2_000
        with self.explaining() as plans:
            self.pipeline(count)
        self.assertGreater(len(plans), 20)
        for statement, plan in plans:
            visits, node = max(self.visits(plan), key=lambda visit: visit[0])
            self.assertLess(visits, 100 * count, f"{node}\n{statement}")

    @contextlib.contextmanager
    def explaining(self):
        """Run each statement over entitlements or payments twice, first for its plan: [(statement, plan)]."""
        cursor, plans = type(self.env.cr), []
        execute = cursor.execute

        def explained(cr, query, *args, **kwargs):
            text = query.code if isinstance(query, SQL) else ""
            asks = text.lstrip().startswith(("WITH", "SELECT", "INSERT", "UPDATE", "--"))
            if asks and ("g2p_entitlement" in text or "g2p_payment" in text):
                with cr.savepoint(flush=False) as savepoint:
                    execute(cr, SQL("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) %s", query))
                    plans.append((text, cr.fetchone()[0][0]["Plan"]))
                    savepoint.rollback()
            return execute(cr, query, *args, **kwargs)

        with patch.object(cursor, "execute", explained):
            yield plans

    def visits(self, node):
        """(rows that it passed on or left out, itself) of a node of a plan and of all under it."""
        rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Join Filter", 0)
        yield rows * node["Actual Loops"], {name: value for name, value in node.items() if name != "Plans"}
        for child in node.get("Plans", ()):
            yield from self.visits(child)
