"""The product as a process of its own, seen through a browser: the ground of the tests under tests/browser."""

import ast
import re
from pathlib import Path

import pytest

USERS = Path(__file__).resolve().parent.parent / "addons/g2p_demo/models/demo_users.py"
LOGINS = [
    user["login"]
    for user in ast.literal_eval(re.search(r"DEMO_USERS = (\(.*?^\))", USERS.read_text(), re.S | re.M).group(1))
]


@pytest.mark.browser
@pytest.mark.parametrize("login", LOGINS)
def test_every_role_logs_in_and_opens_the_app(new_page, login):
    page = new_page(login)
    page.goto("/odoo/action-g2p_registry_base.g2p_individual_action")
    page.wait_for_selector(".o_data_row, .o_kanban_record:not(.o_kanban_ghost)")
    assert not page.query_selector(".o_error_dialog")


def test_the_database_manager_is_closed(new_page, pbms_server):
    page = new_page("support")
    assert page.goto("/web/database/manager").status in (403, 404) or "disabled" in page.content()
