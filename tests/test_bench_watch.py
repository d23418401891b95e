"""The benchmark ends with a plan where a statement hangs, instead of waiting for it."""

import sys
from pathlib import Path

import pytest

import odoo.sql_db
from odoo.tools import mute_logger

sys.path.insert(0, str(Path(__file__).parent / "bench"))

import watch


@pytest.fixture
def cr(environment):
    with odoo.sql_db.db_connect("postgres", allow_uri=True).cursor() as cursor:
        yield cursor


@mute_logger("odoo.sql_db")
def test_a_statement_that_hangs_ends_the_run_with_its_plan(cr, monkeypatch):
    monkeypatch.setattr(watch, "LEAST_SECONDS", 0.05)
    with pytest.raises(SystemExit) as ended, watch.watched(cr, "send payments", 0.001):
        cr.execute("SELECT pg_sleep(%s) FROM pg_class WHERE relname = %s", [20, "pg_class"])
    text = str(ended.value)
    assert "send payments: a statement took more than 0 s" in text
    assert "Index" in text and "pg_class" in text, "the plan"


@mute_logger("odoo.sql_db")
def test_an_error_that_the_step_keeps_to_itself_ends_the_run_too(cr, monkeypatch):
    monkeypatch.setattr(watch, "LEAST_SECONDS", 0.05)
    with pytest.raises(SystemExit), watch.watched(cr, "enrol", 0.001):
        try:
            cr.execute("SELECT pg_sleep(20)")
        except odoo.sql_db.psycopg2.errors.QueryCanceled:
            cr.rollback()


def test_what_takes_its_time_is_left_alone(cr):
    with watch.watched(cr, "enrol", 0.001):
        cr.execute("SELECT 1")
    cr.execute("SHOW statement_timeout")
    assert cr.fetchone() == ("0",)
