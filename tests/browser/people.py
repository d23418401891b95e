"""Persons at work: in a browser, and at the HTTP interface."""

import contextlib
import http.cookiejar
import itertools
import json
import re
import urllib.request
from decimal import Decimal

from playwright.sync_api import expect

APP = "PBMS"
# Odoo's mail module names a file that the Debian package does not hold.
KNOWN_CONSOLE_ERRORS = ("selfie_segmentation",)
MENU = ".o-dropdown--menu"
# What came after :meth:`Screen.mark`
NEW_ACTION = ".o_action_manager > .o_action:not([data-before])"


def number(text):
    """The number in a text of the screen: ``$ 1,234.50`` is ``Decimal("1234.50")``."""
    return Decimal(re.sub(r"[^\d.-]", "", text))


class Screen:
    """One person's browser: menus, buttons, questions and messages by the words on them."""

    def __init__(self, page):
        self.page = page
        self.errors = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _on_console(self, message):
        if message.type == "error" and not any(known in message.text for known in KNOWN_CONSOLE_ERRORS):
            self.errors.append(message.text)

    def check_errors(self, where=""):
        """Fail when the page complained since the last check: an error dialog, or an error in the console."""
        dialog = self.page.locator(".o_error_dialog, .modal:has(.o_error_detail)")
        if dialog.count():
            self.errors.append(dialog.first.inner_text())
        assert not self.errors, f"{where}: {self.errors}"

    # Going somewhere

    def mark(self):
        """Mark what is shown, so that it can be told from what comes."""
        self.page.evaluate(
            "for (const e of document.querySelector('.o_action_manager').children) e.dataset.before = '1'"
        )

    @contextlib.contextmanager
    def new_action(self):
        """Wait, after what is done inside, until the web client shows another action."""
        self.mark()
        yield
        self.page.wait_for_selector(NEW_ACTION)

    def open_app(self):
        """The product, from Odoo's menu of apps."""
        with self.new_action():
            self.page.get_by_title("Home Menu").click()
            self.page.locator(MENU).get_by_role("menuitem", name=APP, exact=True).click()
        expect(self.page.locator(".o_menu_brand")).to_have_text(APP)

    def menu(self, section, item):
        """An entry of the menu bar."""
        if self.page.locator(".o_menu_brand").inner_text() != APP:
            self.open_app()
        self.page.locator(".o_menu_sections").get_by_role("button", name=section, exact=True).click()
        with self.new_action():
            self.page.locator(MENU).get_by_role("menuitem", name=item, exact=True).click()

    def inbox(self, *texts):
        """The one request that waits for this person and names these texts; the menu counts what waits."""
        if self.page.locator(".o_menu_brand").inner_text() != APP:
            self.open_app()
        with self.new_action():
            self.page.locator(".o_menu_sections").get_by_text(re.compile(r"^Approvals( \(\d+\))?$")).click()
        # A page that was open before somebody asked counts anew when another one is opened.
        expect(self.page.locator(".o_menu_sections").get_by_text(re.compile(r"^Approvals \(\d+\)$"))).to_be_visible()
        self.open_row(*texts)

    def agree(self, name, *figures):
        """Open what waits for this person, look at its figures, and agree to it."""
        self.inbox(name)
        self.press("Approve")
        self.page.get_by_role("dialog").locator("[name=remark] textarea").fill("I looked at it")
        self.confirm("Approve", *figures)
        assert "agreed to, and done" in self.message()
        self.shows_state("Agreed and done")

    def open_row(self, *texts):
        """The form of the one row of a list (or card of a kanban) that holds all texts."""
        rows = self.page.locator(".o_data_row, .o_kanban_record:not(.o_kanban_ghost)")
        for text in texts:
            rows = rows.filter(has_text=text)
        expect(rows).to_have_count(1)
        cell = rows.locator("td.o_data_cell:not(.o_handle_cell)")
        (cell.first if cell.count() else rows).click()
        expect(self.page.locator(".o_form_view")).to_be_visible()

    # The form

    def field(self, name):
        return self.page.locator(f".o_field_widget[name={name}]").first

    def fill(self, name, value):
        self.field(name).locator("input, textarea").first.fill(str(value))

    def choose(self, name, value):
        """Type into a many2one and take the suggestion."""
        self.fill(name, value)
        self.page.locator(".o-autocomplete--dropdown-item").get_by_text(value, exact=True).click()

    def button(self, label):
        """A button of the form's header."""
        return self.page.locator(".o_statusbar_buttons").get_by_role("button", name=label, exact=True)

    def press(self, label):
        self.button(label).click()

    def confirm(self, label, *texts):
        """Say yes to the question on screen, which names these texts."""
        dialog = self.page.get_by_role("dialog")
        for text in texts:
            expect(dialog).to_contain_text(text)
        dialog.locator("footer").get_by_role("button", name=label, exact=True).click()
        expect(dialog).to_have_count(0)

    def step(self, label, *texts):
        """Press a button, say yes to its question, which names these texts, and read the message that follows."""
        self.press(label)
        self.confirm(label, *texts)
        return self.message()

    def message(self):
        """The notification that is there, which is closed then."""
        notification = self.page.locator(".o_notification").first
        text = notification.inner_text()
        notification.get_by_role("button", name="Close").click()
        expect(self.page.locator(".o_notification")).to_have_count(0)
        return text

    def shows_state(self, label):
        expect(self.page.locator(".o_form_view .o_statusbar_status [aria-current=step]")).to_have_text(label)

    def shows(self, name, value):
        """The field's number on the form is ``value``."""
        expect(self.field(name)).to_have_text(figure(value))

    def shows_stat(self, button, value):
        expect(self.page.locator(f"button[name={button}] .o_stat_value").first).to_have_text(figure(value))

    def shows_pipeline(self, label, count, amount=None):
        """A step of the cycle's pipeline has this count and amount."""
        step = self.page.locator(".o_g2p_pipeline_step").filter(has=self.page.get_by_text(label, exact=True))
        lines = step.locator(":scope > button").first.locator(":scope > span")
        expect(lines.nth(1)).to_have_text(figure(count))
        if amount is not None:
            expect(lines.nth(2)).to_have_text(figure(amount))


