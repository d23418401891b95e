"""What is agreed to when a cycle is approved, or its entitlements are: the set that waits, in one statement each."""

from odoo import fields
from odoo.tools import SQL
from odoo.tools.misc import format_date

from odoo.addons.g2p_approval.tools import digest

from ...tools.constants import FUND_READERS
from ...tools.money import decimal

# The cycle as it was sent, and its entitlements where the program approves them in a step of their own: kinds of approval.
CYCLE = "cycle"
ENTITLEMENTS = "cycle_entitlements"
KINDS = (CYCLE, ENTITLEMENTS)

# Who gets what, when and how, of each row. A state is none of it: the set goes from draft to waiting while it is sent.
_COLUMNS = SQL(
    "t.id, t.partner_id, t.benefit_code_id, t.item_id, t.currency_id, t.initial_amount, t.transfer_fee, t.quantity,"
    " t.settlement::text, t.is_cash_entitlement, t.valid_from, t.valid_until"
)


def waiting(cycle):
    """Over `t`: the entitlements of the cycle that nobody has approved or turned down yet."""
    return SQL("t.cycle_id = %s AND t.state IN ('draft', 'pending_validation')", cycle.id)


def digest_of(cycle, kind):
    """The digest of what waits, with the terms of the cycle that money hangs on."""
    cycle.env.flush_all()
    rows = digest.of_set(
        SQL("g2p_entitlement AS t WHERE %s", waiting(cycle)),
        [_COLUMNS],
        [SQL("t.initial_amount"), SQL("t.transfer_fee"), SQL("t.quantity")],
    )
    [terms] = cycle.env.execute_query(
        SQL(
            """
            SELECT submission, program_id, start_date::text, end_date::text, COALESCE(full_period_days, 0),
                   COALESCE(auto_approve_entitlements, FALSE)
              FROM g2p_cycle WHERE id = %s
            """,
            cycle.id,
        )
    )
    return digest.of_values([cycle._name, cycle.id, kind, terms, *cycle.env.execute_query(rows)])


def totals(cycle):
    """[(benefit code, currency, whether it is money of the fund, count, amount, quantity)] of what waits, numbers exactly."""
    env = cycle.env
    env.flush_all()
    rows = env.execute_query(
        SQL(
            """
            SELECT t.benefit_code_id, t.currency_id, %(charged)s, COUNT(*), SUM(t.initial_amount)::text, SUM(t.quantity)::text
              FROM g2p_entitlement AS t
             WHERE %(waiting)s
             GROUP BY 1, 2, 3
             ORDER BY 1, 2, 3
            """,
            charged=env["g2p.entitlement"]._charged_sql(),
            waiting=waiting(cycle),
        )
    )
    return [
        (
            env["g2p.benefit.codes"].browse(code_id),
            env["res.currency"].browse(currency_id),
            charged,
            count,
            decimal(amount),
            decimal(quantity),
        )
        for code_id, currency_id, charged, count, amount, quantity in rows
    ]


def amount_of(cycle):
    """(amount, currency) of what waits; (None, None) where it is not only money of the cycle's currency."""
    rows = totals(cycle)
    if not rows or any(not charged or currency != cycle.currency_id for _code, currency, charged, *_rest in rows):
        return None, None
    return sum(amount for *_rest, amount, _quantity in rows), cycle.currency_id


def payable_later(cycle):
    """The first day on which something of what waits can be paid, in words, where that is later than today; else False."""
    [[day]] = cycle.env.execute_query(
        SQL("SELECT MIN(t.valid_from) FROM g2p_entitlement AS t WHERE %s", waiting(cycle))
    )
    return day and day > fields.Date.context_today(cycle) and format_date(cycle.env, day)


def figures_of(cycle):
    """What whoever decides has to see, see `_approval_figures`: the fund's figures are for who may read the fund."""
    _ = cycle.env._
    rows = totals(cycle)
    money = {"money": cycle.currency_id.id}
    charged = sum(amount for _code, currency, charged, _count, amount, _quantity in rows if charged)
    lines = [
        {"label": _("Beneficiaries"), "value": cycle.members_count},
        {"label": _("Entitlements"), "value": sum(count for _code, _currency, _charged, count, *_rest in rows)},
        {"label": _("Amount"), "value": str(charged), **money},
    ]
    if len(rows) > 1 or any(not row[2] for row in rows):
        for code, currency, is_money, count, amount, quantity in rows:
            label = _(
                "%(count)s of %(code)s", count=cycle._number(count), code=code.display_name or _("no benefit code")
            )
            if is_money:
                lines.append({"label": label, "value": str(amount), "money": currency.id})
            else:
                unit = code.measurement_unit or ""
                lines.append({"label": label, "value": f"{quantity.normalize():f} {unit}".strip()})
    if day := payable_later(cycle):
        lines.append({"label": _("Payable from"), "value": day})
    labels = (_("Available in the fund when it was asked for"), _("Short in the fund when it was asked for"))
    return lines + [{**line, "then": True, "needs": str(charged)} for line in _fund_lines(cycle, charged, labels)]


def figures_now(cycle, figures):
    """What the fund has now for what waits, which stays as it was asked for: its sum stands with the figures."""
    _ = cycle.env._
    needs = next(decimal(figure["needs"]) for figure in figures if figure.get("then"))
    return _fund_lines(cycle, needs, (_("Available in the fund now"), _("Short in the fund now")))


def _fund_lines(cycle, needs, labels):
    terms = {"money": cycle.currency_id.id, "groups": FUND_READERS}
    available = decimal(cycle.fund_available)
    values = [available, *([needs - available] if available < needs else [])]
    return [{"label": label, "value": str(value), **terms} for label, value in zip(labels, values, strict=False)]
