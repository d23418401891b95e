"""How long lists and forms take on a large database: every list of the suite, its filters, groupings and searches.

    scripts/python tests/bench/lists.py DATABASE [login …]      prints Markdown

Each request is sent as the web client sends it (first page, its columns, its count), as each login, three times;
the better of the last two is noted. Nothing is changed in the database: it needs members, cycles, entitlements and payments of its own.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from odoo_environment import as_user, environment

import odoo.sql_db

TARGET = 0.5
FORM_TARGET, FORM_STATEMENTS = 0.3, 60
LARGEST = {
    "g2p.program": "g2p_program_membership",
    "g2p.cycle": "g2p_cycle_membership",
    "g2p.payment.batch": "g2p_payment",
    "g2p.registrant.import": "g2p_registrant_import_line",
}


class Bench:
    def __init__(self, env):
        from odoo.addons.g2p_pbms.tests import screens

        self.env, self.screens, self.slow = env, screens, []
        self.text = {
            "char": self.value("SELECT name FROM res_partner WHERE is_registrant ORDER BY id DESC LIMIT 1"),
            "integer": 1,
        }
        for model in ("g2p.program", "g2p.cycle", "g2p.area"):
            record = env[model].search([], limit=1, order="id desc")
            self.text[model] = record.name or ""

    def value(self, query, *values):
        self.env.cr.execute(query, values)
        row = self.env.cr.fetchone()
        return row and row[0]

    def timed(self, request):
        """Seconds and statements of a request on warm tables, with nothing in the ORM's cache: the better of two."""
        self.env.invalidate_all()
        request()
        timings = []
        for _time in range(2):
            self.env.invalidate_all()
            statements, started = odoo.sql_db.sql_counter, time.perf_counter()
            request()
            timings.append((time.perf_counter() - started, odoo.sql_db.sql_counter - statements))
        return min(timings)

    def largest(self, env, model):
        """The record of a model with the most rows below it."""
        if model in LARGEST:
            column = {"g2p.payment.batch": "batch_id", "g2p.registrant.import": "import_id"}.get(
                model, model.removeprefix("g2p.") + "_id"
            )
            found = self.value(
                f"SELECT {column} FROM {LARGEST[model]} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY COUNT(*) DESC LIMIT 1"
            )
            return env[model].browse(found).exists()._filtered_access("read")
        return env[model].search([], limit=1)

    def records(self, env):
        """The records whose forms are opened."""
        for model in (*LARGEST, "g2p.program_membership", "g2p.cycle.membership", "g2p.entitlement", "g2p.payment"):
            if env[model].has_access("read"):
                yield self.largest(env, model)
        for is_group in (False, True):
            yield env["res.partner"].search(
                [("is_registrant", "=", True), ("is_group", "=", is_group), ("program_membership_ids", "!=", False)],
                limit=1,
            )

    def list_row(self, login, screen):
        first, _statements = self.timed(lambda: screen.first_page(screen.defaults))
        found = screen.first_page(screen.defaults)["length"]
        worst = [self.note(login, screen, "first page", first)]
        for kind, parts, request in (
            ("filter", screen.filters, screen.first_page),
            ("group by", screen.groups, screen.first_groups),
            ("search", screen.searches, screen.first_page),
        ):
            timings = []
            for name, part in parts.items():
                seconds, _statements = self.timed(lambda request=request, part=part: request(part))
                timings.append((self.note(login, screen, f"{kind} {name}", seconds), name))
            worst.append(max(timings, default=None))
        cells = [f"{worst[0] * 1000:.0f}"]
        cells += [f"{cell[0] * 1000:.0f} ({cell[1]})" if cell else "" for cell in worst[1:]]
        print(
            f"| {screen.name} | {login} | {found:,} | {' | '.join(cells)} |".replace("10,001", "> 10,000"), flush=True
        )

    def note(self, login, screen, what, seconds):
        if seconds > TARGET:
            self.slow.append((seconds, f"{screen.name}, {login}: {what}"))
        return seconds

    def run(self, logins):
        print("| list | user | rows | first page, ms | slowest filter | slowest grouping | slowest search |")
        print("|---|---|---:|---:|---:|---:|---:|")
        for login in logins:
            env = as_user(self.env, login)
            for screen in self.screens.action_screens(env, self.text):
                self.list_row(login, screen)
            for record in filter(None, self.records(env)):
                for screen in self.screens.button_screens(record, self.text):
                    self.list_row(login, screen)
        print("\n| form | user | ms | statements |\n|---|---|---:|---:|")
        for login in logins:
            for record in filter(None, self.records(as_user(self.env, login))):
                seconds, statements = self.timed(lambda record=record: self.screens.open_form(record))
                flag = " (above)" if seconds > FORM_TARGET or statements > FORM_STATEMENTS else ""
                print(f"| {record._description}{flag} | {login} | {seconds * 1000:.0f} | {statements} |", flush=True)
        print(f"\nAbove {TARGET * 1000:.0f} ms:\n")
        for seconds, what in sorted(self.slow, reverse=True):
            print(f"- {seconds * 1000:.0f} ms: {what}")


if __name__ == "__main__":
    database, *logins = sys.argv[1:]
    with environment(database) as env:
        Bench(env).run(logins or ["admin", "manager"])
