#!/usr/bin/env python3
"""Pictures of the main screens for docs/, taken from the running product by a real browser.

    make screenshots                         all of SCREENS, into docs/images/NAME.png
    scripts/screenshots.sh cycle fund        these only (PORT=…, URL=…, DATABASE=… name another server)

A screen is (name, login, address, actions). An address is an action's xml id, optionally with the record that a query
finds, or a path. Actions are carried out in order once the page is there: ("click", selector), ("fill", selector, text),
("wait", selector).
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import psycopg2
from playwright.sync_api import Error, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT = 1366, 768

PROGRAM = "SELECT id FROM g2p_program WHERE active ORDER BY id DESC LIMIT 1"
CYCLE = "SELECT id FROM g2p_cycle ORDER BY id DESC LIMIT 1"
HOUSEHOLD = (
    "SELECT id FROM res_partner WHERE is_registrant AND is_group AND z_ind_grp_num_individuals > 4 ORDER BY id LIMIT 1"
)
PERSON = """
    SELECT partner.id FROM res_partner AS partner JOIN g2p_reg_id AS document ON document.partner_id = partner.id
     WHERE partner.is_registrant AND NOT partner.is_group AND partner.phone IS NOT NULL AND partner.birthdate < '1990-01-01'
     ORDER BY partner.id LIMIT 1
"""
DUPLICATE = "SELECT id FROM g2p_program_membership_duplicate ORDER BY id DESC LIMIT 1"
BATCH = "SELECT id FROM g2p_payment_batch ORDER BY id LIMIT 1"
OPERATION = "SELECT id FROM g2p_bulk_operation ORDER BY planned DESC, id LIMIT 1"
RECONCILIATION = "SELECT id FROM g2p_payment_reconciliation ORDER BY id LIMIT 1"

PMT_PROGRAM = "SELECT program_id FROM g2p_pmt_model WHERE state = 'active' ORDER BY id DESC LIMIT 1"
PMT_MODEL = "SELECT id FROM g2p_pmt_model WHERE state = 'active' ORDER BY id DESC LIMIT 1"
SCENARIO = "SELECT id FROM g2p_program_scenario WHERE state <> 'draft' ORDER BY id DESC LIMIT 1"
LEFT_OUT = "SELECT id FROM g2p_program_membership WHERE state = 'not_eligible' ORDER BY id DESC LIMIT 1"

SCREENS = (
    ("login", None, "/web/login", ()),
    ("individuals", "registrar", "g2p_registry_base.g2p_individual_action", ()),
    ("individual", "registrar", ("res.partner", PERSON, "g2p_registry_base.g2p_individual_action"), ()),
    ("households", "registrar", "g2p_registry_base.g2p_group_action", ()),
    ("household", "registrar", ("res.partner", HOUSEHOLD, "g2p_registry_base.g2p_group_action"), ()),
    ("areas", "registrar", "g2p_registry_base.g2p_area_action", ()),
    ("programs", "manager", "g2p_programs.g2p_program_action", ()),
    (
        "new-program",
        "manager",
        "g2p_programs.g2p_program_action",
        (("click", "button:has-text('New program')"), ("wait", ".modal .o_form_view")),
    ),
    ("program", "manager", ("g2p.program", PROGRAM), ()),
    ("managers", "manager", ("g2p.program", PROGRAM), (("click", ".o_notebook .nav-link[name=managers]"),)),
    ("duplicates", "validator", "g2p_programs.g2p_program_membership_duplicate_action", ()),
    ("duplicate", "validator", ("g2p.program.membership.duplicate", DUPLICATE), ()),
    ("pmt-model", "manager", ("g2p.pmt.model", PMT_MODEL, "g2p_pmt.g2p_pmt_model_action"), ()),
    (
        "eligibility-preview",
        "manager",
        ("g2p.program", PMT_PROGRAM, "g2p_programs.g2p_program_action"),
        (("click", "button[name=action_preview_eligibility] >> visible=true"), ("wait", ".modal .o_form_view")),
    ),
    (
        "why",
        "manager",
        ("g2p.program_membership", LEFT_OUT, "g2p_programs.g2p_program_membership_action"),
        (("click", ".o_notebook .nav-link[name=why]"),),
    ),
    ("scenarios", "manager", "g2p_simulation.g2p_program_scenario_action", ()),
    ("scenario", "manager", ("g2p.program.scenario", SCENARIO, "g2p_simulation.g2p_program_scenario_action"), ()),
    ("beneficiaries", "manager", "g2p_programs.g2p_program_membership_action", ()),
    ("cycles", "manager", "g2p_programs.g2p_cycle_action", ()),
    ("cycle", "manager", ("g2p.cycle", CYCLE), ()),
    ("entitlements", "finance", "g2p_programs.g2p_entitlement_action", ()),
    ("payments", "finance", "g2p_programs.g2p_payment_action", ()),
    ("batch", "finance", ("g2p.payment.batch", BATCH), ()),
    ("funds", "finance", "g2p_programs.g2p_program_fund_action", ()),
    ("ledger", "finance", "g2p_programs.g2p_fund_ledger_action", ()),
    ("fund-report", "finance", "g2p_programs.g2p_program_fund_report_action", ()),
    ("reconciliation", "finance", ("g2p.payment.reconciliation", RECONCILIATION), ()),
    ("operation", "manager", ("g2p.bulk.operation", OPERATION), ()),
)


def connect(database):
    return psycopg2.connect(dbname=database)


def path_of(address, cursor):
    """The address bar's text for a screen."""
    if isinstance(address, str):
        return address if address.startswith("/") else f"/odoo/action-{address}"
    model, query, *action = address
    cursor.execute(query)
    row = cursor.fetchone()
    if not row:
        raise LookupError(f"there is no record of {model} to show yet")
    return f"/odoo/action-{action[0]}/{row[0]}" if action else f"/odoo/{model}/{row[0]}"


