"""Big tables stay fast: no list of the suite, and none of its filters, reads a whole table to show a page.

Every window action and stat button is found in the database, so a new list or filter is tested from its first day. Its query
is run on tables in which every filter finds few rows or almost all, the two cases that tempt PostgreSQL to read on and on;
and what counts is how many rows it visited, not how long that took. The same tables with a thousand times the rows would
have the same number of visits.
"""

import hashlib
import unittest

from odoo.fields import Command, Domain
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import SQL

from . import screens

ROWS = 4000
MOST = 1200  # rows of one table that a page of 80 may visit; every filter finds at most 400 rows, or nearly all of them
FEW = 200  # one row in so many is not like the others

# Tables with a row a beneficiary, and those that grow as fast.
BIG = {
    "res_partner",
    "res_partner_bank",
    "g2p_group_membership",
    "g2p_program_membership",
    "g2p_cycle_membership",
    "g2p_entitlement",
    "g2p_payment",
    "g2p_program_membership_duplicate",
    "g2p_program_membership_duplicate_rel",
    "g2p_registrant_import_line",
    "g2p_state_history",
    "g2p_change_history",
    "g2p_fund_ledger",
    "g2p_reg_id",
    "g2p_phone_number",
}

# (model, filter): why it may read a table to its end. The empty filter stands for the list itself.
READS_ALL = {
    ("res.partner", "no_id"): "who has no row in another table is found by reading both",
    ("res.partner", "no_phone"): "as above",
    ("res.partner", "no_group"): "as above",
}
# Models whose rule looks row by row at what the row tells about: a page visits as many rows as it takes to find 80 that may
# be read. For who sees one area in a hundred that is many; a hash of everything they may read would cost every page as much.
RULE_WALKS = {("small area", "g2p.state.history"), ("small area", "g2p.change.history")}
# The registrants of one file are found in the file's rows, or by going back from the latest registrant: as many as came since.
WALKS = {"Registrant Import: action_view_registrants"}


