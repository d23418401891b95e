"""What the web client asks of the server when a person opens a list or a form, worked out from actions and views.

Used by the tests that read plans, and by tests/bench/lists.py, which measures the same requests on a large database.
"""

from dataclasses import dataclass, field
from datetime import date

from dateutil.relativedelta import relativedelta
from lxml import etree

from odoo.fields import Domain
from odoo.tools.safe_eval import safe_eval

PAGE = 80
COUNT_LIMIT = 10_001  # the web client asks whether there are more than 10,000
FORM_PAGE = 40


@dataclass
class Screen:
    """One list as one user sees it."""

    name: str
    model: object
    domain: Domain
    order: str = ""
    limit: int = PAGE
    specification: dict = field(default_factory=dict)
    defaults: Domain = Domain.TRUE
    filters: dict = field(default_factory=dict)
    groups: dict = field(default_factory=dict)
    searches: dict = field(default_factory=dict)
    aggregates: list = field(default_factory=list)

    def first_page(self, domain=Domain.TRUE):
        return self.model.web_search_read(
            list(self.domain & domain),
            self.specification,
            limit=self.limit,
            order=self.order,
            count_limit=COUNT_LIMIT,
        )

    def first_groups(self, groupby):
        return self.model.web_read_group(list(self.domain), [groupby], self.aggregates, limit=PAGE)


def evaluate(expression, env, **names):
    """A domain or a context as a view or an action writes it."""
    if not isinstance(expression, str):
        return expression
    expression = expression.strip()
    if not expression:
        return None
    return safe_eval(
        expression,
        {
            "uid": env.uid,
            "allowed_company_ids": env.companies.ids,
            "context_today": lambda: date.today(),
            "current_date": date.today().isoformat(),
            "relativedelta": relativedelta,
            "active_id": False,
            "active_ids": [],
            **names,
        },
    )


def specification(node, model):
    """What a list or a form in a view reads: {field: {…}} as `web_read` takes it."""
    spec = {}
    for child in own_fields(node):
        name = child.get("name")
        if name not in model._fields or (name in spec and not len(child)):
            continue
        relation = model._fields[name]
        spec[name] = {}
        if relation.type in ("many2one", "reference"):
            spec[name] = {"fields": {"display_name": {}}}
        elif relation.type in ("one2many", "many2many"):
            if child.get("invisible") in ("1", "True"):
                continue
            comodel = model.env[relation.comodel_name]
            inline = child.find("list")
            if inline is None:
                inline = child.find("kanban")
            if inline is None:
                spec[name] = {"fields": {"display_name": {}}, "limit": FORM_PAGE}
            else:
                spec[name] = {
                    "fields": specification(inline, comodel),
                    "limit": int(inline.get("limit") or FORM_PAGE),
                }
                if inline.get("default_order"):
                    spec[name]["order"] = inline.get("default_order")
    return spec


def own_fields(node):
    """The fields of a view, without those of the views inside it."""
    for child in node:
        if child.tag == "field":
            yield child
        elif isinstance(child.tag, str):
            yield from own_fields(child)


def search_parts(arch, model, text):
    """(filters, groups, searches) of a search view.

    :param text: what the person types, for fields of text and of relations.
    """
    filters, groups, searches = {}, {}, {}
    for node in arch.iter("filter"):
        name = node.get("name")
        context = evaluate(node.get("context") or "{}", model.env) or {}
        if context.get("group_by"):
            groups[name] = context["group_by"]
        elif node.get("date"):
            start = date.today().replace(day=1)
            filters[name] = Domain(node.get("date"), ">=", str(start)) & Domain(
                node.get("date"), "<=", str(start + relativedelta(months=1, days=-1))
            )
        elif node.get("domain"):
            filters[name] = Domain(evaluate(node.get("domain"), model.env))
    for node in arch.iter("field"):
        name = node.get("name")
        searched = model._fields[name]
        value = text.get(searched.type, text["char"])
        if node.get("filter_domain"):
            searches[name] = Domain(evaluate(node.get("filter_domain"), model.env, self=str(value), raw_value=value))
        elif searched.type in ("many2one", "one2many", "many2many"):
            label = text.get(searched.comodel_name, value)
            searches[name] = Domain(name, node.get("operator") or "ilike", label)
        elif searched.type in ("selection", "integer"):
            searches[name] = Domain(name, "=", value)
        else:
            searches[name] = Domain(name, node.get("operator") or "ilike", value)
    return filters, groups, searches


TEXT = {"char": "zzyzx", "integer": 1}


def screen(name, model, domain, context=None, views=(), text=TEXT):
    """The list of a model, with the views of an action or the default ones."""
    model = model.with_context(**(context or {}))
    views = dict(views)
    archs = model.get_views([(views.get(kind) or False, kind) for kind in ("list", "search")])["views"]
    arch = etree.fromstring(archs["list"]["arch"])
    filters, groups, searches = search_parts(etree.fromstring(archs["search"]["arch"]), model, text)
    defaults = Domain.AND(
        filters[key.removeprefix("search_default_")]
        for key, value in (context or {}).items()
        if value and key.startswith("search_default_") and key.removeprefix("search_default_") in filters
    )
    return Screen(
        name=name,
        model=model,
        domain=Domain(domain or []),
        order=arch.get("default_order") or "",
        limit=int(arch.get("limit") or PAGE),
        specification=specification(arch, model),
        defaults=defaults,
        filters=filters,
        groups=groups,
        searches=searches,
        aggregates=[
            f"{node.get('name')}:sum"
            for node in own_fields(arch)
            if node.get("sum") and model._fields[node.get("name")].aggregator
        ],
    )


def action_screens(env, text=TEXT):
    """The list of every window action of the suite's modules that the user of `env` may read."""
    data = env["ir.model.data"].sudo()  # sudo: which actions the suite has, asked by tests only
    ids = data.search([("model", "=", "ir.actions.act_window"), ("module", "=like", "g2p%")]).mapped("res_id")
    for action in env["ir.actions.act_window"].sudo().browse(ids).sorted("id"):
        model = env.get(action.res_model)
        if model is None or model._transient or "list" not in action.view_mode or not model.has_access("read"):
            continue
        context = evaluate(action.context, env) or {}
        views = [(kind, view) for view, kind in action.views] + [("search", action.search_view_id.id)]
        yield screen(action.name, model, evaluate(action.domain, env), context, views, text)


def button_screens(record, text=TEXT):
    """The lists that the stat buttons and links of a record's form open."""
    arch = etree.fromstring(record.get_view(view_type="form")["arch"])
    methods = [
        node.get("name")
        for node in arch.iter("button")
        if node.get("type") == "object" and "oe_stat_button" in (node.get("class") or "")
    ]
    methods += [step["action"] for step in record["pipeline"] or []] if "pipeline" in record._fields else []
    for method in dict.fromkeys(methods):
        action = getattr(record, method)()
        if not isinstance(action, dict) or action.get("type") != "ir.actions.act_window" or action.get("res_id"):
            continue
        model = record.env[action["res_model"]]
        if model._transient or "list" not in action["view_mode"] or not model.has_access("read"):
            continue
        context = evaluate(action.get("context") or {}, record.env)
        views = [(kind, view) for view, kind in action.get("views", ())]
        views.append(("search", (action.get("search_view_id") or [False])[0]))
        yield screen(
            f"{record._description}: {method}", model, evaluate(action.get("domain"), record.env), context, views, text
        )


def open_form(record):
    """What opening the form of a record reads."""
    arch = etree.fromstring(record.get_view(view_type="form")["arch"])
    return record.web_read(specification(arch, record))
