"""Deduplication on one database of demo people: by ID and phone beside plain SQL, and by name with precision and recall.

    scripts/python tests/bench/dedup.py DATABASE [individual|group|name]...       prints one JSON object a step

The demo generator plants duplicates; which people they are follows from their number (see `_plant_duplicates`), not from what
the product compares. Plain SQL marks all but the lowest of each key in one UPDATE: no chains of keys, no evidence, no sets.
"""

import json
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from odoo_environment import agree, as_user, environment

import odoo.sql_db

# The planted people: number of the duplicate and of the original, whom `_plant_duplicates` looked up. A demo partner's id is
# the number of the person and an offset, the highest household; the original is the nearest before with the same name.
PLANTED = """
    DROP TABLE IF EXISTS numbered, planted;
    CREATE TEMPORARY TABLE numbered AS
    SELECT id, id - (SELECT MAX(id) FROM res_partner WHERE is_registrant AND is_group) AS number,
           family_name, given_name, birthdate
      FROM res_partner WHERE is_registrant AND is_group IS NOT TRUE;
    CREATE INDEX ON numbered (number);
    ANALYZE numbered;
    CREATE TEMPORARY TABLE planted AS
    SELECT copy.id AS copy, copy.number / 50 % 4 AS kind,
           (SELECT original.id FROM numbered AS original
             WHERE original.number BETWEEN copy.number - 40 AND copy.number - 1
               AND original.family_name = copy.family_name
               AND (original.birthdate = copy.birthdate OR original.birthdate IS NULL)
               AND left(original.given_name, 1) = left(copy.given_name, 1)
             ORDER BY original.number DESC LIMIT 1) AS original
      FROM numbered AS copy
     WHERE copy.number % 50 = 17;
"""
PLAIN = """
    UPDATE plain_membership AS membership
       SET state = 'duplicated', write_date = now()
      FROM (SELECT member, MIN(member) OVER (PARTITION BY key) AS kept
              FROM (SELECT people.member, 'person:' || people.person AS key FROM ({people}) AS people
                     UNION
                    SELECT people.member, document.id_type || upper(regexp_replace(document.value, '[\\s./-]', '', 'g'))
                      FROM ({people}) AS people JOIN g2p_reg_id AS document ON document.partner_id = people.person
                     WHERE document.expiry_date IS NULL OR document.expiry_date >= current_date
                     UNION
                    SELECT people.member, phone.phone_sanitized
                      FROM ({people}) AS people JOIN g2p_phone_number AS phone ON phone.partner_id = people.person
                     WHERE phone.phone_sanitized <> '' AND phone.disabled IS NULL) AS keyed) AS found
     WHERE membership.partner_id = found.member AND found.kept < found.member
"""


def timed(env, name, button, **more):
    statements, started = odoo.sql_db.sql_counter, time.perf_counter()
    button()
    env.cr.commit()
    return {
        "step": name,
        "seconds": time.perf_counter() - started,
        "statements": odoo.sql_db.sql_counter - statements,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        **more,
    }


def report(figures):
    print(json.dumps({name: round(v, 3) if isinstance(v, float) else v for name, v in figures.items()}), flush=True)


def count(env, query, *terms):
    env.cr.execute(query, terms)
    return env.cr.fetchone()[0]


def program(env, name, target, *managers):
    """A program of everybody, all draft, with these deduplication managers."""
    manager = as_user(env, "manager")
    record = manager["g2p.program"].create({"name": f"{name} {time.time():.0f}", "target_type": target})
    record.action_activate()
    agree(env, record)
    record.deduplication_managers.unlink()
    for model in managers:
        env[f"g2p.deduplication.manager.{model}"].create(
            {"name": model, "program_id": record.id, "needs_decision": False}
        )
    env.cr.commit()
    record.import_eligible_registrants("draft")
    env.cr.commit()
    return record


def by_key(env, target):
    record = program(env, f"Keys {target}", target, "id_dedup", "phone_number")
    env.cr.execute("DROP TABLE IF EXISTS plain_membership")
    env.cr.execute("CREATE TABLE plain_membership (LIKE g2p_program_membership INCLUDING ALL)")
    env.cr.execute(
        "INSERT INTO plain_membership SELECT * FROM g2p_program_membership WHERE program_id = %s", [record.id]
    )
    env.cr.commit()
    env.cr.execute("ANALYZE plain_membership")
    env.cr.commit()
    people = (
        "SELECT partner_id AS member, partner_id AS person FROM plain_membership"
        if target == "individual"
        else """
        SELECT membership.partner_id AS member, link.individual AS person
          FROM plain_membership AS membership
          JOIN g2p_group_membership AS link ON link."group" = membership.partner_id AND link.ended_date IS NULL
        """
    )
    figures = timed(env, f"deduplicate {target} by ID and phone", record.deduplicate_beneficiaries)
    started = time.perf_counter()
    env.cr.execute(PLAIN.format(people=people))
    env.cr.commit()
    figures["plain_seconds"] = time.perf_counter() - started
    figures["ratio"] = figures["seconds"] / figures["plain_seconds"]
    figures["rows"] = count(env, "SELECT COUNT(*) FROM g2p_program_membership WHERE program_id = %s", record.id)
    if target == "individual":
        figures |= accuracy(env, record, (0, 1))
    env.cr.execute("DROP TABLE plain_membership")
    env.cr.commit()
    report(figures)


def by_name(env):
    record = program(env, "Names", "individual", "fuzzy")
    figures = timed(env, "deduplicate individual by name and birth date", record.deduplicate_beneficiaries)
    figures["rows"] = count(env, "SELECT COUNT(*) FROM g2p_program_membership WHERE program_id = %s", record.id)
    report(figures | accuracy(env, record, (0, 1, 3)))


def accuracy(env, record, kinds):
    """Of the pairs found how many were planted, and of the planted how many were found."""
    env.cr.execute(PLANTED)
    pairs = """
        SELECT LEAST(one.partner_id, other.partner_id) AS first, GREATEST(one.partner_id, other.partner_id) AS second
          FROM g2p_program_membership_duplicate_pair AS pair
          JOIN g2p_program_membership AS one ON one.id = pair.member_a_id
          JOIN g2p_program_membership AS other ON other.id = pair.member_b_id
         WHERE pair.program_id = %s
    """
    wanted = "SELECT * FROM planted WHERE kind = ANY(%s) AND original IS NOT NULL"
    found = count(env, f"SELECT COUNT(*) FROM ({pairs}) AS pair", record.id)
    planted = count(env, f"SELECT COUNT(*) FROM ({wanted}) AS planted", list(kinds))
    both = count(
        env,
        f"SELECT COUNT(*) FROM ({pairs}) AS pair JOIN ({wanted}) AS planted ON first = original AND second = copy",
        record.id,
        list(kinds),
    )
    return {"planted": planted, "pairs": found, "precision": both / (found or 1), "recall": both / (planted or 1)}


def main(database, targets):
    with environment(database) as env:
        for target in targets:
            if target == "name":
                by_name(env)
            else:
                by_key(env, target)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] or ["individual", "group", "name"])