def figure(value):
    """How a number looks on the screen, with its currency or without."""
    text = f"{value:,.2f}" if isinstance(value, Decimal) else f"{value:,}"
    return re.compile(rf"(?<![\d.,]){re.escape(text)}(?![\d.,])")


class RefusedError(Exception):
    """The server's answer was an error; ``name`` is the exception's."""

    def __init__(self, name, message):
        super().__init__(message)
        self.name = name


class Session:
    """A person at the HTTP interface, with the session cookie that a browser would have."""

    def __init__(self, server, login):
        self.server, self.login = server, login
        jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        self.uid = self.post("/web/session/authenticate", {"db": server.database, "login": login, "password": login})[
            "uid"
        ]
        assert self.uid, f"{login} can't log in"

    def post(self, path, params):
        body = json.dumps({"jsonrpc": "2.0", "method": "call", "params": params}).encode()
        request = urllib.request.Request(self.server.url + path, body, {"Content-Type": "application/json"})
        with self.opener.open(request, timeout=60) as response:
            answer = json.load(response)
        if "error" in answer:
            data = answer["error"]["data"]
            raise RefusedError(data["name"].rpartition(".")[2], data["message"])
        return answer["result"]

    def call(self, model, method, *args, **kwargs):
        """As the web client calls a method."""
        params = {"model": model, "method": method, "args": list(args), "kwargs": kwargs}
        return self.post(f"/web/dataset/call_kw/{model}/{method}", params)

    def execute(self, model, method, *args, **kwargs):
        """As a program outside calls a method, with login and password."""
        args = [self.server.database, self.uid, self.login, model, method, list(args), kwargs]
        return self.post("/jsonrpc", {"service": "object", "method": "execute_kw", "args": args})


# The job over HTTP, for tests that begin somewhere in the middle of it

NAMES = itertools.count(1)


class Job:
    """A program made by the manager, brought as far as a test needs it."""

    def __init__(self, session):
        self.manager, self.approver, self.finance = (session(login) for login in ("manager", "approver", "finance"))
        wizard = self.manager.call(
            "g2p.program.create.wizard",
            "create",
            {
                "name": f"Prepared {next(NAMES)}",
                "target_type": "group",
                "amount_per_cycle": 100,
                "no_account_policy": "desk",
                "import_beneficiaries": "yes",
            },
        )
        self.manager.call("g2p.program.create.wizard", "next_step", [wizard])
        self.program = self.manager.call("g2p.program.create.wizard", "create_program", [wizard])["res_id"]
        waiting = [["res_model", "=", "g2p.program"], ["res_id", "=", self.program], ["can_decide", "=", True]]
        [request] = self.approver.call("g2p.approval.request", "search_read", waiting, ["digest"])
        self.approver.call("g2p.approval.request", "action_approve", [request["id"]], "Looked at", request["digest"])

    def submit(self):
        """A cycle that waits for approval, prepared by the manager."""
        self.cycle = self.manager.call("g2p.program", "create_new_cycle", [self.program])["res_id"]
        for step in ("copy_beneficiaries_from_program", "prepare_entitlement", "to_approve"):
            self.manager.call("g2p.cycle", step, [self.cycle])
        return self

    def deposit(self, amount):
        fund = self.manager.call("g2p.program.fund", "create", {"program_id": self.program, "amount": amount})
        self.finance.call("g2p.program.fund", "post_fund", [fund])

    def approve(self):
        self.approver.call("g2p.cycle", "approve", [self.cycle])
        self.finance.call("g2p.cycle", "validate_entitlement", [self.cycle])

    def pay(self):
        """Payments are sent."""
        for step in ("prepare_payment", "send_payment"):
            self.manager.call("g2p.cycle", step, [self.cycle])
