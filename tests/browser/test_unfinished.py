"""A cycle on which a step was not finished says so, and goes on only when it is; one that stands wrong is repaired."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def open_cycle(screen, login, cycle):
    person = screen(login)
    person.page.goto(f"/odoo/cycles/{cycle}")
    expect(person.page.locator(".o_form_view")).to_be_visible()
    return person


def next_step(person):
    return person.page.get_by_role("status").filter(has_text="Next")


def test_a_step_that_stopped_is_resumed_before_the_cycle_goes_on(prepared, screen, sql):
    job = prepared()
    cycle = job.manager.call("g2p.program", "create_new_cycle", [job.program])["res_id"]
    for step in ("copy_beneficiaries_from_program", "prepare_entitlement"):
        job.manager.call("g2p.cycle", step, [cycle])
    sql(
        """
        WITH operation AS (
            UPDATE g2p_bulk_operation SET state = 'failed', last_error = 'Somebody pulled the plug'
             WHERE id = (SELECT MAX(id) FROM g2p_bulk_operation
                          WHERE res_model = 'g2p.cycle' AND res_id = %(id)s AND step = 'prepare')
         RETURNING id
        )
        UPDATE g2p_bulk_chunk SET state = 'failed', counts = jsonb_build_object('error', planned)
         WHERE operation_id = (SELECT id FROM operation)
        """,
        id=cycle,
    )
    manager = open_cycle(screen, "manager", cycle)
    expect(next_step(manager)).to_contain_text("was stopped by errors")
    expect(next_step(manager)).to_contain_text("Resume it first")
    manager.press("Send for approval")
    dialog = manager.page.get_by_role("dialog")
    dialog.locator("footer").get_by_role("button", name="Send for approval", exact=True).click()
    refusal = manager.page.get_by_role("dialog").filter(has_text="Resume it first")
    expect(refusal).to_contain_text("Prepare entitlements")
    refusal.locator("footer").get_by_role("button").first.click()
    expect(manager.page.get_by_role("dialog")).to_have_count(0)
    manager.shows_state("Draft")

    manager.page.locator(".o_g2p_bulk_progress").get_by_role("button", name="Resume", exact=True).click()
    manager.message()
    expect(next_step(manager)).to_contain_text("Send the cycle for approval", timeout=20_000)
    manager.press("Send for approval")
    manager.confirm("Send for approval")
    manager.shows_state("To approve")


def test_a_cycle_whose_entitlements_are_not_where_it_is_is_repaired(prepared, screen, sql):
    job = prepared().submit()
    [[drafts]] = sql(
        """
        WITH back AS (
            UPDATE g2p_entitlement SET state = 'draft'
             WHERE id IN (SELECT id FROM g2p_entitlement WHERE cycle_id = %(id)s ORDER BY id LIMIT 7)
         RETURNING id
        )
        SELECT COUNT(*) FROM back
        """,
        id=job.cycle,
    )
    assert drafts == 7
    job.manager.call("g2p.cycle", "action_refresh_counters", [job.cycle])
    manager = open_cycle(screen, "manager", job.cycle)
    expect(next_step(manager)).to_contain_text("press Repair")
    manager.press("Repair")
    manager.confirm("Repair", "7 entitlements that are still drafts are sent for approval")
    assert re.search("Sent for approval: 7", manager.message())
    expect(manager.button("Repair")).to_have_count(0)
    approver = open_cycle(screen, "approver", job.cycle)
    approver.press("Approve cycle")
    approver.confirm("Approve cycle")
    approver.shows_state("Approved")
