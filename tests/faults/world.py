"""A program and its cycle, step by step as its people do them, and the figures that say what came of each step."""

import base64
import csv
import io
from decimal import Decimal

BORN_AFTER = "1960-01-01"
DEPOSIT = 10_000_000

# What may have moved after each step: all of it is compared, whatever the step.
FIGURES = {
    "members": """
        SELECT state, COUNT(*), COUNT(DISTINCT partner_id) FROM g2p_program_membership
        WHERE program_id = %(program)s GROUP BY state ORDER BY state
    """,
    "duplicate sets": """
        SELECT state, COUNT(*) FROM g2p_program_membership_duplicate
        WHERE program_id = %(program)s GROUP BY state ORDER BY state
    """,
    "cycle members": """
        SELECT member.state, COUNT(*), COUNT(DISTINCT member.partner_id)
        FROM g2p_cycle_membership AS member JOIN g2p_cycle AS cycle ON cycle.id = member.cycle_id
        WHERE cycle.program_id = %(program)s GROUP BY member.state ORDER BY member.state
    """,
    "entitlements": """
        SELECT state, COUNT(*), COUNT(DISTINCT partner_id), SUM(initial_amount), COUNT(ern) FROM g2p_entitlement
        WHERE program_id = %(program)s GROUP BY state ORDER BY state
    """,
    "payments": """
        SELECT state, status, COUNT(*), COUNT(DISTINCT entitlement_id), SUM(amount_issued), SUM(amount_paid)
        FROM g2p_payment WHERE program_id = %(program)s GROUP BY state, status ORDER BY state, status
    """,
    "fund": "SELECT posted, reserved, disbursed FROM g2p_fund_account WHERE program_id = %(program)s",
    "history": """
        SELECT history.res_model, history.from_state, history.to_state, COUNT(*), COUNT(DISTINCT history.res_id)
        FROM g2p_state_history AS history
        JOIN (
            SELECT 'g2p.program_membership' AS model, id FROM g2p_program_membership WHERE program_id = %(program)s
            UNION ALL
            SELECT 'g2p.cycle.membership', member.id FROM g2p_cycle_membership AS member
            JOIN g2p_cycle AS cycle ON cycle.id = member.cycle_id WHERE cycle.program_id = %(program)s
            UNION ALL
            SELECT 'g2p.entitlement', id FROM g2p_entitlement WHERE program_id = %(program)s
        ) AS mine ON mine.model = history.res_model AND mine.id = history.res_id
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """,
    "counters": """
        SELECT beneficiaries_count, eligible_beneficiaries_count FROM g2p_program WHERE id = %(program)s
    """,
}

# Each of these returns no row: whatever happened on the way.
NEVER = {
    "the ledger gives the account's amounts": """
        SELECT account.id FROM g2p_fund_account AS account
        LEFT JOIN (
            SELECT account_id,
                   SUM(CASE WHEN kind = 'deposit' THEN amount WHEN kind IN ('withdraw', 'write_off') THEN -amount ELSE 0 END) AS posted,
                   SUM(CASE kind WHEN 'reserve' THEN amount WHEN 'release' THEN -amount
                                 WHEN 'disburse' THEN -amount ELSE 0 END) AS reserved,
                   SUM(CASE WHEN kind = 'disburse' THEN amount WHEN kind IN ('refund', 'write_off') THEN -amount ELSE 0 END) AS disbursed
            FROM g2p_fund_ledger GROUP BY account_id
        ) AS ledger ON ledger.account_id = account.id
        WHERE account.posted <> COALESCE(ledger.posted, 0) OR account.reserved <> COALESCE(ledger.reserved, 0)
           OR account.disbursed <> COALESCE(ledger.disbursed, 0)
           OR account.reserved + account.disbursed > account.posted OR account.reserved < 0
    """,
    "what is reserved is held by approved entitlements or by an operation": """
        SELECT account.id FROM g2p_fund_account AS account
        WHERE account.reserved <> (
            SELECT COALESCE(SUM(initial_amount), 0) FROM g2p_entitlement
            WHERE program_id = account.program_id AND state IN ('approved', 'trans2FSP')
        ) + (SELECT COALESCE(SUM(amount), 0) FROM g2p_fund_hold WHERE account_id = account.id)
    """,
    "one membership a registrant": """
        SELECT program_id, partner_id FROM g2p_program_membership GROUP BY 1, 2 HAVING COUNT(*) > 1
    """,
    "one live entitlement a beneficiary and cycle": """
        SELECT cycle_id, partner_id FROM g2p_entitlement WHERE state NOT IN ('cancelled', 'expired')
        GROUP BY 1, 2 HAVING COUNT(*) > 1
    """,
    "one live payment an entitlement": """
        SELECT entitlement_id FROM g2p_payment WHERE status IS DISTINCT FROM 'failed' GROUP BY 1 HAVING COUNT(*) > 1
    """,
    "a state is entered once by one operation": """
        SELECT res_model, res_id, to_state, operation_id FROM g2p_state_history WHERE operation_id IS NOT NULL
        GROUP BY 1, 2, 3, 4 HAVING COUNT(*) > 1
    """,
    "an operation's counts add up": """
        SELECT operation.id FROM g2p_bulk_operation AS operation
        JOIN g2p_bulk_chunk AS chunk ON chunk.operation_id = operation.id
        CROSS JOIN LATERAL (
            SELECT COALESCE(SUM(value::int), 0) AS counted FROM jsonb_each_text(chunk.counts)
        ) AS outcome
        WHERE chunk.state = 'done' AND outcome.counted <> chunk.planned
    """,
}


