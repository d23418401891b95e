#!/usr/bin/env python3
"""Looks at an upgraded database: scripts/python tests/upgrade/look.py DATABASE

Prints, as JSON: what dangles, how many records each menu shows, and what became of the cycles that were under way when the
database was made (`fill.py`), each taken further by the buttons of those who would.
"""

import base64
import json
import sys
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parent.parent),
    str(Path(__file__).resolve().parent.parent.parent / "scripts"),
]
from dangling import dangling  # noqa: E402
from odoo_environment import as_user, environment  # noqa: E402
from open_menus import shown  # noqa: E402

PROGRAM = "Household Support"


def asked(env):
    """{state of a cycle: what is asked of others about it} of the program's cycles, as who approves sees it."""
    approver = as_user(env, "approver")
    cycles = env["g2p.program"].search([("name", "=", PROGRAM)]).cycle_ids
    requests = approver["g2p.approval.request"].search(
        [("res_model", "=", "g2p.cycle"), ("res_id", "in", cycles.ids), ("state", "=", "waiting")]
    )
    told = {}
    for cycle in cycles:
        own = requests.filtered(lambda request, cycle=cycle: request.res_id == cycle.id)
        told.setdefault(cycle.state, []).extend((request.kind_code, request.can_decide) for request in own)
    return told


def go_on(env):
    """The draft is approved and paid; what waits for approval is approved; half a paid cycle is paid whole."""
    manager, approver, finance = (as_user(env, login) for login in ("manager", "approver", "finance"))
    program = manager["g2p.program"].search([("name", "=", PROGRAM)])
    open_cycles = program.cycle_ids.filtered(lambda cycle: cycle.state in ("approved", "to_approve", "draft"))
    half, approved, waiting, draft = open_cycles.sorted("id")
    # A dump grows old: the cycles are those of the last months, whenever it was made.
    for months, cycle in enumerate(program.cycle_ids.sorted("id", reverse=True)):
        env.cr.execute(
            """
            UPDATE g2p_cycle
               SET start_date = current_date - %(days)s, end_date = current_date - %(days)s + 27
             WHERE id = %(id)s
            """,
            {"days": months * 28, "id": cycle.id},
        )
    # What waits for approval keeps its days; here it is the calendar that moved.
    env.cr.execute("ALTER TABLE g2p_entitlement DISABLE TRIGGER g2p_entitlement_kind_fixed")
    env.cr.execute(
        """
        UPDATE g2p_entitlement SET valid_from = current_date - 1, valid_until = current_date + 30
         WHERE cycle_id = ANY(%s)
        """,
        [open_cycles.ids],
    )
    env.cr.execute("ALTER TABLE g2p_entitlement ENABLE TRIGGER g2p_entitlement_kind_fixed")
    env.invalidate_all()
    draft.check_eligibility()
    draft.to_approve()
    for cycle in (waiting, draft):
        cycle.with_env(approver).approve()
        cycle.with_env(finance).validate_entitlement()
    for cycle in (half, approved, waiting, draft):
        cycle.prepare_payment()
        cycle.send_payment()
        lines = ["payment reference,status,amount,bank reference,reason"]
        for payment in finance["g2p.payment"].search([("cycle_id", "=", cycle.id), ("status", "=", False)]):
            lines.append(f"{payment.name},paid,{payment.amount_issued},AFTER{payment.id},")
        reconciliation = finance["g2p.payment.reconciliation"].create(
            {"cycle_id": cycle.id, "filename": "after.csv", "file": base64.b64encode("\n".join(lines).encode())}
        )
        reconciliation.action_check()
        reconciliation.action_apply()
    env.invalidate_all()
    return {
        cycle.name: {
            "state": cycle.state,
            "entitlements": cycle.entitlements_count,
            "paid": cycle.paid_count,
            "amount": cycle.paid_amount,
        }
        for cycle in (half, approved, waiting, draft)
    }


if __name__ == "__main__":
    with environment(sys.argv[1]) as superuser:
        told = {
            "dangling": dangling(superuser),
            "menus": shown(as_user(superuser, "admin")),
            "asked": asked(superuser),
            "cycles": go_on(superuser),
        }
        superuser.cr.commit()
        print(json.dumps(told))
