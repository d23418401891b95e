"""Who prepares does not approve, though their role would allow it: not by button, and not past the screen.

Mona prepares as program manager. She is given the approver's and the finance role too, as in an office where one person
stands in for others, and still can't approve what she prepared.
"""

import json
import secrets
import urllib.error
import urllib.request

import pytest
from passlib.context import CryptContext
from people import RefusedError
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SOMEBODY_ELSE = "somebody else has to approve"
ROLES = ("g2p_programs.g2p_program_cycle_approver", "g2p_programs.g2p_finance_validator")


@pytest.fixture
def manager_with_all_roles(session, sql):
    """The administrator gives the manager the two roles that approve, and takes them back."""
    admin = session("admin")
    [manager] = sql("SELECT id FROM res_users WHERE login = 'manager'")
    groups = [
        sql("SELECT res_id FROM ir_model_data WHERE module || '.' || name = %(xmlid)s", xmlid=xmlid)[0].res_id
        for xmlid in ROLES
    ]
    admin.call("res.users", "write", [manager.id], {"group_ids": [(4, group) for group in groups]})
    yield session("manager")
    admin.call("res.users", "write", [manager.id], {"group_ids": [(3, group) for group in groups]})


@pytest.fixture
def job(manager_with_all_roles, prepared):
    """A cycle that the manager prepared, with money enough in the fund."""
    job = prepared().submit()
    job.deposit(1_000_000)
    return job


