"""What the main job leaves out, in a database of the version that a dump is made of: fill.py DATABASE (see `make_dump.py`).

Each part ends in another state, so that an upgrade meets all of them: imports of every state with a mapping, merges of every
state, changes of members, a cycle in each state of its life, held and cancelled entitlements, settings, limited users.
"""

import base64
import sys
from datetime import date, timedelta

from odoo_environment import agree, as_user, environment

from odoo.fields import Command
from odoo.tools import mute_logger

MADE_ANEW = """
    url LIKE '/web/assets/%' OR res_model = 'ir.ui.menu'
    OR (res_model IN ('res.partner', 'res.company', 'res.lang') AND res_field IS NOT NULL)
"""


def file(rows):
    return base64.b64encode("\n".join(rows).encode())


class Filler:
    def __init__(self, env):
        self.env = env
        logins = ("admin", "registrar", "manager", "approver", "finance", "validator")
        self.users = {login: as_user(env, login) for login in logins}

    def run(self):
        self.settings()
        self.imports()
        self.merges()
        self.changes()
        self.cycles()
        self.keep_files()
        self.env.cr.commit()

    def settings(self):
        env = self.users["admin"]
        parameters = env["ir.config_parameter"].sudo()
        parameters.set_param("g2p_registry_base.import_maker_checker", "True")
        parameters.set_param("g2p_registry_base.least_told", "7")
        ward = self.env["g2p.area"].search([("code", "=like", "DM-101%")], order="code", limit=1)
        # A registrar of one district, with a filter and a default of their own.
        limited = self.env["res.users"].create(
            {
                "name": "Limited Registrar",
                "login": "limited",
                "g2p_area_ids": [Command.set(ward.ids)],
                "group_ids": [Command.link(self.env.ref("g2p_registry_base.group_g2p_registrar").id)],
            }
        )
        action = self.env["ir.actions.act_window"].search([("res_model", "=", "g2p.registrant.import")], limit=1)
        self.env["ir.filters"].create(
            {
                "name": "My checked files",
                "model_id": "g2p.registrant.import",
                "domain": "[('state', '=', 'checked')]",
                "user_ids": [Command.set(limited.ids)],
                "action_id": action.id,
            }
        )
        self.env["ir.default"].set("g2p.registrant.import", "existing_policy", "skip", user_id=limited.id)

    def imports(self):
        env, other = self.users["registrar"], self.users["admin"]
        mapping = env["g2p.registrant.import.mapping"].create(
            {
                "name": "Village list",
                "line_ids": [
                    Command.create({"column": "Name", "target": "full_name", "required": True}),
                    Command.create({"column": "Born", "target": "birthdate", "date_format": "%d/%m/%Y"}),
                ],
            }
        )
        imports = {}
        for state in ("draft", "checked", "submitted", "done", "undone"):
            rows = ["Name,Born", *(f"{name} {state.title()},17/05/1990" for name in ("Asha", "Badru", "Chiku")), ",x"]
            imports[state] = record = env["g2p.registrant.import"].create(
                {"name": f"{state}.csv", "file": file(rows), "mapping_id": mapping.id}
            )
            if state == "draft":
                continue
            record.action_check()
            if state == "checked":
                continue
            record.action_submit()
            if state == "submitted":
                continue
            record.with_env(other).action_import()
            if state == "undone":
                record.with_env(other).action_undo()
        for state, record in imports.items():
            assert record.state == state, (record.state, state)

    def merges(self):
        env, other = self.users["registrar"], self.users["admin"]
        people = self.env["res.partner"].search(
            [("is_registrant", "=", True), ("is_group", "=", False), ("group_membership_ids", "=", False)], order="id"
        )
        for state, one, two in zip(
            ("draft", "proposed", "merged", "undone", "rejected"), people[::2], people[1::2], strict=False
        ):
            merge = env["g2p.registrant.merge"].create(
                {"survivor_id": one.id, "merged_id": two.id, "reason": "Known to the village"}
            )
            if state == "draft":
                continue
            merge.action_propose()
            if state == "rejected":
                merge.with_env(other).action_reject("Two people")
            if state in ("merged", "undone"):
                merge.with_env(other).action_merge()
            if state == "undone":
                merge.with_env(other).action_undo()
            assert merge.state == state, (merge.state, state)

    def changes(self):
        """Two paused, one of them resumed; one exited and re-admitted; one leaves next month; a pause that was reversed."""
        env = self.users["manager"]
        self.program = env["g2p.program"].search([("name", "=", "Household Support")], limit=1)
        members = env["g2p.program_membership"].search(
            [("program_id", "=", self.program.id), ("state", "=", "enrolled")], order="id", limit=6
        )
        for button, member, day in (
            ("pause", members[0], 0),
            ("pause", members[1], 0),
            ("resume", members[1], 0),
            ("exit", members[2], 0),
            ("readmit", members[2], 0),
            ("exit", members[3], 30),
            ("graduate", members[4], 0),
            ("pause", members[5], 0),
        ):
            wizard = env["g2p.membership.change.wizard"].browse(getattr(member, f"action_{button}")()["res_id"])
            wizard.date = date.today() + timedelta(days=day)
            reasons = env["g2p.membership.change.reason"].search([("needs_remark", "=", False)])
            wizard.reason_id = next((reason for reason in reasons if reason[f"for_{button}"]), False)
            wizard.remark = "Seen at the office"
            wizard.action_confirm()
            if button == "readmit":
                agree(self.env, env["g2p.membership.change"].search([], limit=1), "admin")
        last = env["g2p.membership.change"].search([], limit=1)
        # Somebody else reverses it.
        again = self.env["res.users"].create(
            {
                "name": "Second Manager",
                "login": "manager2",
                "group_ids": [Command.link(self.env.ref("g2p_programs.g2p_program_manager").id)],
            }
        )
        last.with_user(again).action_reverse()

    def cycles(self):
        """Cycles that wait in each state: cancelled, then three more that are prepared, sent for approval, and half paid."""
        manager, approver, finance = (self.users[login] for login in ("manager", "approver", "finance"))
        program = self.program
        # The one that is paid begins today.
        self.env.cr.execute(
            "UPDATE g2p_cycle SET start_date = start_date - interval '2 months', end_date = end_date - interval '2 months'"
        )
        self.env.invalidate_all()
        for state in ("cancelled", "half paid", "approved", "to_approve", "draft"):
            cycle = manager["g2p.cycle"].browse(program.create_new_cycle()["res_id"])
            cycle.copy_beneficiaries_from_program()
            cycle.prepare_entitlement()
            self.env.cr.commit()
            if state == "draft":
                continue
            if state == "cancelled":
                cycle.mark_cancelled()
                continue
            cycle.to_approve()
            if state == "to_approve":
                continue
            cycle.with_env(approver).approve()
            cycle.with_env(finance).validate_entitlement()
            self.env.cr.commit()
            if state == "approved":
                continue
            cycle.prepare_payment()
            cycle.send_payment()
            for batch in finance["g2p.payment.batch"].search([("cycle_id", "=", cycle.id)]):
                if not batch.is_cash_desk:
                    batch.action_export()
            self.env.cr.commit()
            payments = finance["g2p.payment"].search([("cycle_id", "=", cycle.id), ("state", "=", "sent")], order="id")
            lines = ["payment reference,status,amount,bank reference,reason"]
            for number, payment in enumerate(payments[: len(payments) // 2]):
                lines.append(
                    f"{payment.name},{'failed' if number % 3 == 2 else 'paid'},{payment.amount_issued},B{number},"
                )
            for applied in (True, False):
                reconciliation = finance["g2p.payment.reconciliation"].create(
                    {"cycle_id": cycle.id, "filename": f"{applied}.csv", "file": file(lines)}
                )
                reconciliation.action_check()
                if applied:
                    reconciliation.action_apply()
                lines.append(f"{payments[-1].name},paid,{payments[-1].amount_issued},B99,")
        states = program.cycle_ids.mapped("state")
        assert {"cancelled", "approved", "to_approve", "draft", "distributed"} <= set(states), states

    def keep_files(self):
        """A dump has no file store. What any server makes anew is left out: see `make_dump.py`."""
        self.env.cr.execute(
            f"SELECT id, store_fname FROM ir_attachment WHERE store_fname IS NOT NULL AND ({MADE_ANEW}) IS NOT TRUE"
        )
        for attachment, name in self.env.cr.fetchall():
            self.env.cr.execute(
                "UPDATE ir_attachment SET db_datas = %s, store_fname = NULL WHERE id = %s",
                [self.env["ir.attachment"]._file_read(name), attachment],
            )
        self.env.cr.execute(f"DELETE FROM ir_attachment WHERE {MADE_ANEW}")


if __name__ == "__main__":
    with environment(sys.argv[1]) as superuser, mute_logger("odoo.addons.g2p_bulk"):
        Filler(superuser).run()
