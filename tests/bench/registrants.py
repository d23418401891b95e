"""Bulk import of a file of registrants on one database, and the same rows by plain COPY and INSERT … SELECT.

    scripts/python tests/bench/registrants.py DATABASE PEOPLE         prints one JSON object

The file has names, date of birth, gender, area, phone and one ID a person. The product reads it from the server's folder,
checks every cell, and registers the rows in chunks; plain SQL copies it into a table without any check, and fills clones of
res_partner, g2p_reg_id and g2p_phone_number (same columns, checks, indexes, foreign keys) by one statement each.
"""

import csv
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from odoo_environment import environment

import odoo.sql_db

TABLES = ("res_partner", "g2p_reg_id", "g2p_phone_number")
HEADER = ["Family name", "Given name", "Date of birth", "Gender", "Area code", "Phone number", "National ID"]
ID_TYPE = "g2p_registry_base.id_type_national"


def write_file(path, people):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for number in range(people):
            writer.writerow(
                [
                    f"Family{number * 7919 % 50021}",
                    f"Given{number * 104729 % 20011}",
                    f"{1940 + number % 80}-{1 + number % 12:02}-{1 + number % 28:02}",
                    ("Female", "Male")[number % 2],
                    f"BENCH-{number % 40}",
                    f"+2547{number * 32452843 % 99999989:08}",
                    f"IMP{number:09}",
                ]
            )


def clone(cr, table):
    """An empty table like ``table``, foreign keys included; those among cloned tables point to the clones."""
    cr.execute(f"DROP TABLE IF EXISTS plain_{table} CASCADE")
    cr.execute(f"CREATE TABLE plain_{table} (LIKE {table} INCLUDING ALL)")
    cr.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'f'", [table]
    )
    for (definition,) in cr.fetchall():
        for other in TABLES:
            definition = definition.replace(f"REFERENCES {other}(", f"REFERENCES plain_{other}(")
        cr.execute(f"ALTER TABLE plain_{table} ADD {definition}")


def plain(env, path):
    """Seconds of COPY and three INSERT … SELECT of the same rows, in one transaction."""
    cr = env.cr
    for table in TABLES:
        clone(cr, table)
    cr.commit()
    started = time.perf_counter()
    cr.execute(
        "CREATE TEMPORARY TABLE plain_file (id serial, family text, given text, birthdate date, gender text, area text, "
        "phone text, value text) ON COMMIT DROP"
    )
    with path.open() as file:
        cr.copy_expert(
            "COPY plain_file (family, given, birthdate, gender, area, phone, value) FROM STDIN CSV HEADER", file
        )
    log = "create_uid, write_uid, create_date, write_date"
    now = "1, 1, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'"
    cr.execute(
        f"""
        CREATE TEMPORARY TABLE plain_row ON COMMIT DROP AS
        SELECT file.*, upper(family || ', ' || given) AS name, area.id AS area_id,
               nextval('res_partner_id_seq')::int AS partner_id
        FROM plain_file file LEFT JOIN g2p_area area ON area.code = file.area ORDER BY file.id;
        INSERT INTO plain_res_partner (
            id, commercial_partner_id, name, complete_name, family_name, given_name, birthdate, gender, area_id, phone,
            active, type, lang, color, message_bounce, is_company, partner_share, is_registrant, is_group, company_id,
            registration_date, {log})
        SELECT partner_id, partner_id, name, name, family, given, birthdate, lower(gender), area_id, phone,
            true, 'contact', 'en_US', 0, 0, false, true, true, false, {env.company.id}, current_date, {now}
        FROM plain_row;
        INSERT INTO plain_g2p_reg_id (partner_id, id_type, value, status, is_unique, {log})
        SELECT partner_id, {env.ref(ID_TYPE).id}, value, 'valid', true, {now} FROM plain_row;
        INSERT INTO plain_g2p_phone_number (
            partner_id, phone_no, phone_sanitized, is_valid, country_id, date_collected, {log})
        SELECT partner_id, phone, phone, true, {env.ref("base.ke").id}, current_date, {now} FROM plain_row;
        """
    )
    cr.commit()
    return time.perf_counter() - started


def main(database, people):
    with environment(database) as env, tempfile.TemporaryDirectory() as folder:
        from odoo.addons.g2p_bulk.tools import table_file  # where addons are is known from here on

        path = Path(folder) / "registrants.csv"
        write_file(path, people)
        env.company.country_id = env.ref("base.ke")
        present = set(env["g2p.area"].search([("code", "=like", "BENCH-%")]).mapped("code"))
        env["g2p.area"].create(
            [{"name": code, "code": code} for n in range(40) if (code := f"BENCH-{n}") not in present]
        )
        env["ir.config_parameter"].set_param("g2p_registry_base.import_folder", folder)
        record = env["g2p.registrant.import"].create({"name": path.name, "server_path": path.name})
        env.cr.commit()

        figures = {"step": "import registrants", "rows": people}
        statements = odoo.sql_db.sql_counter
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        with record._open_file() as stream, table_file.Table(stream, record.name) as table:
            step = env["g2p.registrant.import.step.read"]
            step._stage(record, env["g2p.bulk.operation"], table, report=lambda _rows: None)
        env.cr.commit()
        figures["stage_seconds"] = time.perf_counter() - started
        record._bulk_start("check", mode="inline")
        env.cr.commit()
        figures["check_seconds"] = time.perf_counter() - started - figures["stage_seconds"]
        record.action_import()
        env.cr.commit()
        figures["seconds"] = time.perf_counter() - started
        figures["import_seconds"] = figures["seconds"] - figures["check_seconds"] - figures["stage_seconds"]
        figures["statements"] = odoo.sql_db.sql_counter - statements
        figures["peak_mb_before"] = peak // 1024
        figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        if record.imported_count != people:
            raise SystemExit(f"{record.imported_count} of {people} rows were imported")
        figures["plain_seconds"] = plain(env, path)
        figures["ratio"] = figures["seconds"] / figures["plain_seconds"]
        print(json.dumps({name: round(v, 2) if isinstance(v, float) else v for name, v in figures.items()}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
