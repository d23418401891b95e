"""Installs the suite stair by stair, each plug-in alone on programs, and takes all away again: scripts/python tests/alone.py DATABASE

The database is one of plain Odoo (`scripts/database.sh plain`). On each stair somebody works with what is there. Prints, as JSON,
what is wrong after each going: {step: [sentence]}.
"""

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import module_map  # noqa: E402
from dangling import dangling, shape  # noqa: E402
from odoo_environment import environment  # noqa: E402

from odoo import api  # noqa: E402
from odoo.modules.registry import Registry  # noqa: E402

PROGRAMS = "g2p_programs"
# They only bring the others along, and people who try: the base database of all tests has them.
ASIDE = ("g2p_pbms", "g2p_demo")


def use_registry(env):
    group = env["res.partner"].create({"name": "House of Alone", "is_registrant": True, "is_group": True})
    person = env["res.partner"].create(
        {"name": "Ada Alone", "is_registrant": True, "birthdate": "1980-01-01", "phone": "+12015550100"}
    )
    env["g2p.group.membership"].create({"group": group.id, "individual": person.id})


def use_import(env):
    env["g2p.registrant.import.mapping"].create(
        {"name": "Survey", "line_ids": [(0, 0, {"column": "Name", "target": "full_name"})]}
    )


def use_programs(env):
    program = env["g2p.program"].create({"name": "Alone", "target_type": "individual"})
    person = env["res.partner"].search([("name", "=", "Ada Alone")], limit=1)
    program.action_activate()
    env["g2p.program_membership"].create({"program_id": program.id, "partner_id": person.id})


def program_of(env):
    return env["g2p.program"].search([("name", "=", "Alone")], limit=1)


def use_entitlement_cash(env):
    program = program_of(env)
    program.get_manager(program.MANAGER_ENTITLEMENT).unlink()
    env["g2p.program.entitlement.manager.cash"].create({"name": "Cash", "program_id": program.id})


def use_payment_cash(env):
    program = program_of(env)
    program.get_manager(program.MANAGER_PAYMENT).unlink()
    env["g2p.program.payment.manager.cash"].create({"name": "Desk", "program_id": program.id})


def use_deduplication(env):
    for kind in ("bank_account", "fuzzy"):
        env[f"g2p.deduplication.manager.{kind}"].create({"name": kind, "program_id": program_of(env).id})


def use_applications(env):
    membership = program_of(env).program_membership_ids
    env["g2p.program.registrant_info"].create({"program_membership_id": membership.id})


def use_pmt(env):
    model = env["g2p.pmt.model"].create({"name": "Poverty", "program_id": program_of(env).id})
    env["g2p.program_membership.manager.pmt"].create({"name": "Poor", "program_id": model.program_id.id})


def use_simulation(env):
    env["g2p.program.scenario"].create({"name": "Double", "program_id": program_of(env).id})


USES = {
    "g2p_registry_base": use_registry,
    "g2p_registry_import": use_import,
    PROGRAMS: use_programs,
    "g2p_entitlement_cash": use_entitlement_cash,
    "g2p_payment_cash": use_payment_cash,
    "g2p_deduplication": use_deduplication,
    "g2p_program_registrant_info": use_applications,
    "g2p_pmt": use_pmt,
    "g2p_simulation": use_simulation,
}


class Stairs:
    def __init__(self, database):
        self.database, self.told, self.before, self.known = database, {}, {}, set()
        self.addons = module_map.manifests()

    def do(self, act):
        """What `act` says in a transaction of its own, on the registry as it is then."""
        with Registry(self.database).cursor() as cr:
            result = act(api.Environment(cr, api.SUPERUSER_ID, {"lang": "en_US"}))
            cr.commit()
        return result

    def installed(self, env):
        return set(env["ir.module.module"].search([("state", "=", "installed")]).mapped("name"))

    def up(self, name):
        """Install an addon and work with it, and with what it brought along."""
        started = time.process_time()
        self.before[name] = self.do(lambda env: shape(env.cr))
        self.do(lambda env: env["ir.module.module"].search([("name", "=", name)]).button_immediate_install())
        came = self.do(self.installed) - self.before[name]["modules"]
        for one in (one for one in self.addons if one in came and one in USES):
            self.do(USES[one])
        self.note(f"{name} is installed", [], started)
        return came

    def down(self, name, came):
        """Uninstall it and what it brought along; nothing of it is left, and nothing of others went with it."""
        started = time.process_time()
        self.do(lambda env: env["ir.module.module"].search([("name", "in", list(came))]).button_immediate_uninstall())
        Registry.new(self.database)
        before, after = self.before[name], self.do(lambda env: shape(env.cr))
        wrong = [f"{kind}: {one} is left" for kind in after for one in sorted(after[kind] - before[kind])]
        wrong += [f"{kind}: {one} is gone" for kind in after for one in sorted(before[kind] - after[kind])]
        self.note(f"{name} is gone", wrong, started)

    def note(self, step, wrong, started):
        """Each thing is told once: where it became wrong."""
        found = self.do(lambda env: dangling(env, notes=False))
        self.told[step] = [*wrong, *(sentence for sentence in found if sentence not in self.known)]
        self.known |= set(found)
        told = [f"{step}, {time.process_time() - started:.0f} s", *self.told[step]]
        print("\n  ".join(told), file=sys.stderr, flush=True)

    def walk(self):
        stairs = sorted(
            (*module_map.reached(self.addons, PROGRAMS), PROGRAMS),
            key=lambda name: len(module_map.reached(self.addons, name)),
        )
        came = {name: self.up(name) for name in stairs}
        for name in self.addons:
            if name not in stairs and name not in ASIDE:
                self.down(name, self.up(name))
        for name in reversed(stairs):
            self.down(name, came[name])


if __name__ == "__main__":
    with environment(sys.argv[1], "--skip-auto-install") as first:
        first["ir.module.module"].update_list()
        first.cr.commit()
    walked = Stairs(sys.argv[1])
    walked.walk()
    print(json.dumps(walked.told))
