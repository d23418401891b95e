"""The main job by clicking, as three people: from a new program to an ended cycle in which everybody was paid.

After each stage the screen and the database are compared with numbers that SQL finds in the registry alone. Which
household of a set of duplicates stays is the product's choice; how many stay is not.
"""

import csv
import io
import re
from collections import defaultdict
from decimal import Decimal

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

PROGRAM = "Clicked support"
LEAST_MEMBERS = 2
DEPOSIT = Decimal(60_000)

# Households of at least two people who are members today and not disabled; members as the registry's tables say.
HOUSEHOLDS = """
    SELECT household.id, COUNT(DISTINCT person.id) AS members
      FROM res_partner AS household
      JOIN g2p_group_membership AS link ON link."group" = household.id
       AND (link.ended_date IS NULL OR link.ended_date > now() AT TIME ZONE 'UTC')
      JOIN res_partner AS person ON person.id = link.individual AND person.disabled IS NULL
     WHERE household.is_registrant AND household.is_group AND household.active AND household.disabled IS NULL
     GROUP BY household.id
    HAVING COUNT(DISTINCT person.id) >= 2
"""
# 100 and 20 for each of at most three people; 2 % of it is the fee
DUE = f"""
    SELECT household.id, due.amount, round(due.amount * 0.02, 2) AS fee
      FROM ({HOUSEHOLDS}) AS household
     CROSS JOIN LATERAL (SELECT 100 + 20 * least(household.members, 3)::numeric AS amount) AS due
     WHERE household.id <> ALL(%(duplicates)s)
"""


def duplicates_by_hand(sql):
    """How many households share a person with another one, less one of each connected set."""
    shared = sql(
        f"""
        SELECT array_agg(DISTINCT link."group") AS households
          FROM g2p_group_membership AS link
          JOIN ({HOUSEHOLDS}) AS household ON household.id = link."group"
         WHERE link.ended_date IS NULL
         GROUP BY link.individual HAVING COUNT(DISTINCT link."group") > 1
        """
    )
    sets = []
    for [households] in shared:
        joined = set(households).union(*(found for found in sets if found & set(households)))
        sets = [found for found in sets if not found & joined] + [joined]
    return sum(len(found) - 1 for found in sets)


