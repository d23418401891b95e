"""Answers on a registrant's form: an empty number is not 0, yes or no may stay unanswered, and nobody is named by mistake."""

import re

import psycopg2
import pytest
from people import Screen
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

ANSWERS = "SELECT registrant_attributes FROM res_partner WHERE id = %s"


@pytest.fixture
def household(pbms_server):
    """The id of a household that answered everything; and what the database holds of its answers."""
    with psycopg2.connect(dbname=pbms_server.database) as connection, connection.cursor() as cr:
        cr.execute(
            """
            UPDATE res_partner
               SET registrant_attributes = '{"rooms": 3, "land": 1.5, "roof": "tin", "electricity": true}'
             WHERE id = (SELECT MIN(id) FROM res_partner WHERE is_registrant AND is_group AND active)
         RETURNING id
            """
        )
        [household_id] = cr.fetchone()
        connection.commit()

        def answers():
            connection.rollback()
            cr.execute(ANSWERS, [household_id])
            return cr.fetchone()[0]

        yield household_id, answers


def test_what_is_cleared_is_unanswered(new_page, household):
    household_id, answers = household
    page = new_page("registrar")
    screen = Screen(page)
    page.goto(f"/odoo/action-g2p_registry_base.g2p_group_action/{household_id}")
    page.get_by_role("tab", name="Questions").click()

    def question(label):
        return page.get_by_label(label, exact=True)

    def save():
        button = page.get_by_role("button", name="Save manually")
        button.click()
        expect(button).to_be_hidden(timeout=20_000)

    expect(question("Electricity")).to_have_value("true")
    expect(question("Rooms")).to_have_value("3")
    for label in ("Rooms", "Land in hectares"):
        question(label).fill("")
        question(label).press("Tab")
    question("Electricity").select_option("")
    save()
    assert answers() == {"roof": "tin"}

    page.reload()
    page.get_by_role("tab", name="Questions").click()
    expect(question("Rooms")).to_have_value("")
    expect(question("Electricity")).to_have_value("")
    question("Rooms").fill("0")
    question("Rooms").press("Tab")
    question("Electricity").select_option("No")
    save()
    assert answers() == {"roof": "tin", "rooms": 0, "electricity": False}

    question("Land in hectares").fill("many")
    question("Land in hectares").press("Tab")
    expect(page.get_by_text("“many” is no number: “Land in hectares” is left unanswered.")).to_be_visible()
    screen.check_errors("a household's questions")


def test_nobody_is_taken_who_is_called_nearly_so(new_page, pbms_server):
    with psycopg2.connect(dbname=pbms_server.database) as connection, connection.cursor() as cr:
        cr.execute(
            "SELECT MIN(name) FROM res_partner WHERE is_registrant AND NOT is_group AND active AND name LIKE '%_, _%'"
        )
        [name] = cr.fetchone()
    page = new_page("registrar")
    screen = Screen(page)
    page.goto("/odoo/action-g2p_registry_base.g2p_group_action/new")
    page.locator("[name=group_membership_ids]").get_by_role("button", name="Add a line").click()
    member = page.locator("[name=individual] input")
    member.press_sequentially(f"{name}q")
    suggestions = page.locator(".o-autocomplete--dropdown-item")
    expect(suggestions.filter(has_text=name).first).to_be_visible()
    member.press("Tab")
    family, _comma, _given = name.partition(",")
    made = page.get_by_role("dialog").locator("[name=family_name] input")
    expect(made).to_have_value(re.compile(f"^{family}$", re.I))
    screen.check_errors("a member who is not registered")
