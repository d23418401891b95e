"""Eligibility by five managers on one database, and the same decision by plain SQL.

    scripts/python tests/bench/eligibility.py DATABASE         prints one JSON object a step

The program asks for a date of birth, a gender and an income that may be missing, an area with all within it, a document, a
phone number, and two rules. Everybody is a draft member first. Plain SQL is one UPDATE in one transaction: no chunks, no
history, no reasons, no verdict on missing data. Both sides must enrol the same number.
"""

import json
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from odoo_environment import agree, as_user, environment

import odoo.sql_db

BORN_AFTER = "1960-01-01"
AREA = "DM-1"
MANAGERS = (
    (
        "default",
        {"eligibility_domain": f"[('birthdate', '>', '{BORN_AFTER}'), ('gender', '!=', False), ('income', '<', 4000)]"},
    ),
    ("area", {}),
    ("id_dedup", {}),
    ("phone_number", {}),
    (
        "rules",
        {
            "rule_ids": [
                (0, 0, {"mnemonic": "BENCH-ALL", "rule_number": 1, "domain": "[('birthdate', '!=', False)]"}),
                (
                    0,
                    0,
                    {
                        "mnemonic": "BENCH-OLD",
                        "rule_number": 2,
                        "set_operator": "except",
                        "domain": "[('birthdate', '<', '1965-01-01')]",
                    },
                ),
            ]
        },
    ),
)
PLAIN = """
    UPDATE plain_membership AS membership
       SET state = CASE WHEN eligible.id IS NULL THEN 'not_eligible' ELSE 'enrolled' END, write_date = now()
      FROM g2p_program_membership AS this
      LEFT JOIN (
            SELECT registrant.id
              FROM res_partner AS registrant
              JOIN g2p_area AS area ON area.id = registrant.area_id AND area.parent_path LIKE %(path)s
             WHERE registrant.is_registrant AND registrant.active AND registrant.disabled IS NULL
               AND NOT COALESCE(registrant.is_group, FALSE)
               AND registrant.birthdate > %(born_after)s AND registrant.gender IS NOT NULL AND registrant.income < 4000
               AND registrant.birthdate >= '1965-01-01'
               AND EXISTS (
                    SELECT FROM g2p_reg_id AS document
                     WHERE document.partner_id = registrant.id AND document.value IS NOT NULL
                       AND COALESCE(document.status, 'valid') <> 'invalid'
                       AND (document.expiry_date IS NULL OR document.expiry_date >= current_date)
                   )
               AND EXISTS (
                    SELECT FROM g2p_phone_number AS phone WHERE phone.partner_id = registrant.id AND phone.disabled IS NULL
                   )
           ) AS eligible ON eligible.id = this.partner_id
     WHERE membership.id = this.id
"""


def timed(name, work, **more):
    statements, started = odoo.sql_db.sql_counter, time.perf_counter()
    work()
    result = {"step": name, "seconds": time.perf_counter() - started}
    result["statements"] = odoo.sql_db.sql_counter - statements
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {**result, **more}


def setup(env):
    manager = as_user(env, "manager")
    program = manager["g2p.program"].create({"name": "Benchmark eligibility", "target_type": "individual"})
    program.action_activate()
    agree(env, program)
    area = env["g2p.area"].search([("code", "=", AREA)])
    if not area:
        raise SystemExit(f"There is no area {AREA}: is this a demo country?")
    env.cr.execute(
        "UPDATE res_partner SET income = CASE WHEN id % 17 = 0 THEN NULL ELSE (id * 37) % 5000 END WHERE is_registrant"
    )
    program.get_manager(program.MANAGER_ENTITLEMENT).amount_per_cycle = 100
    program.eligibility_managers.unlink()
    for kind, values in MANAGERS:
        values = {**values, "area_ids": [(6, 0, area.ids)]} if kind == "area" else values
        manager[f"g2p.program_membership.manager.{kind}"].create({"name": kind, "program_id": program.id, **values})
    env.cr.execute(
        """
        INSERT INTO g2p_program_membership (partner_id, program_id, state, create_uid, create_date)
        SELECT id, %s, 'draft', %s, now() FROM res_partner WHERE is_registrant AND NOT COALESCE(is_group, FALSE)
        """,
        [program.id, manager.uid],
    )
    env.cr.execute("CREATE TABLE plain_membership (LIKE g2p_program_membership INCLUDING ALL)")
    env.cr.execute(
        "INSERT INTO plain_membership SELECT * FROM g2p_program_membership WHERE program_id = %s", [program.id]
    )
    program._refresh_counters()
    env.cr.commit()
    env.cr.execute("ANALYZE g2p_program_membership, plain_membership, res_partner")
    env.cr.commit()
    return program, area


def main(database):
    with environment(database) as env:
        program, area = setup(env)
        terms = {"path": f"{area.parent_path}%", "born_after": BORN_AFTER}
        print(json.dumps(timed("preview", program.action_preview_eligibility)), flush=True)
        env.cr.commit()
        ours = timed("enrol by five managers", program.enroll_eligible_registrants)
        env.cr.commit()
        started = time.perf_counter()
        env.cr.execute(PLAIN, terms)
        env.cr.commit()
        ours["plain_seconds"] = time.perf_counter() - started
        counts = env["g2p.bulk.operation"].search([("res_id", "=", program.id), ("step", "=", "enroll")]).counts
        env.cr.execute("SELECT COUNT(*) FROM plain_membership WHERE state = 'enrolled'")
        [enrolled] = env.cr.fetchone()
        if counts["enrolled"] != enrolled:
            raise SystemExit(f"enrolled {counts['enrolled']}, plain SQL {enrolled}")
        print(json.dumps({**ours, "rows": sum(counts.values()), "counts": counts}), flush=True)
        ours = timed("verify, nothing changes", program.verify_eligibility)
        env.cr.commit()
        print(json.dumps(ours), flush=True)
        scenario = as_user(env, "manager")["g2p.program.scenario"].create(
            {"name": "As it is", "program_id": program.id, "benchmark_domain": "[('income', '<', 1000)]"}
        )
        ours = timed("simulate the same five managers", scenario.action_simulate, rows=sum(counts.values()))
        env.cr.commit()
        if scenario.beneficiaries != enrolled:
            raise SystemExit(f"enrolled {enrolled}, simulated {scenario.beneficiaries}")
        print(json.dumps(ours), flush=True)
        low = env["res.partner"].search([("is_registrant", "=", True), ("is_group", "=", False)], limit=100, order="id")
        print(
            json.dumps(timed("explain 100 registrants", lambda: program.sudo().explain_eligibility(low.ids))),
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1])