def statement(lines):
    """A payer's file."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["payment reference", "status", "amount", "bank reference", "reason"])
    writer.writerows(lines)
    return text.getvalue().encode()


class Worker:
    """The stages of the job; the numbers that are due are found on the way."""

    def __init__(self, screen, sql, session):
        self.sql, self.session = sql, session
        self.manager, self.approver, self.finance = (screen(login) for login in ("manager", "approver", "finance"))

    def one(self, query, **parameters):
        [row] = self.sql(query, **parameters)
        return row

    def cycle(self):
        return self.one("SELECT * FROM g2p_cycle WHERE program_id = %(program)s", program=self.program)

    def states(self, table):
        """How many rows of the cycle are in which state."""
        rows = self.sql(
            f"SELECT state, COUNT(*) FROM {table} WHERE cycle_id = %(cycle)s GROUP BY state", cycle=self.cycle().id
        )
        return dict(rows)

    def account(self):
        return self.one("SELECT * FROM g2p_fund_account WHERE program_id = %(program)s", program=self.program)

    def open_cycle(self, person):
        """From the menu, as somebody who comes to work."""
        person.menu("Cycles", "Cycles")
        person.open_row(PROGRAM)

    # Program and members

    def create_program(self):
        person, page = self.manager, self.manager.page
        person.menu("Programs", "Programs")
        page.get_by_role("button", name="New program").click()
        person.fill("name", PROGRAM)
        self.set_condition(person)
        [eligible] = self.one(f"SELECT COUNT(*) FROM ({HOUSEHOLDS}) AS household")
        person.shows("matching_told", eligible)
        page.get_by_role("tab", name="What each gets").click()
        person.fill("amount_per_cycle", 100)
        person.fill("amount_per_individual_in_group", 20)
        person.fill("max_individual_in_group", 3)
        person.fill("transfer_fee_pct", 2)
        page.locator(".o_field_widget[name=no_account_policy] input").click()
        page.locator(".o_select_menu_item").get_by_text("Paid at the cash desk", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Next").click()
        page.get_by_label("Yes, enrol everybody who matches now").check()
        expect(page.get_by_role("dialog")).to_contain_text(f"{eligible:,} registrants match")
        page.get_by_role("dialog").get_by_role("button", name="Create", exact=True).click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        person.shows_state("Draft")
        expect(page.locator(".o_field_widget[name=approval_text]").first).to_contain_text("waits for")
        self.approver.agree(f"Start of program {PROGRAM}", "Who gets it", "Members count at least 2")
        person.menu("Programs", "Programs")
        person.open_row(PROGRAM)
        person.shows_state("Active")
        person.shows_stat("open_eligible_beneficiaries_form", eligible)
        self.program = self.one(
            """
            SELECT program.id FROM g2p_program AS program
              JOIN g2p_program_definition AS definition ON definition.id = program.definition_id
             WHERE program.state = 'active' AND program.name = %(name)s AND definition.target_type = 'group'
            """,
            name=PROGRAM,
        ).id
        assert self.member_states() == {"enrolled": eligible}
        self.eligible = eligible

    def set_condition(self, person):
        """At least two members, with the editor of conditions."""
        page = person.page
        page.get_by_role("button", name="Edit conditions").click()
        dialog = page.get_by_role("dialog").filter(has=page.get_by_role("heading", name="Conditions", exact=True))
        dialog.get_by_role("button", name="New Rule").click()
        dialog.locator(".o_model_field_selector").click()
        fields = page.locator(".o_model_field_selector_popover")
        fields.get_by_placeholder("Search...").fill("Members count")
        fields.get_by_text("Members count", exact=True).click()
        dialog.locator("select.o_input").select_option(label="at least")
        dialog.locator(".o_tree_editor_condition input.o_input").fill(str(LEAST_MEMBERS))
        dialog.locator(".o_tree_editor_condition input.o_input").press("Tab")
        dialog.get_by_role("button", name="Confirm").click()
        expect(dialog).to_have_count(0)

    def member_states(self):
        rows = self.sql(
            "SELECT state, COUNT(*) FROM g2p_program_membership WHERE program_id = %(program)s GROUP BY state",
            program=self.program,
        )
        return dict(rows)

    def compare_by_shared_member(self):
        """Of the rules of a new program the one that SQL counts here; of the others an officer would decide."""
        manager = self.session("manager")
        others = [
            ("program_id", "=", self.program),
            ("manager_ref_id", "not like", "g2p.deduplication.manager.default,"),
        ]
        manager.call("g2p.deduplication.manager", "unlink", manager.call("g2p.deduplication.manager", "search", others))

    def find_members(self):
        person = self.manager
        duplicates = duplicates_by_hand(self.sql)
        assert duplicates, "the demo country has planted duplicates"
        self.compare_by_shared_member()
        message = person.step("Deduplicate", f"{self.eligible:,} members are compared by shared member")
        assert f"Duplicated: {duplicates:,}." in message
        person.shows("duplicated_count", duplicates)
        enrolled = self.eligible - duplicates
        person.shows_stat("open_eligible_beneficiaries_form", enrolled)
        message = person.step("Enroll eligible", f"{enrolled:,} enrolled members")
        assert f"Already enrolled: {enrolled:,}." in message
        person.shows_stat("open_eligible_beneficiaries_form", enrolled)
        assert self.member_states() == {"enrolled": enrolled, "duplicated": duplicates}
        marked = self.sql(
            "SELECT partner_id FROM g2p_program_membership WHERE program_id = %(program)s AND state = 'duplicated'",
            program=self.program,
        )
        self.out = [row.partner_id for row in marked]
        self.due = self.one(
            f"SELECT COUNT(*), SUM(amount) AS amount, SUM(fee) AS fee FROM ({DUE}) AS due", duplicates=self.out
        )
        assert self.due.count == enrolled
        assert self.due.amount < DEPOSIT

    def post_fund(self):
        """Who writes the deposit down asks; finance agrees in the inbox, and by that the money is there."""
        person = self.manager
        person.menu("Payments", "Program funds")
        person.page.get_by_role("button", name="New", exact=True).click()
        person.choose("program_id", PROGRAM)
        person.fill("amount", DEPOSIT)
        person.page.get_by_role("button", name="Save manually").click()
        person.shows_state("Draft")
        person.press("Ask finance to post")
        assert "waits for" in person.message()
        person = self.finance
        person.agree(f"Deposit of $ {DEPOSIT:,.2f} for {PROGRAM}", f"{DEPOSIT:,.2f}")
        with person.new_action():
            person.page.get_by_role("button", name="Open it").click()
        person.shows_state("Posted")
        person.shows("available", DEPOSIT)
        account = self.account()
        assert (account.posted, account.reserved, account.disbursed) == (DEPOSIT, 0, 0)

    # Cycle

    def prepare_cycle(self):
        person, due = self.manager, self.due
        person.menu("Programs", "Programs")
        person.open_row(PROGRAM)
        person.press("Create new cycle")
        person.confirm("Create new cycle", f"{due.count:,} enrolled members")
        person.shows_state("Draft")
        person.shows_pipeline("Beneficiaries", due.count)
        # The program's manager copied them already, so there is nobody left to copy.
        assert "There was nothing to do" in person.step("Copy beneficiaries", f"{due.count:,} enrolled members")
        message = person.step("Verify eligibility", f"{due.count:,} are eligible now")
        assert f"Still eligible: {due.count:,}." in message
        person.shows_stat("action_view_members", due.count)
        assert self.states("g2p_cycle_membership") == {"enrolled": due.count}
        message = person.step("Prepare entitlements", f"each of {due.count:,} beneficiaries")
        assert f"Prepared: {due.count:,}." in message
        self.shows_entitlements(person)
        message = person.step("Prepare entitlements")
        assert f"Prepared already: {due.count:,}." in message
        self.shows_entitlements(person)
        assert self.states("g2p_entitlement") == {"draft": due.count}
        self.check_entitlements()
        message = person.step("Send for approval", f"{due.count:,} entitlements", f"{due.amount:,.2f}")
        assert f"Sent for approval: {due.count:,}." in message
        person.shows_state("To approve")
        expect(person.button("Approve cycle")).to_have_count(0)
        assert self.cycle().state == "to_approve"
        assert self.states("g2p_entitlement") == {"pending_validation": due.count}

    def shows_entitlements(self, person):
        person.shows_stat("action_view_entitlements", self.due.count)
        person.shows_pipeline("Entitlements", self.due.count, self.due.amount)

    def check_entitlements(self):
        """Each household has what the registry says is due to it, and nobody else has anything."""
        wrong = self.sql(
            f"""
            SELECT due.id, entitlement.partner_id
              FROM ({DUE}) AS due
              FULL JOIN (SELECT * FROM g2p_entitlement WHERE cycle_id = %(cycle)s) AS entitlement
                ON entitlement.partner_id = due.id AND entitlement.initial_amount = due.amount
               AND entitlement.transfer_fee = due.fee
             WHERE due.id IS NULL OR entitlement.partner_id IS NULL
            """,
            duplicates=self.out,
            cycle=self.cycle().id,
        )
        assert not wrong

    def approve(self):
        due = self.due
        self.open_cycle(self.approver)
        self.approver.shows_state("To approve")
        self.shows_entitlements(self.approver)
        self.approver.press("Approve cycle")
        self.approver.confirm("Approve cycle", f"{due.count:,} beneficiaries", f"{due.amount:,.2f}")
        self.approver.shows_state("Approved")
        expect(self.approver.button("Approve entitlements")).to_have_count(0)
        assert self.cycle().state == "approved"
        self.open_cycle(self.finance)
        self.finance.shows_pipeline("Approval", 0)
        message = self.finance.step("Approve entitlements", f"{due.count:,} entitlements", f"{due.amount:,.2f}")
        assert f"Approved: {due.count:,}." in message
        self.finance.shows_pipeline("Approval", due.count, due.amount)
        assert self.states("g2p_entitlement") == {"approved": due.count}
        account = self.account()
        assert (account.posted, account.reserved, account.disbursed) == (DEPOSIT, due.amount, 0)

    # Payments

    def pay(self):
        person, due = self.manager, self.due
        net = due.amount - due.fee
        self.open_cycle(person)
        message = person.step("Prepare payments", f"{due.count:,} approved entitlements")
        [without] = self.one(
            "SELECT COUNT(*) FROM g2p_payment WHERE cycle_id = %(cycle)s AND account_number IS NULL",
            cycle=self.cycle().id,
        )
        assert f"Prepared: {due.count - without:,}. Prepared for the cash desk: {without:,}." in message
        person.shows_stat("action_view_payments", due.count)
        person.shows_pipeline("Payments", due.count, net)
        assert self.states("g2p_payment") == {"issued": due.count}
        message = person.step("Send payments", f"{due.count:,} payments", f"{net:,.2f}")
        assert f"Sent: {due.count:,}." in message
        expect(person.button("Send payments")).to_have_count(0)
        assert self.states("g2p_payment") == {"sent": due.count}
        sent = self.one(
            """
            SELECT COUNT(DISTINCT entitlement_id), SUM(amount_issued) AS amount, SUM(payment_fee) AS fee
              FROM g2p_payment WHERE cycle_id = %(cycle)s
            """,
            cycle=self.cycle().id,
        )
        assert (sent.count, sent.amount) == (due.count, net)

    def open_payments(self):
        return self.sql(
            """
            SELECT id, name, amount_issued FROM g2p_payment
             WHERE cycle_id = %(cycle)s AND state = 'sent' AND status IS NULL ORDER BY id
            """,
            cycle=self.cycle().id,
        )

    def upload(self, filename, lines, counts):
        """Finance reads a file, looks at what would happen, and applies it. Returns the message."""
        person = self.finance
        self.open_cycle(person)
        with person.new_action():
            person.press("Reconcile with a file")
        person.field("file").locator("input[type=file]").set_input_files(
            {"name": filename, "mimeType": "text/csv", "buffer": statement(lines)}
        )
        expect(person.field("cycle_id").locator("input")).to_have_value(f"{PROGRAM} · {self.cycle().name}")
        person.press("Read the file")
        person.message()
        person.shows_state("Checked")
        self.shows_outcomes(counts)
        person.press("Apply")
        person.confirm("Apply", "become final as paid")
        message = person.message()
        person.shows_state("Applied")
        return message

    def shows_outcomes(self, counts):
        """The figures of a file that was read: on the screen, and of its lines in the database."""
        more = self.finance.page.locator(".o-form-buttonbox .o_button_more")
        if more.count():
            more.click()
        for outcome in ("matched", "unmatched", "amount_mismatch", "duplicate", "already_final", "bad"):
            if outcome in counts:
                self.finance.shows(f"{outcome}_count", counts[outcome])
            else:
                expect(self.finance.field(f"{outcome}_count").filter(has_text=re.compile("[1-9]"))).to_have_count(0)
        if more.count():
            self.finance.page.keyboard.press("Escape")
        rows = self.sql(
            """
            SELECT outcome, COUNT(*) FROM g2p_payment_reconciliation_line
             WHERE reconciliation_id = (SELECT MAX(id) FROM g2p_payment_reconciliation) GROUP BY outcome
            """
        )
        assert dict(rows) == counts

    def reconcile(self):
        """The first answer of the payer: one payment failed, one has another amount, and one line is nobody's."""
        due, payments = self.due, self.open_payments()
        failed, other, *paid = payments
        lines = [(payment.name, "paid", payment.amount_issued, f"TX{payment.id}", "") for payment in paid]
        lines.append((failed.name, "failed", failed.amount_issued, "", "Account closed"))
        lines.append((other.name, "paid", other.amount_issued - 1, f"TX{other.id}", ""))
        lines.append(("00000000-0000-0000-0000-000000000000", "paid", 100, "TX0", ""))
        message = self.upload(
            "statement-1.csv", lines, {"matched": len(paid) + 1, "amount_mismatch": 1, "unmatched": 1}
        )
        assert f"Paid: {len(paid):,}." in message
        assert "Marked as failed: 1." in message
        assert len(paid) == due.count - 2
        amount = sum(payment.amount_issued for payment in paid)
        self.open_cycle(self.finance)
        self.finance.shows_state("Approved")
        self.finance.shows_pipeline("Reconciled", len(paid), amount)
        expect(self.finance.page.locator(".o_g2p_pipeline")).to_contain_text("1 failed")
        assert self.payment_statuses() == {"paid": len(paid), "failed": 1, None: 1}
        gross = self.one(
            "SELECT SUM(amount_paid + payment_fee) AS amount FROM g2p_payment WHERE cycle_id = %(cycle)s AND status = 'paid'",
            cycle=self.cycle().id,
        ).amount
        account = self.account()
        assert (account.reserved, account.disbursed) == (due.amount - gross, gross)
        assert self.cycle().state == "approved"
        self.failed = failed

    def payment_statuses(self):
        rows = self.sql(
            "SELECT status, COUNT(*) FROM g2p_payment WHERE cycle_id = %(cycle)s GROUP BY status", cycle=self.cycle().id
        )
        return dict(rows)

    def retry(self):
        """What failed is prepared and sent again; the second answer pays it, and what had another amount."""
        person, due = self.manager, self.due
        self.open_cycle(person)
        assert "Prepared: 1." in person.step("Prepare payments", "the one approved entitlement")
        assert "Sent: 1." in person.step("Send payments", "Send 1 payment of")
        again = self.open_payments()
        assert len(again) == 2
        tries = self.sql(
            """
            SELECT attempt, status FROM g2p_payment
             WHERE entitlement_id = (SELECT entitlement_id FROM g2p_payment WHERE id = %(failed)s) ORDER BY attempt
            """,
            failed=self.failed.id,
        )
        assert [tuple(row) for row in tries] == [(1, "failed"), (2, None)]
        lines = [(payment.name, "paid", payment.amount_issued, f"TX{payment.id}", "") for payment in again]
        # An old line comes again with it, and changes nothing.
        lines.append((self.failed.name, "failed", self.failed.amount_issued, "", "Account closed"))
        message = self.upload("statement-2.csv", lines, {"matched": 2, "already_final": 1})
        assert "Paid: 2." in message
        assert self.payment_statuses() == {"paid": due.count, "failed": 1}

    def close(self):
        person, due = self.manager, self.due
        self.open_cycle(person)
        person.shows_state("Distributed")
        person.shows_pipeline("Reconciled", due.count, due.amount - due.fee)
        assert self.cycle().state == "distributed"
        person.press("End cycle")
        person.confirm("End cycle", "is closed")
        person.shows_state("Ended")
        self.check_money()
        moves = self.sql(
            """
            SELECT history.from_state, history.to_state, users.login
              FROM g2p_state_history AS history JOIN res_users AS users ON users.id = history.user_id
             WHERE history.res_model = 'g2p.cycle' AND history.res_id = %(cycle)s ORDER BY history.id
            """,
            cycle=self.cycle().id,
        )
        assert [tuple(move) for move in moves] == [
            ("draft", "to_approve", "manager"),
            ("to_approve", "approved", "approver"),
            ("approved", "distributed", "finance"),
            ("distributed", "ended", "manager"),
        ]
        person.menu("Programs", "Programs")
        card = person.page.locator(".o_kanban_record").filter(has_text=PROGRAM)
        expect(card).to_contain_text(f"{DEPOSIT - due.amount:,.2f}")
        self.finance.menu("Payments", "Fund accounts")
        row = self.finance.page.locator(".o_data_row").filter(has_text=PROGRAM)
        for name, amount in (
            ("posted", DEPOSIT),
            ("reserved", 0),
            ("disbursed", due.amount),
            ("available", DEPOSIT - due.amount),
        ):
            expect(row.locator(f"td[name={name}]")).to_contain_text(f"{amount:,.2f}")

    def check_money(self):
        """Every household has exactly what is due to it, once; the account and its ledger add up to the same."""
        paid = self.one(
            f"""
            SELECT COUNT(*), SUM(payment.amount_paid + payment.payment_fee) AS amount
              FROM ({DUE}) AS due
              JOIN g2p_payment AS payment ON payment.partner_id = due.id AND payment.status = 'paid'
               AND payment.amount_paid = due.amount - due.fee AND payment.cycle_id = %(cycle)s
            """,
            duplicates=self.out,
            cycle=self.cycle().id,
        )
        assert tuple(paid) == (self.due.count, self.due.amount)
        account = self.account()
        assert (account.posted, account.reserved, account.disbursed) == (DEPOSIT, 0, self.due.amount)
        ledger = defaultdict(Decimal)
        for kind, amount in self.sql(
            "SELECT kind, SUM(amount) FROM g2p_fund_ledger WHERE account_id = %(account)s GROUP BY kind",
            account=account.id,
        ):
            ledger[kind] = amount
        assert ledger["deposit"] - ledger["withdraw"] - ledger["write_off"] == DEPOSIT
        assert ledger["disburse"] - ledger["refund"] - ledger["write_off"] == self.due.amount


@pytest.fixture
def worker(screen, sql, session):
    return Worker(screen, sql, session)


def test_main_job(worker):
    worker.create_program()
    worker.find_members()
    worker.post_fund()
    worker.prepare_cycle()
    worker.approve()
    worker.pay()
    worker.reconcile()
    worker.retry()
    worker.close()
