"""Each addon of the suite by itself: scripts/python tests/alone.py DATABASE

On a database of Odoo's own modules, each addon comes on exactly what its manifest needs, is looked at and used, and goes again by
Odoo's uninstall. Prints, as JSON, what is wrong: {addon: [sentence]}, and what was looked at: {addon: {what: how many}}.
"""

import ast
import base64
import json
import sys
import traceback
from collections import Counter
from contextlib import contextmanager
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(Path(__file__).resolve().parent), str(ROOT / "scripts")]
from dangling import dangling, shape  # noqa: E402
from odoo_environment import environment  # noqa: E402
from removal import drafts, life_of_members  # noqa: E402

from odoo import api  # noqa: E402
from odoo.exceptions import ValidationError  # noqa: E402
from odoo.modules.registry import Registry  # noqa: E402
from odoo.tools.safe_eval import safe_eval  # noqa: E402

# What the suite in one brings, and a country to show it, is not one capability.
WHOLE = {"g2p_pbms", "g2p_demo"}
SUITE = {
    manifest.parent.name: ast.literal_eval(manifest.read_text())["depends"]
    for manifest in sorted(ROOT.glob("addons/*/__manifest__.py"))
}
ALONE = sorted(SUITE.keys() - WHOLE)


def needs(addon, suite):
    """{addons of the suite that an addon needs, directly or not}

    >>> sorted(needs("c", {"a": ["mail"], "b": ["a"], "c": ["b"]}))
    ['a', 'b']
    """
    direct = {one for one in suite[addon] if one in suite}
    return direct.union(*(needs(one, suite) for one in direct))


def plan(addons, suite):
    """[(come | go, addon)]: each of the addons comes once, when exactly what it needs is there; whoever came last goes first.

    >>> plan(["a", "b", "c"], {"a": [], "b": ["a"], "c": ["a", "b"]})
    [('come', 'a'), ('come', 'b'), ('come', 'c'), ('go', 'c'), ('go', 'b'), ('go', 'a')]
    >>> plan(["a", "b", "c", "d"], {"a": [], "b": [], "c": ["b"], "d": ["a", "b"]})
    [('come', 'a'), ('go', 'a'), ('come', 'b'), ('come', 'c'), ('go', 'c'), ('come', 'a'), ('come', 'd'), ('go', 'd'), ('go', 'a'), ('go', 'b')]
    """
    order = sorted(addons, key=lambda addon: (len(needs(addon, suite)), addon))
    left, there, steps = set(order), [], []

    def come(addon):
        if set(there) == needs(addon, suite):
            left.discard(addon)
        there.append(addon)
        steps.append(("come", addon))

    def go():
        steps.append(("go", there.pop()))

    while left:
        # Deeper where something stands on exactly this, else by the shortest way.
        wanted = min(
            (addon for addon in order if addon in left),
            key=lambda addon: len(needs(addon, suite) ^ set(there)),
        )
        while not set(there) <= needs(wanted, suite):
            go()
        for addon in order:
            if addon in needs(wanted, suite) and addon not in there:
                come(addon)
        come(wanted)
    while there:
        go()
    return steps


# What is looked at


def look(env, addon, seen):
    """What does not open, in sentences: the screens and menus of an addon, for each role that has them.

    :param Counter seen: counts what was opened
    """
    views = env["ir.ui.view"].browse(_ids(env, addon, "ir.ui.view"))
    menus = set(_ids(env, addon, "ir.ui.menu"))
    kinds = {}
    for view in views.filtered(lambda view: view.model and view.type != "qweb"):
        kinds.setdefault(view.model, set()).add(view.type)
    found = []
    unseen = set(menus)
    for user in _people(env):
        mine = env(user=user.id, su=False)
        for model, types in sorted(kinds.items()):
            if mine[model].has_access("read"):
                found += _opened(user, model, seen, "screens", _screens, mine[model], types)
        shown = mine["ir.ui.menu"].load_web_menus(False)
        unseen -= shown.keys()
        for key in sorted(menus & shown.keys()):
            if model := shown[key]["actionModel"]:
                action = env[model].browse(shown[key]["actionID"])
                found += _opened(user, action.name, seen, "menus", _page, mine, action)
    return [*found, *(f"menu {env['ir.ui.menu'].browse(menu).complete_name} is nobody's" for menu in sorted(unseen))]


def _ids(env, addon, model):
    return env["ir.model.data"].search([("module", "=", addon), ("model", "=", model)]).mapped("res_id")


