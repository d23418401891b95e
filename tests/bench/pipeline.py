"""One run of the pipeline on one database: the product's buttons, and after each the same job by plain SQL (twins.py).

    scripts/python tests/bench/pipeline.py DATABASE {individual|group}      prints one JSON object a step

Two cycles on top of each other: the first with the default entitlement manager, the second with the cash manager
(conditions and a multiplier). The plain tables are clones of the product's (same columns, checks, indexes, foreign keys).
A step that does not move the same number of rows on both sides ends the run, and so does one that takes ten times as long as
usual (watch.py). Both sides take statistics of the tables that a step wrote. At the end: forms and first pages of lists.
"""

import base64
import json
import resource
import sys
import time
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import screens
import twins
from odoo_environment import agree, as_user, environment
from watch import watched

import odoo.sql_db
from odoo import Command, fields

ROOT = Path(__file__).resolve().parents[2]
TABLES = (
    "g2p_program_membership",
    "g2p_cycle_membership",
    "g2p_entitlement",
    "g2p_payment_batch",
    "g2p_payment",
    "g2p_fund_account",
)
# What a step of the product takes at the most on a machine of two cores, published in docs/performance.md.
USUAL_SECONDS, USUAL_SECONDS_PER_THOUSAND = 2, 0.2
# One in so many is disabled after the copy: verify has somebody to find.
DISABLED = 40


def plain(table):
    return table.replace("g2p_", "plain_", 1)