@tagged("post_install", "-at_install")
class TestPlans(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = cls.env(context=dict(cls.env.context, tracking_disable=True, no_reset_password=True))
        cls.program = cls.env["g2p.program"].create({"name": "Large program"})
        cls.program.action_activate()
        cls.cycle = (
            cls.env["g2p.cycle"]
            .sudo()
            .create(
                {
                    "program_id": cls.program.id,
                    "name": "Large cycle",
                    "start_date": "2026-01-01",
                    "end_date": "2026-01-31",
                    "sequence": 1,
                }
            )
        )
        cls.small = cls.env["g2p.area"].create({"name": "Small area", "code": "PLAN-S"})
        cls.large = cls.env["g2p.area"].create({"name": "Large area", "code": "PLAN-L"})
        groups = "g2p_registry_base.group_g2p_admin,g2p_programs.g2p_program_manager,g2p_programs.g2p_finance_validator"
        cls.users = {
            "everywhere": new_test_user(cls.env, login="plan everywhere", groups=groups),
            "small area": new_test_user(
                cls.env, login="plan area", groups=groups, g2p_area_ids=[Command.link(cls.small.id)]
            ),
        }
        cls.env.flush_all()
        cls.check_indexes()
        cls.fill()
        cls.env.invalidate_all()
        cls.screens = list(cls.lists())

    @classmethod
    def check_indexes(cls):
        """PostgreSQL leaves an index aside that is younger than the oldest transaction, if rows changed in the meantime."""
        cls.env.cr.execute(
            """
            SELECT indexrelid::regclass::text FROM pg_index
             WHERE indrelid = ANY(%s::regclass[]) AND indcheckxmin
               AND age(xmin) <= age(pg_snapshot_xmin(pg_current_snapshot())::xid)
            """,
            [sorted(BIG)],
        )
        if young := cls.env.cr.fetchall():
            raise unittest.SkipTest(
                f"{len(young)} indexes are younger than a transaction that still runs on this server"
            )

    @classmethod
    def fill(cls):
        """Tables of `ROWS` rows by plain SQL: of `FEW` rows each is one that a filter looks for; the others are alike."""
        cr = cls.env.cr
        terms = {
            "rows": ROWS,
            "few": FEW,
            "company": cls.env.company.id,
            "program": cls.program.id,
            "cycle": cls.cycle.id,
            "currency": cls.program.currency_id.id,
            "small": cls.small.id,
            "large": cls.large.id,
            "user": cls.users["everywhere"].id,
            "id_type": cls.env.ref("g2p_registry_base.id_type_national").id,
        }
        for statement in STATEMENTS:
            cr.execute(statement, terms)
        cr.execute(f"ANALYZE {', '.join(sorted(BIG))}, g2p_program, g2p_cycle")
        # What autovacuum does where rows are committed.
        for index in ("res_partner_registrant_search_idx", "g2p_reg_id_search_idx", "g2p_phone_number_search_idx"):
            cr.execute("SELECT gin_clean_pending_list(%s::regclass)", [index])
        # A table of this size would be read from end to end even where an index serves.
        cr.execute(
            "SET LOCAL enable_seqscan = off; SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off;"
            "SET LOCAL random_page_cost = 1.1"
        )

    def visited(self, query):
        """{table: rows that running the query visits}"""
        [[[plan]]] = self.env.execute_query(SQL("EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF, FORMAT JSON) %s", query))
        visits = {}

        def walk(node):
            table = node.get("Relation Name")
            if table in BIG:
                rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                rows += node.get("Rows Removed by Index Recheck", 0)
                visits[table] = visits.get(table, 0) + rows * node["Actual Loops"]
            for child in node.get("Plans", ()):
                walk(child)

        walk(plan["Plan"])
        return visits

    def ranged(self, table):
        """The columns of a table with a block range index: made for dates that grow with the table, where the rows of a month
        lie together. It tells one range of blocks from another, of which a table of this size has only one."""
        self.env.cr.execute(
            """
            SELECT attribute.attname
              FROM pg_index
              JOIN pg_class AS class ON class.oid = pg_index.indexrelid
              JOIN pg_am ON pg_am.oid = class.relam AND pg_am.amname = 'brin'
              JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid
             WHERE pg_index.indrelid = %s::regclass
            """,
            [table],
        )
        return {column for [column] in self.env.cr.fetchall()}

    @classmethod
    def lists(cls):
        """[(user, screen)]: every list that somebody can open, by a menu or by a button of a form."""
        for user, account in cls.users.items():
            env = cls.env(user=account.id)
            yield from ((user, screen) for screen in screens.action_screens(env))
            member = env["g2p.program_membership"].search([("program_id", "=", cls.program.id)], limit=1)
            for record in (
                env["g2p.program"].browse(cls.program.id),
                env["g2p.cycle"].browse(cls.cycle.id),
                member,
                member.partner_id,
                env["g2p.payment.batch"].search([("cycle_id", "=", cls.cycle.id)], limit=1),
                env["g2p.registrant.import"].sudo().search([("name", "=", "plans.csv")]).with_env(cls.env),
            ):
                if record:
                    yield from ((user, screen) for screen in screens.button_screens(record))

    def test_a_page_visits_few_rows(self):
        seen = set()
        for user, screen in self.screens:
            if screen.model._table not in BIG or screen.name in WALKS:
                continue
            filters = {"": screen.defaults, **screen.filters}
            for name, domain in filters.items():
                if (screen.model._name, name) in READS_ALL or (user, screen.model._name) in RULE_WALKS:
                    continue
                if name and {part.field_expr for part in domain.iter_conditions()} <= self.ranged(screen.model._table):
                    continue
                with self.subTest(list=screen.name, model=screen.model._name, filter=name, user=user):
                    query = screen.model._search(screen.domain & domain, order=screen.order or None, limit=screen.limit)
                    if query.is_empty():
                        continue
                    visits = self.visited(query.select())
                    told = (screen.name, name, user, visits)
                    self.assertLessEqual(max(visits.values(), default=0), MOST, told)
                    seen.add((screen.model._name, name))
        # What the test is for, should the discovery of lists break one day.
        for model in (
            "res.partner",
            "g2p.program_membership",
            "g2p.cycle.membership",
            "g2p.entitlement",
            "g2p.payment",
        ):
            self.assertIn((model, ""), seen)
        self.assertGreater(len(seen), 50)

    def test_names_are_found_by_any_part(self):
        """In the search box of a list, and where a registrant is looked up: by a name in part, also misspelt, by an ID and by
        a phone number, as who sees all and as who sees one area in a hundred."""
        digest = hashlib.md5(b"601").hexdigest()
        self.assert_found_without_walking(digest[4:14])
        self.assert_found_without_walking(f"plan {digest[:9]}{digest[10]}{digest[9]}{digest[11:]}")
        self.assert_found_without_walking("PLANID-00601")
        self.assert_found_without_walking("+254 7601")
        self.assert_found_without_walking("nobody is called so")
        self.env.cr.execute("SELECT left(name, 8) FROM g2p_payment WHERE cycle_id = %s LIMIT 1", [self.cycle.id])
        self.assert_found_without_walking(self.env.cr.fetchone()[0])

    def assert_found_without_walking(self, sought):
        for user in self.users.values():
            self.assert_page_without_walking(self.env(user=user.id), sought)

    def assert_page_without_walking(self, env, sought):
        text = {**screens.TEXT, "char": sought}
        for name in ("res.partner", "g2p.program_membership", "g2p.cycle.membership", "g2p.entitlement", "g2p.payment"):
            field = "display_name" if name == "res.partner" else "partner_id"
            found = [screen for screen in screens.action_screens(env, text) if screen.model._name == name]
            self.assertTrue(found, name)
            for screen in found:
                for box in {field, "search_text"} & screen.searches.keys():
                    with self.subTest(screen.name, box=box, sought=sought, user=env.user.login):
                        query = screen.model._search(
                            screen.domain & screen.searches[box], order=screen.order or None, limit=screen.limit
                        )
                        visits = self.visited(query.select())
                        self.assertLessEqual(max(visits.values(), default=0), MOST, visits)
        with self.subTest("name_search", sought=sought, user=env.user.login):
            query = env["res.partner"]._search(Domain("display_name", "ilike", text["char"]), limit=8)
            self.assertLessEqual(max(self.visited(query.select()).values(), default=0), MOST)

    def test_the_latest_come_first(self):
        """A page in the order of numbers is read from the end of an index, whatever the size of the table."""
        for user, screen in self.screens:
            if screen.model._table in BIG and "row_number" not in screen.model._order:
                with self.subTest(list=screen.name, user=user):
                    self.assertIn(screen.order or screen.model._order, ("id desc", "id"), screen.model._name)

    def test_a_walk_is_noticed(self):
        """Without its index, a filter fails this test: the measure can tell."""
        model = self.env["g2p.payment"].with_user(self.users["everywhere"])
        query = model._search(Domain("batch_id", "=", False), order="id desc", limit=80)
        self.assertLessEqual(self.visited(query.select())["g2p_payment"], MOST)
        self.env.cr.execute("DROP INDEX g2p_payment_no_batch_idx, g2p_payment__batch_id_index")
        self.assertGreater(self.visited(query.select())["g2p_payment"], MOST)


# Rows number 1 to `rows`; those of which `number %% few` is 0, 1, 2 … are the few that filters look for.
STATEMENTS = (
    """
    INSERT INTO res_partner (name, complete_name, is_registrant, is_group, active, company_id, type, area_id, birthdate,
                             registration_date, disabled, is_partial_group, partner_share, create_date, write_date)
    SELECT 'Plan ' || md5(number::text), 'Plan ' || md5(number::text), TRUE, number > %(rows)s,
           number %% %(few)s <> 0, %(company)s, 'contact',
           CASE WHEN number %% %(few)s = 1 THEN %(small)s WHEN number %% %(few)s <> 2 THEN %(large)s END,
           CASE WHEN number %% %(few)s <> 3 THEN date '1980-01-01' END,
           CASE WHEN number > 2 * %(rows)s - 20 THEN current_date ELSE date '2020-01-01' END,
           CASE WHEN number %% %(few)s = 4 THEN now() END, number %% %(few)s = 5, TRUE, now(), now()
      FROM generate_series(1, 2 * %(rows)s) AS number
    """,
    """
    CREATE TEMPORARY TABLE plan_person ON COMMIT DROP AS
    SELECT id, row_number() OVER (ORDER BY id) AS number
      FROM res_partner WHERE name LIKE 'Plan %%' AND is_group IS NOT TRUE
    """,
    """
    CREATE TEMPORARY TABLE plan_group ON COMMIT DROP AS
    SELECT id, row_number() OVER (ORDER BY id) AS number
      FROM res_partner WHERE name LIKE 'Plan %%' AND is_group
    """,
    """
    INSERT INTO g2p_group_membership ("group", individual, start_date, ended_date, create_date, write_date)
    SELECT plan_group.id, plan_person.id, timestamp '2020-01-01',
           CASE WHEN number %% %(few)s = 7 THEN timestamp '2021-01-01' END, now(), now()
      FROM plan_person JOIN plan_group USING (number)
    """,
    """
    INSERT INTO g2p_phone_number (partner_id, phone_no, phone_sanitized, is_valid, create_date, write_date)
    SELECT id, '+2547' || number, '+2547' || number, number %% %(few)s <> 0, now(), now() FROM plan_person
    """,
    """
    INSERT INTO g2p_reg_id (partner_id, id_type, value, create_date, write_date)
    SELECT id, %(id_type)s, 'PLANID-' || lpad(number::text, 5, '0'), now(), now() FROM plan_person
    """,
    """
    INSERT INTO res_partner_bank (partner_id, acc_number, sanitized_acc_number, active, is_primary, account_type, company_id,
                                  create_date, write_date)
    SELECT id, 'PLAN' || number, 'PLAN' || number, TRUE, number %% %(few)s <> 0,
           CASE WHEN number %% %(few)s = 1 THEN 'mobile_wallet' ELSE 'bank' END, %(company)s, now(), now()
      FROM plan_person
    """,
    """
    INSERT INTO g2p_program_membership (partner_id, program_id, state, reason, enrollment_date, create_date, write_date)
    SELECT id, %(program)s,
           CASE number %% %(few)s WHEN 0 THEN 'draft' WHEN 1 THEN 'not_eligible' WHEN 2 THEN 'paused' WHEN 3 THEN 'exited'
                                  WHEN 4 THEN 'duplicated' ELSE 'enrolled' END,
           CASE WHEN number %% %(few)s = 1 THEN 'Not eligible' END, timestamp '2026-01-01', now(), now()
      FROM plan_person ORDER BY id
    """,
    """
    INSERT INTO g2p_cycle_membership (partner_id, cycle_id, state, reason, enrollment_date, create_date, write_date)
    SELECT id, %(cycle)s, CASE WHEN number %% %(few)s = 1 THEN 'not_eligible' ELSE 'enrolled' END,
           CASE WHEN number %% %(few)s = 1 THEN 'Not eligible' END, date '2026-01-01', now(), now()
      FROM plan_person ORDER BY id
    """,
    """
    INSERT INTO g2p_entitlement (partner_id, cycle_id, program_id, item_id, code, state, left_out_reason, valid_from,
                                 valid_until, initial_amount, transfer_fee, settlement, is_cash_entitlement, currency_id,
                                 date_approved,
                                 create_date, write_date)
    SELECT id, %(cycle)s, %(program)s, 0, gen_random_uuid(),
           CASE number %% %(few)s WHEN 0 THEN 'draft' WHEN 1 THEN 'pending_validation' WHEN 2 THEN 'approved'
                                  WHEN 3 THEN 'trans2FSP' WHEN 4 THEN 'rejected2' WHEN 5 THEN 'cancelled'
                                  WHEN 6 THEN 'expired' ELSE 'rdpd2ben' END,
           CASE WHEN number %% %(few)s = 1 THEN 'fund_shortage' END, date '2020-01-01', date '2020-12-31', 100, 0, 'payment',
           TRUE, %(currency)s, timestamp '2026-01-02', now(), now()
      FROM plan_person ORDER BY id
    """,
    """
    INSERT INTO g2p_payment_batch (name, cycle_id, program_id, company_id, create_date, write_date)
    VALUES ('plans', %(cycle)s, %(program)s, %(company)s, now(), now())
    """,
    """
    INSERT INTO g2p_payment (name, entitlement_id, cycle_id, program_id, partner_id, batch_id, state, status, amount_issued,
                             amount_paid, payment_fee, currency_id, payment_datetime, attempt, create_date, write_date)
    SELECT gen_random_uuid(), entitlement.id, %(cycle)s, %(program)s, partner_id,
           CASE WHEN number %% %(few)s <> 0 THEN (SELECT id FROM g2p_payment_batch WHERE name = 'plans') END,
           CASE number %% %(few)s WHEN 0 THEN 'issued' WHEN 1 THEN 'sent' ELSE 'reconciled' END,
           CASE WHEN number %% %(few)s = 2 THEN 'failed' WHEN number %% %(few)s > 2 THEN 'paid' END,
           100, 0, 0, %(currency)s, timestamp '2026-01-03', 1, now(), now()
      FROM g2p_entitlement AS entitlement JOIN plan_person ON plan_person.id = partner_id
     WHERE cycle_id = %(cycle)s ORDER BY entitlement.id
    """,
    """
    INSERT INTO g2p_program_membership_duplicate (program_id, survivor_id, state, members_count, create_date, write_date)
    SELECT program_id, id, CASE WHEN id %% %(few)s = 0 THEN 'duplicate' ELSE 'not_duplicate' END, 1, now(), now()
      FROM g2p_program_membership WHERE program_id = %(program)s ORDER BY id
    """,
    """
    INSERT INTO g2p_program_membership_duplicate_rel (duplicate_id, membership_id)
    SELECT id, survivor_id FROM g2p_program_membership_duplicate WHERE program_id = %(program)s
    """,
    """
    INSERT INTO g2p_registrant_import (name, company_id, target_type, encoding, date_format, existing_policy, state,
                                       create_uid, create_date, write_date)
    VALUES ('plans.csv', %(company)s, 'individual', 'utf-8', 'iso', 'skip', 'done', %(user)s, now(), now())
    """,
    """
    INSERT INTO g2p_registrant_import_line (import_id, row_number, unit, state, partner_id)
    SELECT (SELECT id FROM g2p_registrant_import WHERE name = 'plans.csv'), number, number,
           CASE number %% %(few)s WHEN 0 THEN 'refused' WHEN 1 THEN 'skipped' WHEN 2 THEN 'ok' WHEN 3 THEN 'updated'
                                  ELSE 'imported' END, id
      FROM plan_person
    """,
    """
    INSERT INTO g2p_state_history (res_model, res_id, from_state, to_state, user_id, date)
    SELECT 'g2p.program_membership', id, 'draft', 'enrolled', 1, timestamp '2026-01-01'
      FROM g2p_program_membership WHERE program_id = %(program)s
    """,
    """
    INSERT INTO g2p_change_history (date, user_id, operation, res_model, res_id, owner_model, owner_id, field, old_value)
    SELECT timestamp '2026-01-01', 1, CASE WHEN number %% %(few)s = 0 THEN 'unlink' ELSE 'write' END, 'res.partner', id,
           'res.partner', id, 'name', 'Plan'
      FROM plan_person
    """,
    """
    INSERT INTO g2p_fund_account (program_id, currency_id, posted, reserved, disbursed)
    VALUES (%(program)s, %(currency)s, 0, 0, 0) ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO g2p_fund_ledger (account_id, user_id, kind, amount, posted_after, reserved_after, disbursed_after, date)
    SELECT (SELECT id FROM g2p_fund_account WHERE program_id = %(program)s), 1,
           CASE number %% %(few)s WHEN 0 THEN 'deposit' WHEN 1 THEN 'withdraw' ELSE 'reserve' END, 1, 1, 0, 0,
           timestamp '2026-01-01'
      FROM generate_series(1, %(rows)s) AS number
    """,
)
