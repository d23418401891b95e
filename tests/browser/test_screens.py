"""Every menu of the product, and a form behind it, in the eyes of each role: nothing breaks and nothing sticks out."""

import pytest
from people import NEW_ACTION, Job, Session
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

ROLES = ("manager", "finance", "registrar", "support", "auditor")


@pytest.fixture(scope="session")
def filled(pbms_server):
    """Every kind of record that the menus show: a cycle with payments on their way, some paid, and one that waits."""
    job = Job(lambda login: Session(pbms_server, login)).submit()
    job.deposit(1_000_000)
    job.approve()
    job.pay()
    return job


def menus(person):
    """(section, item, xml id) of every entry that the menu bar offers."""
    page = person.page
    found = []
    bar = page.locator(".o_menu_sections")
    for section in bar.locator("button.dropdown-toggle:visible").all():
        title = section.inner_text()
        section.click()
        entries = page.locator(".o-dropdown--menu [data-menu-xmlid]")
        expect(entries.first).to_be_visible()
        found += [(title, entry.inner_text(), entry.get_attribute("data-menu-xmlid")) for entry in entries.all()]
        page.keyboard.press("Escape")
        expect(page.locator(".o-dropdown--menu")).to_have_count(0)
    return found


def check_width(page, where):
    """Neither the page nor the form's header is wider than the window."""
    too_wide = page.evaluate(
        """() => [...document.querySelectorAll(
               '.o_action_manager, .o_control_panel, .o_form_statusbar, .o_form_sheet, .o-form-buttonbox'
           )].filter((e) => e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > innerWidth + 1)
             .map((e) => `${e.className}: ${e.scrollWidth} in ${e.clientWidth}`)"""
    )
    assert not too_wide, f"{where}: {too_wide}"


def open_form(person, where):
    """The form of the first record, where the view shows one. Returns whether it did."""
    page = person.page
    rows = page.locator(
        ".o_action_manager > .o_action:not(:has(.o_view_sample_data)) .o_data_row td.o_data_cell:not(.o_handle_cell),"
        ".o_action_manager > .o_action:not(:has(.o_view_sample_data)) .o_kanban_record:not(.o_kanban_ghost)"
    )
    if not rows.count():
        return False
    person.mark()
    # What the pointer rests on shows a hint, which may lie over the first row.
    page.mouse.move(0, 0)
    rows.first.click()
    opened = page.locator(f"{NEW_ACTION}, .o_selected_row")
    expect(opened.first, f"{where}: a click on the first record").to_be_visible(timeout=20_000)
    if page.locator(".o_selected_row").count():
        page.locator(".o_list_button_discard").click()
        return False
    return page.locator(f"{NEW_ACTION}.o_form_view").count() > 0


def has_form(sql, xmlid):
    """Whether the menu's action knows a form at all; the ledger is a list only."""
    [action] = sql(
        """
        SELECT action.view_mode
          FROM ir_model_data AS data
          JOIN ir_ui_menu AS menu ON menu.id = data.res_id AND data.model = 'ir.ui.menu'
          JOIN ir_act_window AS action ON menu.action = 'ir.actions.act_window,' || action.id
         WHERE data.module || '.' || data.name = %(xmlid)s
        """,
        xmlid=xmlid,
    )
    return "form" in action.view_mode.split(",")


@pytest.mark.parametrize("login", ROLES)
def test_menus(filled, screen, sql, login):
    person = screen(login)
    person.open_app()
    entries = menus(person)
    assert len(entries) == len({xmlid for *_names, xmlid in entries})
    assert len(entries) >= 5
    page, forms = person.page, 0
    for section, item, xmlid in entries:
        where = f"{login}: {section} / {item}"
        page.locator(".o_menu_sections").get_by_role("button", name=section, exact=True).click()
        with person.new_action():
            page.locator(f".o-dropdown--menu [data-menu-xmlid='{xmlid}']").click()
        person.check_errors(where)
        check_width(page, where)
        forms += has_form(sql, xmlid) and open_form(person, where)
        person.check_errors(f"{where}, a record")
        check_width(page, f"{where}, a record")
    assert forms >= 2