def reconciliation_file(payments):
    """All are paid, but each fiftieth failed."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["payment reference", "status", "amount", "bank reference", "reason"])
    for number, payment in enumerate(payments):
        status = ["failed", "", "Account closed"] if number % 50 == 13 else ["paid", f"TX{number:06}", ""]
        amount = Decimal(str(payment["amount_issued"])).quantize(Decimal("0.01"))
        writer.writerow([payment["name"], status[0], amount, *status[1:]])
    return base64.b64encode(text.getvalue().encode()).decode()


class World:
    """The people of a node, on a database of a cluster."""

    LOGINS = ("admin", "registrar", "manager", "approver", "finance")

    def __init__(self, cluster, node):
        self.cluster, self.node, self.database = cluster, node, node.database
        for login in self.LOGINS:
            setattr(self, login, node.user(login))

    def sql(self, query, *parameters):
        return self.cluster.sql(self.database, query, *parameters)

    def program(self, name, domain=f'[("birthdate", ">", "{BORN_AFTER}")]'):
        return Program(self, name, domain)

    def agree(self, model, record_id):
        """The approver agrees to what waits about a record."""
        waiting = [["res_model", "=", model], ["res_id", "=", record_id], ["state", "=", "waiting"]]
        [request] = self.approver.search("g2p.approval.request", waiting, "id", "digest")
        self.approver.call("g2p.approval.request", "action_approve", [request["id"]], "Looked at", request["digest"])

    def never(self):
        """What must never be, and is: names of the broken promises."""
        return [name for name, query in NEVER.items() if self.sql(query)]

    def let_through(self, model, record_id, step):
        """The gate does not hold this step of a record: what comes after it is what is to be held."""
        self.sql("INSERT INTO faults_let_through VALUES (%s, %s, %s)", model, record_id, step)

    def operations(self, model, record_id):
        return self.manager.search(
            "g2p.bulk.operation", [["res_model", "=", model], ["res_id", "=", record_id]], "step", "state"
        )


class Program:
    """The steps of one program and one cycle: ``steps`` names them, ``start(step)`` presses the button."""

    def __init__(self, world, name, domain, deposit=DEPOSIT, policy=None):
        self.world, self.name = world, name
        manager = world.manager
        wizard = manager.create(
            "g2p.program.create.wizard",
            name=name,
            target_type="individual",
            eligibility_domain=domain,
            amount_per_cycle=100,
            transfer_fee_pct=2,
            # Few of the demo's people have an account.
            no_account_policy="desk",
        )
        self.id = manager.call("g2p.program.create.wizard", "create_program", [wizard])["res_id"]
        world.agree("g2p.program", self.id)
        world.admin.create("g2p.deduplication.manager.id_dedup", name="IDs", program_id=self.id)
        [settings] = world.admin.search("g2p.program.manager.default", [["program_id", "=", self.id]], "id")
        world.admin.call(
            "g2p.program.manager.default", "write", [settings["id"]], {"copy_last_cycle_on_new_cycle": False}
        )
        self.cycle = self.reconciliation = None
        self.deposit = deposit
        self.done = []
        self.move(world)

    def move(self, world):
        """The people of this world, at this node, go on."""
        self.world = world
        self.steps = {
            "import": (self.on_program, world.manager, "import_eligible_registrants", ["draft"]),
            "deduplicate": (self.on_program, world.manager, "deduplicate_beneficiaries", []),
            "enrol": (self.on_program, world.manager, "enroll_eligible_registrants", []),
            "verify": (self.on_program, world.manager, "verify_eligibility", []),
            "copy": (self.on_cycle, world.manager, "copy_beneficiaries_from_program", []),
            "cycle verify": (self.on_cycle, world.manager, "check_eligibility", []),
            "prepare": (self.on_cycle, world.manager, "prepare_entitlement", []),
            "submit": (self.on_cycle, world.manager, "to_approve", []),
            "approve": (self.on_cycle, world.finance, "validate_entitlement", []),
            "prepare payments": (self.on_cycle, world.manager, "prepare_payment", []),
            "send": (self.on_cycle, world.manager, "send_payment", []),
            "reconcile": (self.on_reconciliation, world.finance, "action_apply", []),
        }

    # What the steps work on

    def on_program(self):
        return "g2p.program", self.id

    def on_cycle(self):
        return "g2p.cycle", self.cycle

    def on_reconciliation(self):
        return "g2p.payment.reconciliation", self.reconciliation

    def target(self, step):
        return self.steps[step][0]()

    def user(self, step):
        return self.steps[step][1]

    def start(self, step, user=None):
        """Press the button of a step; what has to be there before is made first."""
        target, own_user, method, args = self.steps[step]
        model, record_id = target()
        return (user or own_user).call(model, method, [record_id], *args)

    def ready(self, step):
        """Do what comes before a step, and is none itself."""
        world = self.world
        if step == "copy" and not self.cycle:
            self.new_cycle()
        elif step == "approve":
            world.approver.call("g2p.cycle", "approve", [self.cycle])
            self.post(self.deposit)
        elif step == "reconcile":
            payments = world.finance.search(
                "g2p.payment", [["cycle_id", "=", self.cycle]], "name", "amount_issued", order="partner_id"
            )
            self.reconciliation = world.finance.create(
                "g2p.payment.reconciliation",
                cycle_id=self.cycle,
                filename="statement.csv",
                file=reconciliation_file(payments),
            )
            world.finance.call("g2p.payment.reconciliation", "action_check", [self.reconciliation])

    def new_cycle(self):
        self.cycle = self.world.manager.call("g2p.program", "create_new_cycle", [self.id])["res_id"]
        return self.cycle

    def post(self, amount):
        fund = self.world.manager.create("g2p.program.fund", program_id=self.id, amount=amount)
        self.world.finance.call("g2p.program.fund", "post_fund", [fund])

    def run(self, step):
        self.ready(step)
        self.start(step)
        self.done.append(step)

    def run_before(self, step):
        """Everything up to a step, undisturbed, and the ground for it."""
        for earlier in list(self.steps)[: list(self.steps).index(step)]:
            if earlier not in self.done:
                self.run(earlier)
        self.ready(step)
        return self

    # What came of it

    def operation(self, step):
        """The last operation of a step, as its form shows it to who started it."""
        model, record_id = self.target(step)
        user = self.user(step)
        [latest] = user.search("g2p.bulk.operation", [["res_model", "=", model], ["res_id", "=", record_id]], "id")[-1:]
        names = [
            "state",
            "mode",
            "interruption",
            "can_resume",
            "can_cancel",
            "last_error",
            "counts",
            "planned",
            "processed",
        ]
        shown = user.read("g2p.bulk.operation", latest["id"], *names)
        shown["chunks"] = [
            chunk["state"]
            for chunk in user.search("g2p.bulk.chunk", [["operation_id", "=", latest["id"]]], "state", order="low")
        ]
        shown["log"] = [
            line["kind"] for line in user.search("g2p.bulk.log", [["operation_id", "=", latest["id"]]], "kind")
        ]
        on_form = user.read(model, record_id, "running_operation_id")["running_operation_id"]
        shown["on the form"] = bool(on_form) and on_form[0] == latest["id"]
        return shown

    def resume(self, step):
        return self.user(step).call("g2p.bulk.operation", "action_resume", [self.operation(step)["id"]])

    def figures(self):
        with self.world.cluster.connect(self.world.database) as connection, connection.cursor() as cursor:
            found = {}
            for name, query in FIGURES.items():
                cursor.execute(query, {"program": self.id})
                found[name] = cursor.fetchall()
        connection.close()
        return found
