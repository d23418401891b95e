#!/usr/bin/env python3
"""The main job on the demo country, from registrants to reconciled payments, done by four people.

    scripts/python scripts/main_job.py --database g2p [--once]

Ruth (registrar) imports a file and looks for duplicates, Mona (manager) finds the poor by a means test and prepares, Abel
(approver) approves the cycle, Fiona (finance) posts the fund, approves the entitlements and reconciles; each step is the button
they would press, with their rights. At the end a table is printed. Its numbers are
what the product says; each is compared with what plain SQL finds in the base tables without the product's counters, states
or amounts. Anything that does not add up ends the script with status 1. With --once nothing happens when it was done before.
"""

import argparse
import base64
import csv
import io
import sys
import time
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal

from odoo_environment import agree, as_user, environment

from odoo.exceptions import AccessError

PROGRAM = "Household Support"
DONE = "g2p_demo.main_job_done"
BASE, EACH, MOST = Decimal(100), Decimal(20), 3
FEE_PERCENT = Decimal(2)
DEPOSIT = Decimal(400_000)
LEAST_MEMBERS = 2

# What the table's numbers are compared with. The registry alone decides who is due what.
HOUSEHOLDS = """
    SELECT household.id, COUNT(DISTINCT person.id) AS members
      FROM res_partner AS household
      JOIN g2p_group_membership AS link ON link."group" = household.id
       AND (link.ended_date IS NULL OR link.ended_date > now() AT TIME ZONE 'UTC')
      JOIN res_partner AS person ON person.id = link.individual AND person.disabled IS NULL
     WHERE household.is_registrant AND household.is_group AND household.active AND household.disabled IS NULL
     GROUP BY household.id
    HAVING COUNT(DISTINCT person.id) >= %(least)s
"""
DUE = f"""
    SELECT due.id, due.amount, round(due.amount * %(fee)s::numeric / 100, 2) AS fee
      FROM (SELECT household.id, %(base)s::numeric + %(each)s * least(household.members, %(most)s) AS amount
              FROM ({HOUSEHOLDS}) AS household
             WHERE household.id <> ALL(%(duplicates)s)) AS due
"""
# Who is poor by the demo's means test, from the answers of the applications.
POOR = """
    SELECT COUNT(*), COUNT(*) FILTER (
             WHERE (answers ->> 'rooms')::numeric * 20 + (answers ->> 'land')::numeric * 10
                   + CASE WHEN (answers ->> 'electricity')::boolean THEN 25 ELSE 0 END
                   + CASE answers ->> 'roof' WHEN 'thatch' THEN 0 WHEN 'tin' THEN 15 WHEN 'tiles' THEN 40 END
                   + CASE answers ->> 'water' WHEN 'river' THEN 0 WHEN 'well' THEN 10 WHEN 'tap' THEN 20
                                              WHEN 'piped' THEN 40 END <= 95)
      FROM (SELECT program_registrant_info AS answers FROM g2p_program_registrant_info
             WHERE program_id = %(program)s) AS application
"""
# A file from a village: ten people, one without a name, one born tomorrow.
NEWCOMERS = tuple(
    f"{name} Newcomer" for name in "Amina Brahim Chala Desta Efua Farida Gabriel Hodan Issa Jamila".split()
)
PAID = """
    SELECT payment.entitlement_id, payment.amount_paid + payment.payment_fee AS amount
      FROM g2p_payment AS payment
     WHERE payment.cycle_id = %(cycle)s AND payment.status = 'paid'
"""


