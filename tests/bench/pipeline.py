"""One run of the pipeline on one database: the product's buttons, and after each the same rows by plain SQL.

    scripts/python tests/bench/pipeline.py DATABASE {individual|group}      prints one JSON object a step

The plain tables are clones of the product's (same columns, checks, indexes, foreign keys). Plain SQL is one statement in one
transaction: no chunks, no history, no reasons, no maker-checker. A step that does not move the same number of rows on both
sides ends the run.
"""

import base64
import json
import resource
import sys
import time
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from odoo_environment import as_user, environment

import odoo.sql_db

BORN_AFTER = "1960-01-01"
LEAST_MEMBERS = 2
TABLES = (
    "g2p_program_membership",
    "g2p_cycle_membership",
    "g2p_entitlement",
    "g2p_payment_batch",
    "g2p_payment",
    "g2p_fund_account",
)


def plain(table):
    return table.replace("g2p_", "plain_", 1)


class Pipeline:
    def __init__(self, env, target):
        self.env, self.cr, self.target = env, env.cr, target
        self.manager, self.approver, self.finance = (
            as_user(env, login) for login in ("manager", "approver", "finance")
        )

    def setup(self):
        """A program with three batch tags and more than enough money; its plain twin tables, empty."""
        group = self.target == "group"
        wizard = self.manager["g2p.program.create.wizard"].create(
            {
                "name": f"Benchmark {self.target}",
                "target_type": self.target,
                "eligibility_domain": (
                    f'[("z_ind_grp_num_individuals", ">=", {LEAST_MEMBERS})]'
                    if group
                    else f'[("birthdate", ">", "{BORN_AFTER}")]'
                ),
                "amount_per_cycle": 100,
                "amount_per_individual_in_group": 20 if group else 0,
                "max_individual_in_group": 3 if group else 0,
                "transfer_fee_pct": 2,
            }
        )
        self.program = self.manager["g2p.program"].browse(wizard.create_program()["res_id"])
        program = self.program.with_env(self.env)
        tags = self.env["g2p.payment.batch.tag"].create(
            [
                {
                    "name": "West",
                    "order": 1,
                    "max_batch_size": 10_000,
                    "domain": '[("partner_id.area_id.code", "=like", "DM-1%")]',
                },
                {
                    "name": "East",
                    "order": 2,
                    "max_batch_size": 10_000,
                    "domain": '[("partner_id.area_id.code", "=like", "DM-2%")]',
                },
                {"name": "Others", "order": 3, "max_batch_size": 10_000, "domain": "[]"},
            ]
        )
        program.get_manager(program.MANAGER_PAYMENT).batch_tag_ids = tags
        self.tags = dict(zip(("west", "east", "others"), tags.ids, strict=True))
        for model in ("id_dedup", "phone_number"):
            self.env[f"g2p.deduplication.manager.{model}"].create({"name": model, "program_id": program.id})
        for table in TABLES:
            self.clone(table)
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

    def step(self, name, button, statements=(), rows=None, twin=None):
        """Time ``button`` and then ``statements``; ``rows`` and ``twin`` count what each of them did."""
        statements_before, started = odoo.sql_db.sql_counter, time.perf_counter()
        button()
        self.cr.commit()
        seconds = time.perf_counter() - started
        result = {"step": name, "seconds": seconds, "statements": odoo.sql_db.sql_counter - statements_before}
        result["rows"] = self.count(rows) if rows else None
        result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        if statements:
            started = time.perf_counter()
            for statement in statements:
                self.cr.execute(statement, self.terms)
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
        cycle = getattr(self, "cycle", None)
        return {
            "program": self.program.id,
            "cycle": cycle and cycle.id,
            "company": self.env.company.id,
            "currency": self.program.currency_id.id,
            "user": self.manager.uid,
            "born_after": BORN_AFTER,
            "least": LEAST_MEMBERS,
            "amount": Decimal(100),
            "each": Decimal(20),
            "most": 3,
            **self.tags,
        }

    def both(self, table, condition):
        """Counts of the rows that meet a condition, in the product's table and in its clone."""
        return {
            "rows": f"SELECT COUNT(*) FROM {table} WHERE {condition}",
            "twin": f"SELECT COUNT(*) FROM {plain(table)} WHERE {condition}",
        }

    def run(self):
        self.cr.execute("SELECT pg_database_size(current_database())")
        [size] = self.cr.fetchone()
        self.setup()
        self.members()
        self.cycle_steps()
        self.payments()
        self.cr.execute(
            "SELECT pg_database_size(current_database()) - %s - (SELECT SUM(pg_total_relation_size(name::regclass)) FROM unnest(%s) AS name)",
            [size, [plain(table) for table in TABLES]],
        )
        print(json.dumps({"growth_mb": int(self.cr.fetchone()[0]) // 2**20}), flush=True)

    # Members

    def members(self):
        program = self.program
        eligible = (
            "COALESCE(registrant.is_group, false) AND registrant.z_ind_grp_num_individuals >= %(least)s"
            if self.target == "group"
            else "NOT COALESCE(registrant.is_group, false) AND registrant.birthdate > %(born_after)s"
        )
        base = "registrant.is_registrant AND registrant.active AND registrant.disabled IS NULL AND registrant.company_id = %(company)s"
        self.step(
            "import eligible",
            lambda: program.import_eligible_registrants("draft"),
            [
                f"""
                INSERT INTO plain_program_membership
                       (partner_id, program_id, state, create_uid, write_uid, create_date, write_date)
                SELECT registrant.id, %(program)s, 'draft', %(user)s, %(user)s, now(), now()
                  FROM res_partner AS registrant
                 WHERE {base} AND {eligible}
                """
            ],
            **self.both("g2p_program_membership", "program_id = %(program)s"),
        )
        people = (
            "SELECT partner_id AS member, partner_id AS person FROM plain_program_membership"
            if self.target == "individual"
            else """
            SELECT membership.partner_id AS member, link.individual AS person
              FROM plain_program_membership AS membership
              JOIN g2p_group_membership AS link ON link."group" = membership.partner_id AND link.ended_date IS NULL
            """
        )
        # One pass that keeps the lowest of each key: no connected components, no evidence, no record of the sets.
        self.step(
            "deduplicate",
            program.deduplicate_beneficiaries,
            [
                f"""
                UPDATE plain_program_membership AS membership
                   SET state = 'duplicated', write_date = now()
                  FROM (SELECT member, MIN(member) OVER (PARTITION BY key) AS kept
                          FROM (SELECT people.member, 'person:' || people.person AS key FROM ({people}) AS people
                                 UNION
                                SELECT people.member,
                                       document.id_type || upper(regexp_replace(document.value, '[\\s./-]', '', 'g'))
                                  FROM ({people}) AS people JOIN g2p_reg_id AS document ON document.partner_id = people.person
                                 WHERE document.expiry_date IS NULL OR document.expiry_date >= current_date
                                 UNION
                                SELECT people.member, phone.phone_sanitized
                                  FROM ({people}) AS people JOIN g2p_phone_number AS phone ON phone.partner_id = people.person
                                 WHERE phone.phone_sanitized <> '' AND phone.disabled IS NULL) AS keyed) AS found
                 WHERE membership.partner_id = found.member AND found.kept < found.member
                """,
                # The product follows chains of keys: from here on both sides have the same members.
                """
                UPDATE plain_program_membership AS membership
                   SET state = product.state
                  FROM g2p_program_membership AS product
                 WHERE product.program_id = membership.program_id AND product.partner_id = membership.partner_id
                   AND product.state <> membership.state
                """,
            ],
            **self.both("g2p_program_membership", "program_id = %(program)s"),
        )
        self.step(
            "enrol",
            program.enroll_eligible_registrants,
            [
                f"""
                UPDATE plain_program_membership AS membership
                   SET state = 'enrolled', enrollment_date = now(), write_uid = %(user)s, write_date = now()
                  FROM res_partner AS registrant
                 WHERE registrant.id = membership.partner_id AND membership.program_id = %(program)s
                   AND membership.state IN ('draft', 'not_eligible', 'enrolled') AND {base} AND {eligible}
                """
            ],
            **self.both("g2p_program_membership", "program_id = %(program)s AND state = 'enrolled'"),
        )

    # Cycle

    def cycle_steps(self):
        def create_and_copy():
            action = self.program.create_new_cycle()
            self.cycle = self.manager["g2p.cycle"].browse(action["res_id"])
            if not self.cycle.members_count:
                self.cycle.copy_beneficiaries_from_program()

        self.step(
            "create cycle, copy",
            create_and_copy,
            [
                """
                INSERT INTO plain_cycle_membership
                       (partner_id, cycle_id, enrollment_date, state, create_uid, write_uid, create_date, write_date)
                SELECT partner_id, (SELECT MAX(id) FROM g2p_cycle), current_date, 'enrolled', %(user)s, %(user)s, now(), now()
                  FROM plain_program_membership
                 WHERE program_id = %(program)s AND state = 'enrolled'
                """
            ],
            **self.both("g2p_cycle_membership", "cycle_id = %(cycle)s"),
        )
        self.step(
            "verify",
            self.cycle.check_eligibility,
            [
                """
                WITH candidate AS MATERIALIZED (
                    SELECT partner_id FROM plain_cycle_membership
                     WHERE cycle_id = %(cycle)s AND state IN ('draft', 'enrolled', 'not_eligible')
                       FOR NO KEY UPDATE
                )
                SELECT COUNT(*) FILTER (WHERE registrant.disabled IS NULL AND registrant.active)
                  FROM candidate
                  JOIN res_partner AS registrant ON registrant.id = candidate.partner_id
                """
            ],
            **self.both("g2p_cycle_membership", "cycle_id = %(cycle)s AND state = 'enrolled'"),
        )
        amount, household = "%(amount)s", ""
        if self.target == "group":
            amount = "%(amount)s + %(each)s * least(household.members, %(most)s)"
            household = """
                  JOIN (SELECT link."group", COUNT(DISTINCT link.individual) AS members
                          FROM g2p_group_membership AS link
                          JOIN res_partner AS person ON person.id = link.individual
                           AND person.disabled IS NULL AND person.active
                         WHERE link.ended_date IS NULL
                         GROUP BY link."group") AS household ON household."group" = membership.partner_id
            """
        self.step(
            "prepare entitlements",
            self.cycle.prepare_entitlement,
            [
                f"""
                INSERT INTO plain_entitlement
                       (partner_id, cycle_id, program_id, item_id, code, state, is_cash_entitlement, currency_id,
                        initial_amount, transfer_fee, valid_from, valid_until,
                        create_uid, write_uid, create_date, write_date)
                SELECT due.partner_id, %(cycle)s, %(program)s, 0, gen_random_uuid(), 'draft', true, %(currency)s,
                       due.amount, round(due.amount * 0.02, 2), current_date, current_date + 365,
                       %(user)s, %(user)s, now(), now()
                  FROM (SELECT membership.partner_id, {amount} AS amount
                          FROM plain_cycle_membership AS membership
                          {household}
                         WHERE membership.cycle_id = %(cycle)s AND membership.state = 'enrolled') AS due
                """
            ],
            **self.both("g2p_entitlement", "cycle_id = %(cycle)s"),
        )
        self.step(
            "send for approval",
            self.cycle.to_approve,
            [
                """
                UPDATE plain_entitlement SET state = 'pending_validation', write_date = now()
                 WHERE cycle_id = %(cycle)s AND state = 'draft'
                """
            ],
            **self.both("g2p_entitlement", "cycle_id = %(cycle)s AND state = 'pending_validation'"),
        )
        self.cycle.with_env(self.approver).approve()
        fund = self.finance["g2p.program.fund"].create({"program_id": self.program.id, "amount": 1_000_000_000})
        fund.post_fund()
        self.cr.execute(
            "INSERT INTO plain_fund_account SELECT * FROM g2p_fund_account WHERE program_id = %s", [self.program.id]
        )
        self.cr.commit()
        self.step(
            "approve",
            self.cycle.with_env(self.finance).validate_entitlement,
            [
                """
                UPDATE plain_fund_account
                   SET reserved = reserved + (SELECT SUM(initial_amount) FROM plain_entitlement
                                               WHERE cycle_id = %(cycle)s AND state = 'pending_validation')
                 WHERE program_id = %(program)s
                """,
                """
                UPDATE plain_entitlement
                   SET state = 'approved', ern = nextval('g2p_entitlement_ern_seq'), date_approved = now(),
                       approved_by = %(user)s, write_date = now()
                 WHERE cycle_id = %(cycle)s AND state = 'pending_validation'
                """,
            ],
            **self.both("g2p_entitlement", "cycle_id = %(cycle)s AND state = 'approved'"),
        )

    # Payments

    def payments(self):
        payee = "entitlement.partner_id"
        head = ""
        if self.target == "group":
            payee = "head.individual"
            head = """
                          LEFT JOIN (SELECT link."group", link.individual
                                       FROM g2p_group_membership AS link
                                       JOIN g2p_group_membership_g2p_group_membership_kind_rel AS role
                                         ON role.g2p_group_membership_id = link.id
                                       JOIN g2p_group_membership_kind AS kind
                                         ON kind.id = role.g2p_group_membership_kind_id AND kind.name = 'Head'
                                      WHERE link.ended_date IS NULL) AS head ON head."group" = entitlement.partner_id
            """
        self.step(
            "prepare payments",
            self.cycle.prepare_payment,
            [
                f"""
                WITH line AS MATERIALIZED (
                    SELECT due.*, (row_number() OVER (PARTITION BY due.tag_id ORDER BY due.partner_id) - 1) / 10000 AS slice
                      FROM (SELECT entitlement.*, account.id AS account_id, account.acc_number,
                                   CASE WHEN area.code LIKE 'DM-1%%' THEN %(west)s
                                        WHEN area.code LIKE 'DM-2%%' THEN %(east)s ELSE %(others)s END AS tag_id
                              FROM plain_entitlement AS entitlement
                              JOIN res_partner AS registrant ON registrant.id = entitlement.partner_id
                              LEFT JOIN g2p_area AS area ON area.id = registrant.area_id
                              {head}
                              LEFT JOIN res_partner_bank AS account
                                ON account.partner_id = {payee} AND account.is_primary AND account.active
                             WHERE entitlement.cycle_id = %(cycle)s AND entitlement.state = 'approved') AS due
                ),
                slice AS MATERIALIZED (
                    SELECT tag_id, slice, gen_random_uuid()::text AS name, MIN(partner_id) AS first FROM line GROUP BY 1, 2
                ),
                batch AS (
                    INSERT INTO plain_payment_batch (name, cycle_id, program_id, company_id, tag_id, first_partner_id)
                    SELECT name, %(cycle)s, %(program)s, %(company)s, tag_id, first FROM slice RETURNING id, name
                )
                INSERT INTO plain_payment
                       (name, entitlement_id, cycle_id, program_id, partner_id, batch_id, account_id, account_number, state,
                        status_is_final, amount_issued, amount_paid, payment_fee, currency_id, issuance_date, attempt,
                        create_uid, write_uid, create_date, write_date)
                SELECT gen_random_uuid(), line.id, line.cycle_id, line.program_id, line.partner_id, batch.id, line.account_id,
                       line.acc_number, 'issued', false, line.initial_amount - line.transfer_fee, 0, line.transfer_fee,
                       line.currency_id, now(), 1, %(user)s, %(user)s, now(), now()
                  FROM line
                  JOIN slice ON slice.tag_id = line.tag_id AND slice.slice = line.slice
                  JOIN batch ON batch.name = slice.name
                """
            ],
            **self.both("g2p_payment", "cycle_id = %(cycle)s"),
        )
        self.step(
            "send payments",
            self.cycle.send_payment,
            [
                "UPDATE plain_payment SET state = 'sent', write_date = now() WHERE cycle_id = %(cycle)s AND state = 'issued'",
                """
                UPDATE plain_entitlement SET state = 'trans2FSP', write_date = now()
                 WHERE cycle_id = %(cycle)s AND state = 'approved'
                """,
            ],
            **self.both("g2p_payment", "cycle_id = %(cycle)s AND state = 'sent'"),
        )
        self.step(
            "reconcile",
            self.reconcile,
            rows=self.both("g2p_payment", "cycle_id = %(cycle)s AND status = 'paid'")["rows"],
        )
        self.plain_reconcile()

    def statement(self, table):
        """The bank's answer as CSV: every payment paid. The name of the file it is written to."""
        path = Path(self.env.cr.dbname + ".csv")
        path = Path(__file__).resolve().parents[2] / ".run" / path
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

    def reconcile(self):
        path = self.statement("g2p_payment")
        reconciliation = self.finance["g2p.payment.reconciliation"].create(
            {"cycle_id": self.cycle.id, "filename": "statement.csv", "file": base64.b64encode(path.read_bytes())}
        )
        path.unlink()
        reconciliation.action_check()
        self.cr.commit()
        reconciliation.action_apply()

    def plain_reconcile(self):
        path = self.statement("plain_payment")
        started = time.perf_counter()
        self.cr.execute(
            "CREATE TABLE plain_line (reference varchar, status varchar, amount numeric, bank_reference varchar)"
        )
        with path.open("rb") as file:
            self.cr._obj.copy_expert("COPY plain_line FROM STDIN WITH (FORMAT csv, HEADER)", file)
        for statement in (
            """
            UPDATE plain_payment AS payment
               SET state = 'reconciled', status = line.status, status_is_final = true, status_datetime = now(),
                   amount_paid = line.amount, bank_reference = line.bank_reference, payment_datetime = now()
              FROM plain_line AS line
             WHERE payment.name = line.reference AND payment.amount_issued = line.amount AND payment.status IS NULL
            """,
            "UPDATE plain_entitlement SET state = 'rdpd2ben' WHERE cycle_id = %(cycle)s AND state = 'trans2FSP'",
            """
            UPDATE plain_fund_account
               SET disbursed = disbursed + reserved, reserved = 0 WHERE program_id = %(program)s
            """,
        ):
            self.cr.execute(statement, self.terms)
        self.cr.commit()
        print(json.dumps({"step": "reconcile", "plain_seconds": time.perf_counter() - started}), flush=True)
        path.unlink()
        product, twin = (
            self.count(query) for query in self.both("g2p_payment", "cycle_id = %(cycle)s AND status = 'paid'").values()
        )
        if product != twin:
            raise SystemExit(f"reconcile: {product} rows, plain SQL has {twin}")


if __name__ == "__main__":
    database, target = sys.argv[1:]
    with environment(database) as env:
        Pipeline(env, target).run()
