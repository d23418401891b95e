"""What a person waits for: opening a form, the first page of a list with its count, the fund report. Milliseconds and queries."""

import time

from lxml import etree

import odoo.sql_db

LISTS = ("g2p.program_membership", "g2p.cycle.membership", "g2p.entitlement", "g2p.payment")


def specification(env, model, node, views):
    """What the web client asks for: the fields of a view, of many-to-one fields the name, of lines inside their first page."""
    result = {}
    known = env[model]._fields
    for field in node.iter("field"):
        name = field.get("name")
        inside = any(parent.tag == "field" for parent in field.iterancestors() if parent is not node)
        if inside or name in result or name not in known:
            continue
        kind = known[name]
        if kind.type == "many2one":
            result[name] = {"fields": {"display_name": {}}}
        elif kind.type in ("one2many", "many2many"):
            lines = next((child for child in field if child.tag in ("list", "kanban")), None)
            inner = specification(env, kind.comodel_name, lines, views) if lines is not None else {"display_name": {}}
            result[name] = {"fields": inner, "limit": 40}
        else:
            result[name] = {}
    return result


def of_view(env, model, kind):
    arch = env[model].get_views([(False, kind)])["views"][kind]["arch"]
    return specification(env, model, etree.fromstring(arch), {})


def timed(env, name, call):
    env.flush_all()
    env.invalidate_all()
    before, started = odoo.sql_db.sql_counter, time.perf_counter()
    call()
    return {
        "screen": name,
        "milliseconds": round((time.perf_counter() - started) * 1000, 1),
        "queries": odoo.sql_db.sql_counter - before,
    }


def measure(manager, finance, program, cycle):
    """Each screen twice, as the second time tells what it costs once the server is warm."""
    for record in (program.with_env(manager), cycle.with_env(manager), cycle.payment_batch_ids[:1].with_env(finance)):
        wanted = of_view(record.env, record._name, "form")
        calls = [timed(record.env, f"form {record._name}", lambda: record.web_read(wanted)) for _ in range(2)]  # noqa: B023
        yield calls[-1]
    for model in LISTS:
        wanted = of_view(manager, model, "list")
        of_program = [("program_id", "=", program.id)] if "program_id" in manager[model]._fields else []
        for scope, domain in (("all", []), ("of the program", of_program)):
            if scope == "of the program" and not domain:
                domain = [("cycle_id", "=", cycle.id)]
            calls = [
                timed(
                    manager,
                    f"list {model}, {scope}",
                    lambda: manager[model].web_search_read(domain, wanted, limit=80, count_limit=10001),  # noqa: B023
                )
                for _ in range(2)
            ]
            yield calls[-1]
    report = finance["g2p.program.fund.report.view"]
    yield timed(
        finance,
        "fund report",
        lambda: report.formatted_read_group([], ["program_id", "kind"], ["amount:sum", "available_amount:sum"]),
    )