def _people(env):
    """A user for each role of the suite that is there, and the administrator of the system."""
    roles = env["ir.model.data"].search([("module", "=like", "g2p%"), ("model", "=", "res.groups")])
    groups = {data.complete_name: data.res_id for data in roles} | {
        "base.group_system": env.ref("base.group_system").id
    }
    return (
        env["res.users"]
        .with_context(no_reset_password=True)
        .create(
            [
                {"name": name, "login": name, "group_ids": [(6, 0, [env.ref("base.group_user").id, group])]}
                for name, group in sorted(groups.items())
            ]
        )
    )


def _opened(user, name, seen, what, open_it, *arguments):
    seen[what] += 1
    try:
        with user.env.cr.savepoint():
            open_it(*arguments)
    except Exception as error:  # whatever is wrong is what is told
        return [f"{user.login} opens {name}: {type(error).__name__}: {error}"]
    return []


def _screens(model, types):
    model.get_views([(False, kind) for kind in sorted(types)])


def _page(env, action):
    if action._name != "ir.actions.act_window":
        return
    model = env[action.res_model]
    model.get_views([*action.views, (action.search_view_id.id, "search")])
    if not model._transient:
        domain = safe_eval(action.domain or "[]", {"uid": env.uid, "context_today": date.today, "active_id": False})
        model.web_search_read(domain, {"display_name": {}}, limit=1)


# What is used: something small of each, that has to be taken away with it


def use_bulk(env):
    """An export is on record."""
    admin = env(user=env.ref("base.user_admin").id, su=False)
    admin.user.partner_id.export_data(["name"])
    assert env["g2p.export.log"].search_count([("user_id", "=", admin.uid)]) == 1


def use_approval(env):
    """Who holds no right stands in for nobody."""
    away, there = (
        env["res.users"]
        .with_context(no_reset_password=True)
        .create([{"name": name, "login": name} for name in ("away", "there")])
    )
    delegations = env["g2p.approval.delegation"]
    assert not delegations._to(there)
    today = date.today().isoformat()
    try:
        with env.cr.savepoint():
            delegations.create({"user_id": away.id, "delegate_id": there.id, "date_to": today})
    except ValidationError as refusal:
        assert "decides on nothing" in str(refusal)
    else:
        raise AssertionError("who holds no right can't stand in")


def use_outbox(env):
    """A channel is set up, of no kind yet."""
    assert env["g2p.outbox.channel"].create({"name": "Nowhere"}).kind == "none"


def use_registry(env):
    """A household counts its members."""
    person = env["res.partner"].create({"name": "Rana, Asha", "is_registrant": True, "is_group": False})
    family = env["res.partner"].create({"name": "Rana", "is_registrant": True, "is_group": True})
    env["g2p.group.membership"].create({"group": family.id, "individual": person.id})
    assert family.count_individuals() == [[family.id, 1]]


def use_import(env):
    """A file of one row registers one person."""
    content = b"Family name,Given name\nRai,Mina\n"
    record = env["g2p.registrant.import"].create({"name": "people.csv", "file": base64.b64encode(content)})
    record.action_check()
    assert record.ok_count == 1, record.refused_line_ids.mapped("reason")
    record.action_import()
    assert env["res.partner"].search_count([("family_name", "=", "Rai"), ("is_registrant", "=", True)]) == 1


def use_programs(env):
    """A household's entitlement is drafted."""
    [entitlement] = drafts(env, 1).cycle_ids.entitlement_ids
    assert entitlement.initial_amount == 100


def use_deduplication(env):
    """Two people with one phone are a set of duplicates."""
    people = env["res.partner"].create(
        [{"name": f"Twin {number}", "is_registrant": True, "is_group": False} for number in range(2)]
    )
    for person in people:
        env["g2p.phone.number"].create({"partner_id": person.id, "phone_no": "+251911234567"})
    env.ref("g2p_deduplication.registry_deduplication_individual").action_deduplicate()
    assert env["g2p.registry.duplicate"].search([]).partner_ids == people
    _manager(env, "g2p.deduplication.manager.bank_account")
    _manager(env, "g2p.deduplication.manager.fuzzy")


def use_entitlement_cash(env):
    """An item pays a household."""

    def items(program):
        program.entitlement_managers.unlink()
        _manager(
            env,
            "g2p.program.entitlement.manager.cash",
            program,
            entitlement_item_ids=[(0, 0, {"name": "Food", "amount": 7})],
        )

    [entitlement] = drafts(env, 1, items).cycle_ids.entitlement_ids
    assert entitlement.initial_amount == 7


def use_payment_cash(env):
    """A program pays at the cash desk."""

    def desk(program):
        program.payment_managers.unlink()
        _manager(env, "g2p.program.payment.manager.cash", program)

    program = drafts(env, 1, desk)
    assert program.payment_managers.manager_ref_id._name == "g2p.program.payment.manager.cash"
    assert not program.cycle_ids.entitlement_ids.show_payment_prepare