class Pipeline:
    def __init__(self, env, target):
        self.env, self.cr, self.target = env, env.cr, target
        self.manager, self.approver, self.finance = (
            as_user(env, login) for login in ("manager", "approver", "finance")
        )
        self.cycle, self.prefix, self.fee = None, "", Decimal(2)
        self.people = env["res.partner"].search_count([("is_registrant", "=", True), ("is_group", "=", False)])

    def setup(self):
        """A program with three batch tags and more than enough money; its plain twin tables, empty."""
        group = self.target == "group"
        wizard = self.manager["g2p.program.create.wizard"].create(
            {
                "name": f"Benchmark {self.target}",
                "target_type": self.target,
                "eligibility_domain": (
                    f'[("z_ind_grp_num_individuals", ">=", {twins.LEAST_MEMBERS})]'
                    if group
                    else f'[("birthdate", ">", "{twins.BORN_AFTER}")]'
                ),
                "amount_per_cycle": 100,
                "amount_per_individual_in_group": 20 if group else 0,
                "max_individual_in_group": 3 if group else 0,
                "transfer_fee_pct": 2,
                "no_account_policy": "desk",
            }
        )
        self.program = self.manager["g2p.program"].browse(wizard.create_program()["res_id"])
        agree(self.env, self.program)
        program = self.program.with_env(self.env)
        west, east = ('[("partner_id.area_id.code", "=like", "DM-%s%%")]' % number for number in (1, 2))  # noqa: UP031
        tags = self.env["g2p.payment.batch.tag"].create(
            [
                {"name": "West", "order": 1, "max_batch_size": 10_000, "domain": west},
                {"name": "East", "order": 2, "max_batch_size": 10_000, "domain": east},
                {"name": "Others", "order": 3, "max_batch_size": 10_000, "domain": "[]"},
            ]
        )
        program.get_manager(program.MANAGER_PAYMENT).batch_tag_ids = tags
        self.tags = dict(zip(("west", "east", "others"), tags.ids, strict=True))
        # Shared members, documents and phones, all of which mark at once: what the twin does too.
        for reference in program.deduplication_managers:
            if reference.manager_ref_id._name.rpartition(".")[2] not in ("default", "id_dedup", "phone_number"):
                reference.unlink()
            else:
                reference.manager_ref_id.needs_decision = False
        for table in TABLES:
            self.clone(table)
        self.cr.commit()

    def cash_manager(self):
        """From now on: 50, 15 more in the west, and twice a number of the registrant, up to 5; nothing for what isn't known."""
        number = "z_ind_grp_num_individuals" if self.target == "group" else "income"
        self.program.with_env(self.env).entitlement_managers.unlink()
        self.env["g2p.program.entitlement.manager.cash"].create(
            {
                "name": "Cash",
                "program_id": self.program.id,
                "transfer_fee_pct": self.fee,
                "entitlement_item_ids": [
                    Command.create({"name": "Base", "amount": 50}),
                    Command.create(
                        {
                            "name": "West",
                            "amount": 15,
                            "condition": '[("area_id.code", "=like", "DM-1%")]',
                            "if_missing": "nothing",
                        }
                    ),
                    Command.create(
                        {
                            "name": "By number",
                            "amount": 2,
                            "max_multiplier": 5,
                            "if_missing": "nothing",
                            "multiplier_field": self.env["ir.model.fields"]._get("res.partner", number).id,
                        }
                    ),
                ],
            }
        )
        self.cr.commit()

    def clone(self, table):
        """An empty table like ``table``, foreign keys included; those among cloned tables point to the clones."""
        self.cr.execute(f"CREATE TABLE {plain(table)} (LIKE {table} INCLUDING ALL)")
        self.cr.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'f'",
            [table],
        )
        for (definition,) in self.cr.fetchall():
            for other in TABLES:
                definition = definition.replace(f"REFERENCES {other}(", f"REFERENCES {plain(other)}(")
            self.cr.execute(f"ALTER TABLE {plain(table)} ADD {definition}")

    # Both sides of a step

    def step(self, name, button, statements=(), tables=(), rows=None, twin=None):
        """Time ``button`` and then ``statements`` (or a function); ``rows`` and ``twin`` count what each of them did.

        :param tables: which of the product's tables the step writes. The engine takes their statistics when it is done, so
            the twin does, in its time too: what follows would be planned on an empty table else.
        """
        statements_before, started = odoo.sql_db.sql_counter, time.perf_counter()
        with watched(self.cr, name, USUAL_SECONDS + USUAL_SECONDS_PER_THOUSAND * self.people / 1000):
            button()
        self.cr.commit()
        seconds = time.perf_counter() - started
        result = {
            "step": self.prefix + name,
            "seconds": seconds,
            "statements": odoo.sql_db.sql_counter - statements_before,
            "rows": self.count(rows) if rows else None,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        self.env.invalidate_all()
        if statements:
            started = time.perf_counter()
            with watched(self.cr, f"{name} (plain SQL)", seconds):
                if callable(statements):
                    statements()
                else:
                    for statement in [statements] if isinstance(statements, str) else statements:
                        self.cr.execute(statement, self.terms)
                for table in tables:
                    self.cr.execute(f"ANALYZE {plain(table)}")
            self.cr.commit()
            result["plain_seconds"] = time.perf_counter() - started
            if twin and self.count(twin) != result["rows"]:
                raise SystemExit(f"{name}: {result['rows']} rows, plain SQL has {self.count(twin)}")
        print(json.dumps(result), flush=True)

    def count(self, query):
        self.cr.execute(query, self.terms)
        return self.cr.fetchone()[0]

    @property
    def terms(self):
        return {
            "program": self.program.id,
            "cycle": self.cycle and self.cycle.id,
            "company": self.env.company.id,
            "currency": self.program.currency_id.id,
            "user": self.manager.uid,
            "finance": self.finance.uid,
            "born_after": twins.BORN_AFTER,
            "least": twins.LEAST_MEMBERS,
            "amount": Decimal(100),
            "each": Decimal(20),
            "most": 3,
            "fee": self.fee,
            **self.tags,
        }

    def both(self, table, condition):
        """Counts of the rows that meet a condition, in the product's table and in its clone."""
        return {
            "rows": f"SELECT COUNT(*) FROM {table} WHERE {condition}",
            "twin": f"SELECT COUNT(*) FROM {plain(table)} WHERE {condition}",
        }

    def run(self):
        size = self.count_bytes()
        self.setup()
        self.members()
        for number in (1, 2):
            self.prefix = "" if number == 1 else "second cycle: "
            if number == 2:
                self.cash_manager()
            self.cycle_steps(number)
            self.payments()
        growth = self.count_bytes() - size
        self.cr.execute(
            "SELECT SUM(pg_total_relation_size(name::regclass)) FROM unnest(%s) AS name",
            [[plain(table) for table in TABLES]],
        )
        print(json.dumps({"growth_mb": int(growth - self.cr.fetchone()[0]) // 2**20}), flush=True)
        for figures in screens.measure(self.manager, self.finance, self.program, self.cycle):
            print(json.dumps(figures), flush=True)

    def count_bytes(self):
        self.cr.execute("SELECT pg_database_size(current_database())")
        return self.cr.fetchone()[0]

    # Members

    def members(self):
        program = self.program
        self.step(
            "import eligible",
            lambda: program.import_eligible_registrants("draft"),
            twins.import_eligible(self.target),
            tables=("g2p_program_membership",),
            **self.both("g2p_program_membership", "program_id = %(program)s"),
        )
        self.step(
            "deduplicate (document, phone, shared member)",
            program.deduplicate_beneficiaries,
            twins.deduplicate(self.target),
            tables=("g2p_program_membership",),
            **self.both("g2p_program_membership", "program_id = %(program)s"),
        )
        self.cr.execute(twins.SAME_MEMBERS)
        self.cr.commit()
        self.step(
            "enrol",
            program.enroll_eligible_registrants,
            twins.enrol(self.target),
            tables=("g2p_program_membership",),
            **self.both("g2p_program_membership", "program_id = %(program)s AND state = 'enrolled'"),
        )

    # Cycle

    def cycle_steps(self, number):
        def create_and_copy():
            action = self.program.create_new_cycle()
            self.cycle = self.manager["g2p.cycle"].browse(action["res_id"])
            if not self.cycle.members_count:
                self.cycle.copy_beneficiaries_from_program()

        self.step(
            "create cycle, copy",
            create_and_copy,
            twins.COPY,
            tables=("g2p_cycle_membership",),
            **self.both("g2p_cycle_membership", "cycle_id = %(cycle)s"),
        )
        # A later cycle begins in its own month; here it is paid today.
        self.cycle.sudo().write({"start_date": fields.Date.today()})
        self.cr.execute(
            "UPDATE res_partner SET disabled = now() AT TIME ZONE 'UTC' WHERE is_registrant AND id %% %s = %s",
            [DISABLED, number],
        )
        self.cr.commit()
        self.step(
            "verify",
            self.cycle.check_eligibility,
            twins.verify(self.target),
            tables=("g2p_cycle_membership",),
            rows="SELECT COUNT(*) FROM g2p_cycle_membership WHERE cycle_id = %(cycle)s",
            twin="SELECT COUNT(*) FROM plain_cycle_membership WHERE cycle_id = %(cycle)s",
        )
        self.same("g2p_cycle_membership", "cycle_id = %(cycle)s AND state = 'not_eligible'")
        cash = number == 2
        self.step(
            f"prepare entitlements ({'cash' if cash else 'default'} manager)",
            self.cycle.prepare_entitlement,
            twins.prepare(self.target, cash),
            tables=("g2p_entitlement",),
            **self.both("g2p_entitlement", "cycle_id = %(cycle)s"),
        )
        self.same("g2p_entitlement", "cycle_id = %(cycle)s", "SUM(initial_amount - transfer_fee)")
        self.step(
            "send for approval",
            self.cycle.to_approve,
            twins.SUBMIT,
            tables=("g2p_entitlement",),
            **self.both("g2p_entitlement", "cycle_id = %(cycle)s AND state = 'pending_validation'"),
        )
        self.cycle.with_env(self.approver).approve()
        if number == 1:
            fund = self.manager["g2p.program.fund"].create({"program_id": self.program.id, "amount": 1_000_000_000})
            fund.with_env(self.finance).post_fund()
            self.cr.execute(
                "INSERT INTO plain_fund_account SELECT * FROM g2p_fund_account WHERE program_id = %s", [self.program.id]
            )
        self.cr.commit()
        self.step(
            "approve with fund",
            self.cycle.with_env(self.finance).validate_entitlement,
            twins.APPROVE,
            tables=("g2p_entitlement",),
            **self.both("g2p_entitlement", "cycle_id = %(cycle)s AND state = 'approved'"),
        )

    def same(self, table, condition, figure="COUNT(*)"):
        """Both sides hold the same; a bench of something else is no bench."""
        counts = [self.count(f"SELECT {figure} FROM {name} WHERE {condition}") for name in (table, plain(table))]
        if counts[0] != counts[1]:
            raise SystemExit(f"{table} {condition}: {counts[0]}, plain SQL has {counts[1]}")

    # Payments

    def payments(self):
        self.step(
            "prepare payments (three batch tags)",
            self.cycle.prepare_payment,
            twins.prepare_payments(self.target),
            tables=("g2p_payment", "g2p_payment_batch"),
            **self.both("g2p_payment", "cycle_id = %(cycle)s"),
        )
        self.step(
            "send payments",
            self.cycle.send_payment,
            twins.SEND,
            tables=("g2p_payment", "g2p_entitlement"),
            **self.both("g2p_payment", "cycle_id = %(cycle)s AND state = 'sent'"),
        )
        self.step(
            "export batches as CSV",
            self.export,
            self.plain_export,
            rows="SELECT COUNT(*) FROM g2p_payment WHERE cycle_id = %(cycle)s",
        )
        statement = self.statement("g2p_payment")
        self.step(
            "reconcile from CSV",
            lambda: self.reconcile(statement),
            lambda: self.plain_reconcile(self.plain_statement),
            tables=("g2p_payment", "g2p_entitlement"),
            **self.both("g2p_payment", "cycle_id = %(cycle)s AND status = 'paid'"),
        )
        self.same("g2p_entitlement", "cycle_id = %(cycle)s AND state = 'rdpd2ben'")
        statement.unlink()
        self.plain_statement.unlink()
        if self.cycle.state != "distributed":
            raise SystemExit(f"everything is paid, and the cycle is {self.cycle.state}")
        self.step("close", self.cycle.mark_ended)

    def export(self):
        with open("/dev/null", "wb") as file:
            for batch in self.cycle.payment_batch_ids.with_env(self.finance):
                batch._check_can_export()
                for text in batch._export_lines():
                    file.write(text.encode())

    def plain_export(self):
        with open("/dev/null", "wb") as file:
            self.cr.execute("SELECT id FROM plain_payment_batch WHERE cycle_id = %s", [self.cycle.id])
            for (batch,) in self.cr.fetchall():
                self.cr._obj.copy_expert(f"COPY ({twins.EXPORT % batch}) TO STDOUT WITH (FORMAT csv, HEADER)", file)

    def statement(self, table):
        """The bank's answer as CSV: every payment paid. The name of the file it is written to."""
        if table == "g2p_payment":
            self.plain_statement = self.statement("plain_payment")
        path = ROOT / ".run" / f"{self.cr.dbname}-{table}.csv"
        with path.open("wb") as file:
            self.cr._obj.copy_expert(
                f"""
                COPY (SELECT name AS "payment reference", 'paid' AS status, amount_issued AS amount, 'TX' || id AS "bank reference"
                        FROM {table} WHERE cycle_id = {self.cycle.id} ORDER BY id)
                  TO STDOUT WITH (FORMAT csv, HEADER)
                """,
                file,
            )
        return path

    def reconcile(self, path):
        reconciliation = self.finance["g2p.payment.reconciliation"].create(
            {"cycle_id": self.cycle.id, "filename": "statement.csv", "file": base64.b64encode(path.read_bytes())}
        )
        self.cr.commit()
        self.env.invalidate_all()
        reconciliation.action_check()
        self.cr.commit()
        reconciliation.action_apply()

    def plain_reconcile(self, path):
        self.cr.execute("DROP TABLE IF EXISTS plain_line")
        self.cr.execute(
            "CREATE TABLE plain_line (reference varchar, status varchar, amount numeric, bank_reference varchar)"
        )
        with path.open("rb") as file:
            self.cr._obj.copy_expert("COPY plain_line FROM STDIN WITH (FORMAT csv, HEADER)", file)
        for statement in twins.RECONCILE:
            self.cr.execute(statement, self.terms)


if __name__ == "__main__":
    database, target = sys.argv[1:]
    with environment(database) as env:
        Pipeline(env, target).run()