class Report:
    """The table: what the product says, what SQL says, and whether they agree."""

    def __init__(self):
        self.rows, self.problems, self.started = [], [], time.monotonic()

    def add(self, step, who, count, amount=None, expected_count=None, expected_amount=None):
        agree = count == expected_count and (expected_amount is None or Decimal(str(amount)) == expected_amount)
        self.rows.append((step, who, count, amount, agree))
        if not agree:
            self.problems.append(
                f"{step}: the product says {count} / {amount}, the base tables say {expected_count} / {expected_amount}"
            )
        print(f"  {time.monotonic() - self.started:6.1f} s  {step}", flush=True)

    def print(self, currency):
        print(f"\n  {'step':<44} {'by':<9} {'count':>8}  {f'amount ({currency})':>15}  adds up")
        print(f"  {'-' * 44} {'-' * 9} {'-' * 8}  {'-' * 15}  -------")
        for step, who, count, amount, agrees in self.rows:
            money = "" if amount is None else f"{amount:,.2f}"
            print(f"  {step:<44} {who:<9} {count:>8,}  {money:>15}  {'yes' if agrees else 'NO'}")
        print()


class MainJob:
    def __init__(self, env):
        self.env = env
        self.manager, self.approver, self.finance = (
            as_user(env, login) for login in ("manager", "approver", "finance")
        )
        self.report = Report()
        self.terms = {"least": LEAST_MEMBERS, "base": BASE, "each": EACH, "most": MOST, "fee": FEE_PERCENT}

    def sql(self, query, **parameters):
        """The first row of plain SQL, amounts as exact numbers (Odoo's cursors give floats)."""
        self.env.flush_all()
        self.env.cr.execute(query, {**self.terms, **parameters})
        return [Decimal(str(value)) if isinstance(value, float) else value for value in self.env.cr.fetchone()]

    def run(self):
        self.import_file()
        self.deduplicate_registry()
        self.target()
        self.create_program()
        self.find_members()
        self.post_fund()
        self.prepare_cycle()
        self.approve()
        self.pay()
        self.retry()
        self.close()
        self.report.print(self.program.currency_id.name)

    # Registry

    def import_file(self):
        registrar = as_user(self.env, "registrar")
        # Tomorrow has come already where the registrar is, late in the evening of the server.
        unborn = date.today() + timedelta(days=2)
        rows = [(name, "1990-05-17") for name in NEWCOMERS] + [("", "1990-05-17"), ("Unborn Newcomer", unborn)]
        text = "\n".join(["Full Name,Date of Birth", *(f"{name},{birth}" for name, birth in rows)])
        record = registrar["g2p.registrant.import"].create(
            {"name": "village.csv", "file": base64.b64encode(text.encode())}
        )
        record.action_check()
        record.action_import()
        [registered] = self.sql("SELECT COUNT(*) FROM res_partner WHERE is_registrant AND family_name = 'Newcomer'")
        self.report.add("Import a file: registered", "registrar", record.imported_count, None, registered)
        self.report.add("Import a file: rows refused", "registrar", record.refused_count, None, 2)

    def deduplicate_registry(self):
        """Of what is found among households, those who share a person are counted here without the product."""
        registrar = as_user(self.env, "registrar")
        settings = registrar["g2p.registry.deduplication"].search([("target_type", "=", "group")], limit=1)
        settings.action_deduplicate()
        found = registrar["g2p.registry.duplicate"].search_count(
            [("settings_id", "=", settings.id), ("reason", "like", "in several groups")]
        )
        _people, sets = self.duplicates(least=1)
        self.report.add("Deduplicate the registry: shared members", "registrar", found, None, sets)

    # Targeting

    def target(self):
        """Another program, which finds the poor by a means test."""
        program, model, scenario = self.manager["g2p.demo.targeting"]._generate()
        self.env.cr.commit()
        applications, poor = self.sql(POOR, program=program.id)
        self.report.add("Means test: applications scored", "manager", model.scores_count, None, applications)
        # One of them was paused.
        enrolled = program.eligible_beneficiaries_count
        self.report.add("Means test: poor households enrolled", "manager", enrolled, None, poor - 1)
        self.report.add(
            "Scenario: 200 for each of them",
            "manager",
            scenario.beneficiaries,
            scenario.cost_per_cycle,
            poor,
            poor * 200,
        )

    # Program and members

    def create_program(self):
        number = (
            self.env["g2p.program"].with_context(active_test=False).search_count([("name", "=like", f"{PROGRAM}%")])
        )
        wizard = self.manager["g2p.program.create.wizard"].create(
            {
                "name": f"{PROGRAM} {number + 1}" if number else PROGRAM,
                "target_type": "group",
                "eligibility_domain": f'[("z_ind_grp_num_individuals", ">=", {LEAST_MEMBERS})]',
                "amount_per_cycle": float(BASE),
                "amount_per_individual_in_group": float(EACH),
                "max_individual_in_group": MOST,
                "transfer_fee_pct": float(FEE_PERCENT),
                # Who has no account is paid at the cash desk: the demo country has many without.
                "no_account_policy": "desk",
            }
        )
        matching = wizard.matching_count
        wizard.next_step()
        action = wizard.create_program()
        self.program = self.manager["g2p.program"].browse(action["res_id"])
        agree(self.env, self.program)
        self.env.cr.commit()
        [expected] = self.sql(f"SELECT COUNT(*) FROM ({HOUSEHOLDS}) AS household")
        self.report.add("Create program: households who match", "manager", matching, None, expected)

    def find_members(self):
        program = self.program
        [eligible] = self.sql(f"SELECT COUNT(*) FROM ({HOUSEHOLDS}) AS household")
        program.import_eligible_registrants("draft")
        self.report.add("Import eligible registrants", "manager", program.draft_count, None, eligible)
        # By shared member only, which is what the check counts: who shares a phone waits for an officer.
        program.deduplication_managers.filtered(
            lambda manager: manager.manager_ref_id._name != "g2p.deduplication.manager.default"
        ).unlink()
        program.deduplicate_beneficiaries()
        self.report.add(
            "Deduplicate: marked as duplicates", "manager", program.duplicated_count, None, self.duplicates()[0]
        )
        program.enroll_eligible_registrants()
        # Which of a set of duplicates stays is the product's choice; how many is not.
        self.env.cr.execute(
            "SELECT partner_id FROM g2p_program_membership WHERE program_id = %s AND state = 'duplicated'", [program.id]
        )
        self.terms["duplicates"] = [partner_id for (partner_id,) in self.env.cr.fetchall()]
        self.due_count, self.due_amount, self.due_fee = self.sql(
            f"SELECT COUNT(*), SUM(amount), SUM(fee) FROM ({DUE}) AS due"
        )
        enrolled = program.eligible_beneficiaries_count
        self.report.add("Enroll eligible registrants", "manager", enrolled, None, self.due_count)

    def duplicates(self, least=LEAST_MEMBERS):
        """Households who share a person: how many less one of each connected set, and the sets. Counted without the product."""
        self.env.cr.execute(
            f"""
            SELECT array_agg(DISTINCT link."group")
              FROM g2p_group_membership AS link
              JOIN ({HOUSEHOLDS}) AS household ON household.id = link."group"
             WHERE link.ended_date IS NULL
             GROUP BY link.individual HAVING COUNT(DISTINCT link."group") > 1
            """,
            {**self.terms, "least": least},
        )
        neighbours = defaultdict(set)
        for (households,) in self.env.cr.fetchall():
            for household in households:
                neighbours[household].update(households)
        seen, sets = set(), 0
        for household in neighbours:
            sets += household not in seen
            front = [household]
            while front:
                current = front.pop()
                if current not in seen:
                    seen.add(current)
                    front.extend(neighbours[current])
        return len(seen) - sets, sets

    def post_fund(self):
        fund = self.manager["g2p.program.fund"].create({"program_id": self.program.id, "amount": float(DEPOSIT)})
        fund.ask_post()
        request = fund.with_env(self.finance).approval_request_ids
        request.action_approve("As in the treasury's letter", request.digest)
        self.env.cr.commit()
        posted = self.account().posted
        self.report.add("Post the fund", "finance", 1, posted, 1, DEPOSIT)

    def account(self):
        account = self.finance["g2p.fund.account"].search([("program_id", "=", self.program.id)])
        account.invalidate_recordset()
        return account

    # Cycle

    def prepare_cycle(self):
        action = self.program.create_new_cycle()
        self.cycle = cycle = self.manager["g2p.cycle"].browse(action["res_id"])
        cycle.copy_beneficiaries_from_program()
        self.report.add("Create the cycle, copy beneficiaries", "manager", cycle.members_count, None, self.due_count)
        cycle.check_eligibility()
        self.report.add("Verify eligibility: not eligible", "manager", cycle.not_eligible_count, None, 0)
        cycle.prepare_entitlement()
        self.report.add(
            "Prepare entitlements",
            "manager",
            cycle.entitlements_count,
            cycle.total_amount,
            self.due_count,
            self.due_amount,
        )
        cycle.prepare_entitlement()
        self.report.add(
            "Prepare entitlements once more",
            "manager",
            cycle.entitlements_count,
            cycle.total_amount,
            self.due_count,
            self.due_amount,
        )
        cycle.to_approve()
        self.report.add(
            "Send for approval", "manager", cycle.pending_count, cycle.pending_amount, self.due_count, self.due_amount
        )

    def approve(self):
        refused = 0
        for button in ("approve", "validate_entitlement"):
            try:
                getattr(self.cycle, button)()
            except AccessError:
                refused += 1
            self.env.cr.rollback()
        self.report.add("The preparer tries to approve: refused", "manager", refused, None, 2)
        self.cycle.with_env(self.approver).approve()
        self.env.cr.commit()
        approved = int(self.cycle.state == "approved" and self.cycle.approved_by.login == "approver")
        self.report.add("Approve the cycle", "approver", approved, None, 1)
        cycle = self.cycle.with_env(self.finance)
        cycle.validate_entitlement()
        self.report.add(
            "Approve entitlements",
            "finance",
            cycle.approved_count,
            cycle.approved_amount,
            self.due_count,
            self.due_amount,
        )
        self.report.add("Reserved in the fund", "finance", 1, self.account().reserved, 1, self.due_amount)

    # Payments

    def pay(self):
        cycle, net = self.cycle, self.due_amount - self.due_fee
        cycle.prepare_payment()
        self.report.add(
            "Prepare payments (less fees)", "manager", cycle.payments_count, cycle.payments_amount, self.due_count, net
        )
        cycle.send_payment()
        self.report.add("Send payments", "manager", cycle.sent_count, cycle.sent_amount, self.due_count, net)
        lines, planted = self.bank_statement()
        reconciliation = self.reconcile("statement-1.csv", lines)
        for outcome in ("matched", "unmatched", "amount_mismatch", "duplicate"):
            label = outcome.replace("_", " ")
            self.report.add(
                f"Statement 1: lines {label}", "finance", reconciliation[f"{outcome}_count"], None, planted[outcome]
            )
        self.report.add(
            "Paid after statement 1", "finance", cycle.paid_count, cycle.paid_amount, planted["paid"], planted["amount"]
        )
        self.report.add("Failed after statement 1", "finance", cycle.failed_count, None, planted["failed"])

    def bank_statement(self):
        """What the bank answers: of a hundred payments 97 paid, two failed, one with another amount; and some lines that
        are nobody's or come twice. Returns the lines, and how many of each kind they hold."""
        lines, planted = [], defaultdict(int)
        batches = self.finance["g2p.payment.batch"].search([("cycle_id", "=", self.cycle.id)])
        payments = self.finance["g2p.payment"].search_read(
            [("batch_id", "in", batches.ids), ("state", "=", "sent")], ["name", "amount_issued"], order="partner_id"
        )
        for number, payment in enumerate(payments):
            amount = Decimal(str(payment["amount_issued"])).quantize(Decimal("0.01"))
            line = [payment["name"], "paid", amount, f"TX{number:06}", ""]
            if number % 50 == 13:
                line[1:] = ["failed", amount, "", "Account closed"]
                planted["failed"] += 1
            elif number % 100 == 40:
                line[2] = amount - 1
                planted["amount_mismatch"] += 1
            else:
                planted["paid"] += 1
                planted["amount"] += amount
            lines.append(line)
        lines += [[f"00000000-0000-0000-0000-{number:012}", "paid", 100, f"TX9{number:05}", ""] for number in range(5)]
        lines += lines[:3]
        planted.update(unmatched=5, duplicate=3, matched=planted["paid"] + planted["failed"])
        return lines, planted

    def reconcile(self, filename, lines):
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["payment reference", "status", "amount", "bank reference", "reason"])
        writer.writerows(lines)
        reconciliation = self.finance["g2p.payment.reconciliation"].create(
            {
                "cycle_id": self.cycle.id,
                "filename": filename,
                "file": base64.b64encode(text.getvalue().encode()),
            }
        )
        reconciliation.action_check()
        self.env.cr.commit()
        reconciliation.action_apply()
        return reconciliation

    def retry(self):
        """Failed payments are prepared and sent again; the statement that follows pays everything."""
        cycle = self.cycle
        failed = cycle.failed_count
        cycle.prepare_payment()
        again = self.manager["g2p.payment"].search_count([("cycle_id", "=", cycle.id), ("attempt", "=", 2)])
        self.report.add("Prepare failed payments again", "manager", again, None, failed)
        cycle.send_payment()
        open_payments = self.finance["g2p.payment"].search_read(
            [("cycle_id", "=", cycle.id), ("status", "=", False)], ["name", "amount_issued"], order="partner_id"
        )
        self.reconcile(
            "statement-2.csv",
            [
                [line["name"], "paid", line["amount_issued"], f"TX2{number:05}", ""]
                for number, line in enumerate(open_payments)
            ],
        )
        self.report.add(
            "Paid after statement 2",
            "finance",
            cycle.paid_count,
            cycle.paid_amount,
            self.due_count,
            self.due_amount - self.due_fee,
        )

    def close(self):
        """Nothing is left: every household has its money once, and the fund adds up."""
        cycle, account = self.cycle, self.account()
        self.report.add("Disbursed from the fund", "finance", 1, account.disbursed, 1, self.due_amount)
        self.report.add("Reserved in the fund", "finance", 1, account.reserved, 1, Decimal(0))
        self.report.add("Available in the fund", "finance", 1, account.available, 1, DEPOSIT - self.due_amount)
        self.report.add("Cycle distributed by itself", "product", int(cycle.state == "distributed"), None, 1)
        households, amount = self.sql(
            f"""
            SELECT COUNT(*), SUM(due.amount)
              FROM ({DUE}) AS due
              JOIN g2p_entitlement AS entitlement ON entitlement.partner_id = due.id AND entitlement.cycle_id = %(cycle)s
              JOIN ({PAID}) AS paid ON paid.entitlement_id = entitlement.id AND paid.amount = due.amount
            """,
            cycle=cycle.id,
        )
        self.report.add(
            "Households with exactly what is due to them", "SQL", households, amount, self.due_count, self.due_amount
        )
        ledger = self.sql(
            """
            SELECT COUNT(DISTINCT ledger.account_id),
                   SUM(CASE WHEN ledger.kind = 'disburse' THEN ledger.amount
                            WHEN ledger.kind IN ('refund', 'write_off') THEN -ledger.amount ELSE 0 END)
              FROM g2p_fund_ledger AS ledger
              JOIN g2p_fund_account AS account ON account.id = ledger.account_id
             WHERE account.program_id = %(program)s
            """,
            program=self.program.id,
        )
        self.report.add("Disbursed according to the ledger", "SQL", *ledger, 1, self.due_amount)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", default="g2p")
    parser.add_argument("--once", action="store_true", help="do nothing when the job was done on this database")
    arguments = parser.parse_args()
    with environment(arguments.database) as env:
        parameters = env["ir.config_parameter"].sudo()
        if arguments.once and parameters.get_param(DONE):
            print("The main job was done on this database already.")
            return 0
        print("The main job on the demo country:")
        job = MainJob(env)
        job.run()
        for problem in job.report.problems:
            print(f"DOES NOT ADD UP: {problem}", file=sys.stderr)
        if not job.report.problems:
            parameters.set_param(DONE, job.program.name)
            env.cr.commit()
        return 1 if job.report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
