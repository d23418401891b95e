"""Odoo's ORM for scripts: ``with environment("g2p") as env: …`` (started through scripts/python)."""

import os
from contextlib import contextmanager

import odoo.cli  # noqa: F401 - Odoo's set-up comes with the first import
from odoo import api
from odoo.modules.registry import Registry
from odoo.service.server import load_server_wide_modules
from odoo.tools import config


@contextmanager
def environment(database, *options):
    """A superuser environment on ``database``, rolled back at the end: callers and buttons commit."""
    data_dir = os.environ["ODOO_DATA_DIR"]
    config.parse_config(
        ["-d", database, "--no-http", "--log-level=warn", "--data-dir", data_dir, *options], setup_logging=True
    )
    load_server_wide_modules()
    with Registry(database).cursor() as cr:
        yield api.Environment(cr, api.SUPERUSER_ID, {"lang": "en_US"})
        cr.rollback()


def as_user(env, login):
    """The same transaction in the eyes of another user: their rights, their rules."""
    user = env["res.users"].search([("login", "=", login)])
    if not user:
        raise SystemExit(f"There is no user {login!r} in {env.cr.dbname}: is g2p_demo installed?")
    return env(user=user.id, su=False)


def agree(env, record, login="approver"):
    """Another user agrees to what waits about a record, as under *Approvals*."""
    requests = as_user(env, login)["g2p.approval.request"]
    request = requests.search([("res_model", "=", record._name), ("res_id", "=", record.id), ("can_decide", "=", True)])
    request.action_approve("Looked at", request.digest)
    env.invalidate_all()