def use_payment_files(env):
    """A payer's file is read; it names a payment that nobody knows."""
    content = b"Payment reference,Status,Amount\nX1,paid,5\n"
    record = env["g2p.payment.reconciliation"].create({"file": base64.b64encode(content), "filename": "bank.csv"})
    record.action_check()
    assert record.lines_count == 1


def use_registrant_info(env):
    """A household applies."""
    program = drafts(env, 0)
    family = env["res.partner"].create({"name": "Gurung", "is_registrant": True, "is_group": True})
    application = env["g2p.program.registrant_info"].create({"registrant_id": family.id, "program_id": program.id})
    assert application.program_membership_id.state == "draft"


def use_pmt(env):
    """A test of one term is drafted, and who is poor is said by its score."""
    program = drafts(env, 0)
    env["g2p.pmt.model"].create(
        {
            "program_id": program.id,
            "term_ids": [(0, 0, {"source": "registrant", "pmt_field": "income", "pmt_weightage": 1})],
        }
    )
    _manager(env, "g2p.program_membership.manager.pmt", program)


def use_simulation(env):
    """A scenario tells what a program would cost."""
    program = drafts(env, 1)
    scenario = env["g2p.program.scenario"].create({"name": "Try", "program_id": program.id})
    scenario.action_simulate()
    assert scenario.state == "simulated"


def _filter(env, addon):
    """People keep filters of what the addon brings."""
    models = env["ir.model"].browse(_ids(env, addon, "ir.model")).filtered(lambda model: model.modules == addon)
    env["ir.filters"].create([{"name": model.name, "model_id": model.model} for model in models if not model.abstract])


def _manager(env, model, program=None, **values):
    program = program or env["g2p.program"].create({"name": f"By {model}", "target_type": "group"})
    return env[model].create({"name": "Manager", "program_id": program.id, **values})


USES = {
    "g2p_approval": use_approval,
    "g2p_bulk": use_bulk,
    "g2p_deduplication": use_deduplication,
    "g2p_entitlement_cash": use_entitlement_cash,
    "g2p_outbox": use_outbox,
    "g2p_payment_cash": use_payment_cash,
    "g2p_payment_files": use_payment_files,
    "g2p_pmt": use_pmt,
    "g2p_program_membership_change": life_of_members,
    "g2p_program_registrant_info": use_registrant_info,
    "g2p_programs": use_programs,
    "g2p_registry_base": use_registry,
    "g2p_registry_import": use_import,
    "g2p_simulation": use_simulation,
}


# Its life


class Life:
    """What is told of all addons: `wrong` {addon: [sentence]}, `seen` {addon: {what: how many}}."""

    def __init__(self, database):
        self.database = database
        self.wrong = {addon: [] for addon in ALONE}
        self.seen = {addon: Counter() for addon in ALONE}
        self.before = []

    @contextmanager
    def environment(self):
        """As a server has it that starts now."""
        with Registry(self.database).cursor() as cr:
            yield api.Environment(cr, api.SUPERUSER_ID, {"lang": "en_US"})

    def _module(self, env, addon):
        return env["ir.module.module"].search([("name", "=", addon)])

    def come(self, addon):
        with self.environment() as env:
            self.before.append((addon, shape(env.cr)))
            self._module(env, addon).button_immediate_install()
        if self.seen[addon]:
            return  # it comes again, for what needs it
        with self.environment() as env:
            brought = {*env["ir.module.module"].search([("state", "=", "installed")]).mapped("name")} & SUITE.keys()
            if brought != needs(addon, SUITE) | {addon}:
                self.wrong[addon].append(f"it came with {sorted(brought)}")
            self.wrong[addon] += look(env, addon, self.seen[addon])
            env.cr.rollback()
        with self.environment() as env:
            try:
                USES[addon](env)
                _filter(env, addon)
                env.cr.commit()
            except Exception:
                env.cr.rollback()
                self.wrong[addon].append(f"it does not work: {traceback.format_exc()}")
            self.seen[addon]["uses"] += 1

    def go(self, addon):
        with self.environment() as env:
            self._module(env, addon).button_immediate_uninstall()
        came, before = self.before.pop()
        assert came == addon
        with self.environment() as env:
            after = shape(env.cr)
            for what, things in before.items():
                self.wrong[addon] += [f"it left behind, of {what}: {name}" for name in sorted(after[what] - things)]
                self.wrong[addon] += [f"it took along, of {what}: {name}" for name in sorted(things - after[what])]
            self.wrong[addon] += dangling(env, notes=False)


if __name__ == "__main__":
    with environment(sys.argv[1], "--skip-auto-install") as superuser:
        superuser.cr.commit()
        life = Life(sys.argv[1])
        for step, addon in plan(ALONE, SUITE):
            getattr(life, step)(addon)
    print(json.dumps({"wrong": life.wrong, "seen": life.seen}))
