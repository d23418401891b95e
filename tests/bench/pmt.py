"""Scores by a proxy means test on one database, and the same sums by plain SQL.

    scripts/python tests/bench/pmt.py DATABASE HOUSEHOLDS         prints one JSON object

The model has eight terms: five answers kept as attributes (two numbers, one logarithm, one choice, one yes or no), two
household figures and the income; a cut-off and three bands. Plain SQL works the same sum out in one statement and inserts it
into a clone of the table of scores (same columns, checks, indexes, foreign keys), without the breakdown that ours keeps.
DATABASE must have g2p_pmt and the demo users, and is not the worse for it but larger.
"""

import json
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from odoo_environment import agree, as_user, environment

QUESTIONS = [
    {"name": "rooms", "string": "Rooms", "type": "integer"},
    {"name": "land", "string": "Land", "type": "float"},
    {"name": "floor", "string": "Square feet", "type": "float"},
    {"name": "power", "string": "Electricity", "type": "boolean"},
    {
        "name": "roof",
        "string": "Roof",
        "type": "selection",
        "selection": [["thatch", "Thatch"], ["tin", "Tin"], ["tiles", "Tiles"]],
    },
]
TERMS = [
    {"source": "attribute", "pmt_field": "rooms", "pmt_weightage": 1.25},
    {"source": "attribute", "pmt_field": "land", "pmt_weightage": 2.5, "missing": "refuse"},
    {"source": "attribute", "pmt_field": "floor", "pmt_weightage": 0.75, "transform": "log", "missing": "refuse"},
    {"source": "attribute", "pmt_field": "power", "pmt_weightage": 1.5},
    {
        "source": "attribute",
        "pmt_field": "roof",
        "category_ids": [
            (0, 0, {"value": value, "points": points}) for value, points in (("thatch", 0), ("tin", 1.5), ("tiles", 3))
        ],
    },
    {"source": "household", "pmt_field": "children", "pmt_weightage": -0.5},
    {"source": "household", "pmt_field": "size", "pmt_weightage": -0.25},
    {"source": "registrant", "pmt_field": "income", "pmt_weightage": 0.01},
]
PLAIN = """
    INSERT INTO plain_pmt_score
           (model_id, program_id, partner_id, area_id, score, band_id, cut_off, is_poor, verdict, date, latest)
    SELECT %(model)s, %(program)s, id, area_id, score,
           CASE WHEN score <= 10 THEN %(poor)s WHEN score <= 20 THEN %(near)s ELSE %(rest)s END,
           12, score <= 12, CASE WHEN score <= 12 THEN 'poor' ELSE 'not_poor' END, now(), TRUE
      FROM (
            SELECT registrant.id, registrant.area_id,
                   ROUND(1 + COALESCE((answers ->> 'rooms')::numeric, 0) * 1.25
                           + (answers ->> 'land')::numeric * 2.5
                           + ROUND(LN((answers ->> 'floor')::numeric(30, 16)), 10) * 0.75
                           + COALESCE((answers ->> 'power')::boolean::integer, 0) * 1.5
                           + COALESCE(CASE answers ->> 'roof' WHEN 'tin' THEN 1.5 WHEN 'tiles' THEN 3 END, 0)
                           + COALESCE(household.children, 0) * -0.5
                           + COALESCE(household.size, 0) * -0.25
                           + COALESCE(registrant.income, 0) * 0.01, 6) AS score
              FROM (SELECT *, registrant_attributes AS answers FROM res_partner) AS registrant
              LEFT JOIN g2p_group_indicator AS household ON household.group_id = registrant.id
             WHERE registrant.is_registrant AND registrant.is_group AND registrant.active AND registrant.disabled IS NULL
               AND (registrant.company_id IS NULL OR registrant.company_id = %(company)s)
           ) AS summed
"""