@pytest.fixture
def bearer(pbms_server, sql):
    """``bearer(login, model, method, **arguments)``: Odoo's JSON-2 interface with an API key of that user."""

    def call(login, model, method, **arguments):
        key = secrets.token_hex(20)
        sql(
            """
            INSERT INTO res_users_apikeys (name, user_id, scope, index, key, create_date, expiration_date)
            SELECT 'test', id, 'rpc', %(index)s, %(hash)s, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC' + interval '1 day'
              FROM res_users WHERE login = %(login)s
            """,
            login=login,
            index=key[:8],
            hash=CryptContext(["pbkdf2_sha512"], pbkdf2_sha512__rounds=6000).hash(key),
        )
        request = urllib.request.Request(
            f"{pbms_server.url}/json/2/{model}/{method}",
            json.dumps(arguments).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            answer = json.load(error)
            raise RefusedError(answer["name"].rpartition(".")[2], answer["message"]) from error

    return call


def everything(sql, job):
    """What an approval would change."""
    return (
        sql("SELECT state, approved_by, approved_date, prepared_by FROM g2p_cycle WHERE id = %(id)s", id=job.cycle),
        sql(
            "SELECT state, COUNT(*), SUM(initial_amount) FROM g2p_entitlement WHERE cycle_id = %(id)s GROUP BY state",
            id=job.cycle,
        ),
        sql("SELECT posted, reserved, disbursed FROM g2p_fund_account WHERE program_id = %(id)s", id=job.program),
        sql("SELECT COUNT(*) FROM g2p_state_history"),
    )


def refused_everywhere(job, bearer, model, method, ids, sentence=SOMEBODY_ELSE):
    """The method is refused with the sentence by every way into the server that a person has."""
    ways = (
        lambda: job.manager.call(model, method, ids),
        lambda: job.manager.post(
            f"/web/dataset/call_button/{model}/{method}",
            {"model": model, "method": method, "args": [ids], "kwargs": {}},
        ),
        lambda: job.manager.execute(model, method, ids),
        lambda: bearer("manager", model, method, ids=ids),
    )
    for way in ways:
        with pytest.raises(RefusedError, match=sentence) as refusal:
            way()
        assert refusal.value.name == "AccessError"


def open_cycle(screen, login, job):
    person = screen(login)
    person.page.goto(f"/odoo/cycles/{job.cycle}")
    expect(person.page.locator(".o_form_view")).to_be_visible()
    return person


def test_cycle(job, screen, sql, bearer):
    """The preparer has no button and no call to approve the cycle; the approver has both."""
    before = everything(sql, job)
    preparer = open_cycle(screen, "manager", job)
    preparer.shows_state("To approve")
    expect(preparer.button("Reset to draft")).to_be_visible()
    expect(preparer.button("Approve cycle")).to_have_count(0)
    expect(preparer.page.get_by_role("status").filter(has_text="Next")).to_contain_text("not who prepared it")
    # The cookie of this very browser
    answer = preparer.page.request.post(
        "/web/dataset/call_kw/g2p.cycle/approve",
        data={
            "jsonrpc": "2.0",
            "method": "call",
            "params": {"model": "g2p.cycle", "method": "approve", "args": [[job.cycle]], "kwargs": {}},
        },
    ).json()
    assert answer["error"]["data"]["name"] == "odoo.exceptions.AccessError"
    assert SOMEBODY_ELSE in answer["error"]["data"]["message"]
    refused_everywhere(job, bearer, "g2p.cycle", "approve", [job.cycle])
    assert everything(sql, job) == before

    approver = open_cycle(screen, "approver", job)
    approver.press("Approve cycle")
    approver.confirm("Approve cycle")
    approver.shows_state("Approved")
    [cycle] = sql("SELECT state, approved_by FROM g2p_cycle WHERE id = %(id)s", id=job.cycle)
    assert (cycle.state, cycle.approved_by) == ("approved", job.approver.uid)


def test_entitlements(job, screen, sql, bearer):
    """The same for the entitlements: all of them, one of them, a selection of them."""
    job.approver.call("g2p.cycle", "approve", [job.cycle])
    ids = [row.id for row in sql("SELECT id FROM g2p_entitlement WHERE cycle_id = %(id)s ORDER BY id", id=job.cycle)]
    before = everything(sql, job)
    preparer = open_cycle(screen, "manager", job)
    preparer.shows_state("Approved")
    expect(preparer.button("Cancel cycle")).to_be_visible()
    expect(preparer.button("Approve entitlements")).to_have_count(0)
    preparer.page.goto(f"/odoo/action-g2p_programs.g2p_entitlement_action/{ids[0]}")
    preparer.shows_state("Waiting for approval")
    expect(preparer.button("Approve")).to_have_count(0)

    refused_everywhere(job, bearer, "g2p.cycle", "validate_entitlement", [job.cycle])
    refused_everywhere(job, bearer, "g2p.entitlement", "approve_entitlement", ids[:1])
    refused_everywhere(job, bearer, "g2p.entitlement", "approve_entitlement", ids)
    selection = {"active_model": "g2p.entitlement", "active_ids": ids[:3]}
    with pytest.raises(RefusedError, match=SOMEBODY_ELSE):
        wizard = job.manager.call("g2p.multi.entitlement.approval.wizard", "create", {}, context=selection)
        job.manager.call("g2p.multi.entitlement.approval.wizard", "approve_selected", [wizard])
    # The approver of the cycle has another role, and is told so.
    with pytest.raises(RefusedError, match="Only members of"):
        job.approver.call("g2p.cycle", "validate_entitlement", [job.cycle])
    assert everything(sql, job) == before

    finance = open_cycle(screen, "finance", job)
    message = finance.step("Approve entitlements")
    assert f"Approved: {len(ids):,}." in message
    assert [row.count for row in everything(sql, job)[1]] == [len(ids)]
    assert everything(sql, job)[1][0].state == "approved"


@pytest.mark.parametrize("method", ["write", "web_save"])
def test_state_is_not_written(job, sql, method):
    """What only a step may change can't be written, whatever roles the user has."""
    [entitlement] = sql("SELECT MIN(id) AS id FROM g2p_entitlement WHERE cycle_id = %(id)s", id=job.cycle)
    before = everything(sql, job)
    extra = {"specification": {}} if method == "web_save" else {}
    for model, record, values in (
        ("g2p.cycle", job.cycle, {"state": "approved"}),
        ("g2p.cycle", job.cycle, {"prepared_by": job.approver.uid}),
        ("g2p.cycle", job.cycle, {"approved_by": job.approver.uid}),
        ("g2p.entitlement", entitlement.id, {"state": "approved"}),
        ("g2p.entitlement", entitlement.id, {"approved_by": job.finance.uid}),
    ):
        with pytest.raises(RefusedError) as refusal:
            job.manager.call(model, method, [record], values, **extra)
        assert refusal.value.name == "AccessError", (model, values, str(refusal.value))
    assert everything(sql, job) == before


@pytest.mark.parametrize(
    "method", ["_transition", "_transition_where", "_bulk_start", "_bulk_finish_submit", "_mark_payments"]
)
def test_helpers_are_private(job, sql, method):
    """The methods that move states are out of reach from outside."""
    before = everything(sql, job)
    with pytest.raises(RefusedError):
        job.manager.call("g2p.cycle", method, [job.cycle], "approved")
    assert everything(sql, job) == before