class Camera:
    def __init__(self, browser, url, folder):
        self.browser, self.url, self.folder, self.pages = browser, url, folder, {}

    def page(self, login):
        """A page logged in as ``login`` (the password of a demo user is its login), or a visitor's."""
        if login not in self.pages:
            context = self.browser.new_context(
                base_url=self.url, viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1, locale="en-US"
            )
            page = context.new_page()
            page.set_default_timeout(20_000)
            if login:
                page.goto("/web/login")
                page.fill("input[name=login]", login)
                page.fill("input[name=password]", login)
                page.click("button[type=submit]")
                page.wait_for_selector(".o_main_navbar")
            self.pages[login] = page
        return self.pages[login]

    def take(self, name, login, path, actions):
        page = self.page(login)
        page.goto(path)
        if login:
            page.wait_for_selector(".o_action_manager > .o_action, .o_action_manager .o_view_controller")
        for kind, selector, *text in actions:
            getattr(page, {"click": "click", "fill": "fill", "wait": "wait_for_selector"}[kind])(selector, *text)
        page.wait_for_function("!document.querySelector('.o_loading_indicator')")
        page.wait_for_timeout(900)
        broken = page.query_selector(".o_error_dialog, .modal .o_error_detail")
        page.screenshot(path=self.folder / f"{name}.png")
        if broken:
            raise LookupError("the page shows an error")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8069")
    parser.add_argument("--database", default="g2p")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs/images")
    parser.add_argument("names", nargs="*", help="screens to take; all without any")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    failures = []
    with (
        connect(arguments.database) as connection,
        connection.cursor() as cursor,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=executable,
            headless=True,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"],
            env={**os.environ, "HOME": profile},
        )
        camera = Camera(browser, arguments.url, arguments.folder)
        for name, login, address, actions in SCREENS:
            if arguments.names and name not in arguments.names:
                continue
            try:
                camera.take(name, login, path_of(address, cursor), actions)
                print(f"  {name}.png", flush=True)
            except (Error, LookupError) as error:
                failures.append(name)
                print(f"  {name}: {str(error).splitlines()[0]}", file=sys.stderr, flush=True)
        browser.close()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