def make_households(env, count):
    """So many households of the company, with answers; by plain SQL. Those that were there are archived."""
    schemas = env["g2p.registrant.schema"]
    schema = schemas.browse(schemas._schema_id("group", env.company.id)) or schemas.create({"target_type": "group"})
    known = {question["name"] for question in schema.attributes_definition or ()}
    schema.attributes_definition = [
        *(schema.attributes_definition or ()),
        *(question for question in QUESTIONS if question["name"] not in known),
    ]
    env.flush_all()
    env.cr.execute("UPDATE res_partner SET active = FALSE WHERE is_registrant AND is_group")
    env.cr.execute(
        """
        INSERT INTO res_partner (name, complete_name, is_registrant, is_group, active, company_id, type, area_id, income,
                                 registrant_attributes, create_date, write_date)
        SELECT 'Household ' || number, 'Household ' || number, TRUE, TRUE, TRUE, %s, 'contact',
               (SELECT MIN(id) FROM g2p_area), number %% 1000,
               jsonb_build_object('rooms', 1 + number %% 7, 'land', (number %% 400) / 100.0, 'floor', 100 + number %% 2000,
                                  'power', number %% 3 = 0, 'roof', (ARRAY['thatch', 'tin', 'tiles'])[1 + number %% 3]),
               now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
          FROM generate_series(1, %s) AS number
        """,
        [env.company.id, count],
    )
    env.cr.commit()
    env.cr.execute("ANALYZE res_partner")
    env.cr.execute("ANALYZE g2p_group_indicator")
    env.cr.commit()
    env.invalidate_all()


def make_model(env):
    manager = as_user(env, "manager")
    program = manager["g2p.program"].create(
        {"name": f"Benchmark {time.time():.0f}", "target_type": "group", "pmt_config": True}
    )
    program.action_activate()
    agree(env, program)
    model = manager["g2p.pmt.model"].create(
        {
            "program_id": program.id,
            "constant": 1,
            "has_cut_off": True,
            "cut_off": 12,
            "term_ids": [(0, 0, {"sequence": position, **term}) for position, term in enumerate(TERMS)],
            "band_ids": [
                (0, 0, {"name": "Poor", "bound": 10}),
                (0, 0, {"name": "Near", "bound": 20}),
                (0, 0, {"name": "Rest", "is_rest": True}),
            ],
        }
    )
    model.action_activate()
    env.cr.commit()
    return program, model


def make_plain_table(cr):
    cr.execute("DROP TABLE IF EXISTS plain_pmt_score")
    cr.execute("CREATE TABLE plain_pmt_score (LIKE g2p_pmt_score INCLUDING ALL)")
    cr.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'g2p_pmt_score'::regclass AND contype = 'f'"
    )
    for (definition,) in cr.fetchall():
        cr.execute(f"ALTER TABLE plain_pmt_score ADD {definition}")
    cr.commit()


def timed(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main(database, households):
    with environment(database) as env:
        make_households(env, households)
        program, model = make_model(env)
        cr = env.cr

        before = cr.sql_log_count
        ours = timed(lambda: program._bulk_start("score", params={"means": True}, mode="inline"))
        statements = cr.sql_log_count - before
        again = timed(lambda: program._bulk_start("score", params={"means": False}, mode="inline"))

        make_plain_table(cr)
        bands = dict(zip(("poor", "near", "rest"), model.band_ids._poorest_first().ids, strict=True))
        values = {"model": model.id, "program": program.id, "company": env.company.id, **bands}

        def plain_run():
            cr.execute(PLAIN, values)
            cr.commit()

        plain = timed(plain_run)
        cr.execute(
            """
            SELECT COUNT(*), COUNT(*) FILTER (WHERE ours.score = plain.score AND ours.band_id = plain.band_id
                                                AND ours.is_poor = plain.is_poor)
              FROM plain_pmt_score AS plain
              JOIN g2p_pmt_score AS ours ON ours.partner_id = plain.partner_id AND ours.model_id = plain.model_id
            """
        )
        both, equal = cr.fetchone()
        if not both == equal == households:
            raise SystemExit(f"{households} households, {both} scored by both, {equal} the same")
        cr.execute("DROP TABLE plain_pmt_score")
        cr.commit()
        print(
            json.dumps(
                {
                    "step": "score by a proxy means test",
                    "rows": households,
                    "seconds": round(ours, 2),
                    "plain_seconds": round(plain, 2),
                    "again_unchanged": round(again, 2),
                    "statements": statements,
                    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                }
            )
        )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
