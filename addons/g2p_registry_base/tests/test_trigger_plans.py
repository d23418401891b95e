"""The triggers' statements read what changes, not what there is: whatever PostgreSQL believes of the size of the tables."""

from odoo.tests import TransactionCase, tagged
from odoo.tools import SQL

TABLES = (
    "res_partner",
    "g2p_group_membership",
    "g2p_group_membership_g2p_group_membership_kind_rel",
    "g2p_group_indicator",
    "g2p_group_role_holder",
    "g2p_registrant_word",
    "g2p_change_history",
)
# Enough for every table to have more pages than a look-up by its index reads: a smaller one may well be read whole.
HOUSEHOLDS = 2_000
PEOPLE = 4  # of each
CHANGED = 50
# Rows that may be read for one that changes: the rows themselves, their neighbours, and what is looked up twice; and once
# all of a table that is small.
READ_EACH = 60
MOST = CHANGED * READ_EACH + HOUSEHOLDS * (PEOPLE + 1)


@tagged("post_install", "-at_install")
class TestTriggerPlans(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.head = cls.env.ref("g2p_registry_base.group_membership_kind_head").id
        cr = cls.env.cr
        cr.execute(
            """
            WITH household AS (
                INSERT INTO res_partner (name, complete_name, is_registrant, is_group, active, company_id)
                SELECT 'Plan ' || number, 'Plan ' || number, TRUE, TRUE, TRUE, %(company)s
                  FROM generate_series(1, %(households)s) AS number
             RETURNING id
            ), person AS (
                INSERT INTO res_partner (name, complete_name, is_registrant, is_group, active, company_id, birthdate, gender)
                SELECT 'Person', 'Person', TRUE, FALSE, TRUE, %(company)s, '1990-01-01', 'female'
                  FROM generate_series(1, %(households)s * %(people)s)
             RETURNING id
            )
            INSERT INTO g2p_group_membership ("group", individual, start_date)
            SELECT household.id, person.id, '2020-01-01'
              FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM household) AS household
              JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place FROM person) AS person
                ON household.place = (person.place + %(people)s - 1) / %(people)s
         RETURNING id, "group", individual
            """,
            {"company": cls.env.company.id, "households": HOUSEHOLDS, "people": PEOPLE},
        )
        rows = cr.fetchall()
        cls.members, cls.groups, cls.persons = ([row[place] for row in rows] for place in range(3))
        # As after statistics were taken of tables that were empty then.
        cr.execute("UPDATE pg_class SET reltuples = 0 WHERE relname = ANY(%s)", [list(TABLES)])

    def reads(self, statement, *arguments):
        """Rows that a statement and its triggers read."""

        def read():
            rows = self.env.execute_query(
                SQL(
                    "SELECT relname, seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = ANY(%s)",
                    list(TABLES),
                )
            )
            return dict(rows)

        before = read()
        self.env.cr.execute(statement, arguments)
        return {table: count - before[table] for table, count in read().items()}

    def check(self, statement, *arguments):
        reads = self.reads(statement, *arguments)
        self.assertLessEqual(sum(reads.values()), MOST, reads)

    def test_old_and_new_rows_are_not_compared_each_with_all(self):
        """A session keeps the plan of a trigger's statement: one made when a single row changed joins by a nested loop, which
        takes minutes when the same session changes ten thousand."""
        self.env.cr.execute(
            """
            SELECT DISTINCT function.proname
              FROM pg_trigger AS moved
              JOIN pg_proc AS function ON function.oid = moved.tgfoid
             WHERE moved.tgoldtable IS NOT NULL AND moved.tgnewtable IS NOT NULL
               AND NOT COALESCE('enable_nestloop=off' = ANY(function.proconfig), FALSE)
            """
        )
        self.assertEqual(self.env.cr.fetchall(), [])

    def test_members_come(self):
        self.check(
            "INSERT INTO g2p_group_membership (\"group\", individual, start_date) SELECT %s, unnest(%s), '2020-01-01'",
            self.groups[0],
            self.persons[-CHANGED:],
        )

    def test_members_get_roles(self):
        self.check(
            "INSERT INTO g2p_group_membership_g2p_group_membership_kind_rel SELECT unnest(%s), %s",
            self.members[::PEOPLE][:CHANGED],
            self.head,
        )

    def test_members_lose_roles(self):
        heads = self.members[::PEOPLE]
        self.env.cr.execute(
            "INSERT INTO g2p_group_membership_g2p_group_membership_kind_rel SELECT unnest(%s), %s", [heads, self.head]
        )
        self.check(
            "DELETE FROM g2p_group_membership_g2p_group_membership_kind_rel WHERE g2p_group_membership_id = ANY(%s)",
            heads[:CHANGED],
        )

    def test_memberships_end_where_much_has_changed_before(self):
        self.env.cr.execute(
            "UPDATE g2p_group_membership SET ended_date = now() WHERE id = ANY(%s)", [self.members[CHANGED:]]
        )
        self.check("UPDATE g2p_group_membership SET ended_date = now() WHERE id = ANY(%s)", self.members[:CHANGED])

    def test_memberships_end(self):
        self.check("UPDATE g2p_group_membership SET ended_date = now() WHERE id = ANY(%s)", self.members[:CHANGED])

    def test_members_go(self):
        self.check("DELETE FROM g2p_group_membership WHERE id = ANY(%s)", self.members[:CHANGED])

    def test_people_with_new_words_come(self):
        come = """
            INSERT INTO res_partner (name, complete_name, is_registrant, is_group, active, company_id)
            SELECT %s || number, %s || number, TRUE, FALSE, TRUE, %s FROM generate_series(1, %s) AS number
        """
        self.env.cr.execute(come, ["Bulk", "Bulk", self.env.company.id, HOUSEHOLDS * PEOPLE])
        self.check(come, "New", "New", self.env.company.id, CHANGED)

    def test_persons_get_new_words(self):
        self.env.cr.execute("UPDATE res_partner SET complete_name = 'Bulk ' || id WHERE id = ANY(%s)", [self.persons])
        self.check("UPDATE res_partner SET complete_name = 'Word ' || id WHERE id = ANY(%s)", self.persons[:CHANGED])

    def test_persons_change(self):
        self.check("UPDATE res_partner SET gender = 'male' WHERE id = ANY(%s)", self.persons[:CHANGED])
