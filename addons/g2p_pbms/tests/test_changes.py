"""Nothing that decides who gets how much changes without a trace: every field of every configuration is watched."""

import json

from odoo.exceptions import AccessError
from odoo.fields import Command, Domain
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import changes
from odoo.addons.g2p_programs.tests.money import MoneyCase

# What is no configuration: tables of people, of their money and of what was done, each with the history it has.
NOT_CONFIGURED = {
    "g2p.approval.decision": "append-only itself",
    "g2p.approval.proposal": "a request with states: what it proposes never changes",
    "g2p.approval.request": "a request with states: what it asks for never changes",
    "g2p.approval.request.stage": "part of a request",
    "g2p.auto.enrol.queue": "work that waits, deleted when done",
    "g2p.bulk.chunk": "part of an operation",
    "g2p.bulk.log": "is a log",
    "g2p.bulk.operation": "is a record of what was done",
    "g2p.change.history": "is the history",
    "g2p.cycle.author": "append-only itself",
    "g2p.cycle.membership": "beneficiaries: state history",
    "g2p.demo.generator": "makes demo data",
    "g2p.eligibility.list.line": "people of a list, loaded from a file that is kept",
    "g2p.fund.account": "moved by the ledger",
    "g2p.fund.hold": "moved by the ledger",
    "g2p.fund.ledger": "append-only itself",
    "g2p.group.indicator": "computed from members",
    "g2p.membership.change": "a request with states, decided by buttons",
    "g2p.membership.change.line": "part of a request",
    "g2p.outbox.attempt": "append-only itself",
    "g2p.outbox.batch": "moved by calls and decisions: attempts",
    "g2p.outbox.message": "moved with its batch",
    "g2p.payment": "moved by steps: state history",
    "g2p.payment.batch": "moved by steps",
    "g2p.payment.contradiction": "a finding, settled by finance",
    "g2p.payment.correction": "a request with states, decided by two people",
    "g2p.payment.mark": "a request with states, decided by two people",
    "g2p.payment.reconciliation": "a file with states, applied by buttons",
    "g2p.payment.reconciliation.line": "rows of a file",
    "g2p.pmt.score": "computed from answers",
    "g2p.program.assessment": "append-only itself",
    "g2p.program.fund.report.view": "a view",
    "g2p.program.membership.duplicate": "a finding, decided by buttons",
    "g2p.program.membership.duplicate.pair": "a finding",
    "g2p.program.registrant_info": "an application with states",
    "g2p.program.scenario.result": "computed",
    "g2p.program_membership": "beneficiaries: state history",
    "g2p.registrant.import": "a file with states, applied by buttons",
    "g2p.registrant.import.line": "rows of a file",
    "g2p.registrant.merge": "a request with states, decided by buttons",
    "g2p.registrant.merge.line": "part of a request",
    "g2p.registry.deduplication": "is a record of what was done",
    "g2p.registry.duplicate": "a finding, decided by buttons",
    "g2p.registry.duplicate.pair": "a finding",
    "g2p.state.history": "is a history",
}
# Tables of people of which some fields are watched, not all.
PEOPLE = {"g2p.entitlement", "g2p.group.membership", "g2p.phone.number", "g2p.reg.id", "g2p.reg.rel"}
# Fields of configuration that are not watched, and why.
EXCEPTIONS = {}


@tagged("post_install", "-at_install")
class TestEveryConfiguration(TransactionCase):
    def configured(self):
        """Every model of the suite with a table that is not named above."""
        for name, model in sorted(self.env.registry.items()):
            if (
                (name.startswith("g2p.") or name == "gender.type")
                and not model._abstract
                and not model._transient
                and ".test." not in name
                and name not in NOT_CONFIGURED
                and name not in PEOPLE
                and self.env[name]._auto
            ):
                yield self.env[name]

    def test_every_business_field_is_watched(self):
        models_ = list(self.configured())
        self.assertGreater(len(models_), 40)
        for model in models_:
            with self.subTest(model=model._name):
                self.assertIn(
                    model._name,
                    self.env["g2p.change.history"]._watched_models(),
                    "inherits g2p.change.mixin, or is named above with a reason",
                )
                watched = {field.name for field in model._watched()}
                protected = set(getattr(model, "_protected_fields", ()))
                business = {name for name, field in model._fields.items() if changes.is_business(field)}
                missing = business - watched - protected - {field for name, field in EXCEPTIONS if name == model._name}
                self.assertFalse(missing)

    def test_the_database_has_the_triggers(self):
        self.env.cr.execute(
            "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE 'g2p\\_changes\\_%'"
        )
        tables = {table for [table] in self.env.cr.fetchall()}
        for model in self.configured():
            self.assertIn(model._table, tables)
        self.assertLessEqual(
            {"res_users", "res_groups_users_rel", "ir_config_parameter", "ir_default", "g2p_area_res_users_rel"}, tables
        )

    def test_lists_of_exceptions_name_what_there_is(self):
        for name in [*NOT_CONFIGURED, *PEOPLE]:
            self.assertIn(name, self.env, name)

    def test_every_form_has_the_button(self):
        for model in self.configured():
            views = self.env["ir.ui.view"].search(
                [("model", "=", model._name), ("type", "=", "form"), ("mode", "=", "primary")]
            )
            for view in views:
                with self.subTest(view=view.xml_id):
                    arch = model.get_view(view.id, "form")["arch"]
                    if "<sheet" in arch:
                        self.assertIn("action_view_changes", arch)


@tagged("post_install", "-at_install")
class TestTraces(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.auditor = new_test_user(cls.env, login="traces", groups="g2p_registry_base.group_g2p_auditor")
        cls.env.flush_all()

    def trace(self, record, user=None):
        """{(model, field, before, now, by)}: what the auditor reads under *Changes* of a record."""
        self.env.flush_all()
        action = record.with_user(user or self.auditor).action_view_changes()
        rows = self.env["g2p.change.history"].with_user(user or self.auditor).search(action["domain"])
        return {(row.res_model, row.field, row.old_value, row.new_value, row.user_id.login) for row in rows}

    def test_an_amount_is_traced_on_the_program_and_on_its_manager(self):
        self.terms.amount_per_cycle = 900
        row = (self.terms._name, "amount_per_cycle", "100", "900", self.manager.login)
        self.assertIn(
            row, {(m, f, o and o.split(".")[0], n and n.split(".")[0], u) for m, f, o, n, u in self.trace(self.grant)}
        )
        self.assertIn(
            row, {(m, f, o and o.split(".")[0], n and n.split(".")[0], u) for m, f, o, n, u in self.trace(self.terms)}
        )

    def test_changes_are_found_by_the_names_that_stand_in_the_list(self):
        history = self.env["g2p.change.history"]
        self.terms.amount_per_cycle = 900
        self.env.flush_all()
        auditor = history.with_user(self.auditor)
        found = auditor.search([("about", "ilike", self.grant.name)])
        self.assertIn(self.grant.id, found.filtered(lambda row: row.owner_model == "g2p.program").mapped("owner_id"))
        self.assertFalse(auditor.search([("about", "ilike", "nobody is called so")]))
        registrant = self.env["res.partner"].create(
            {"is_registrant": True, "family_name": "Odera", "given_name": "Achieng"}
        )
        registrant.birthdate = "1990-01-01"
        self.env.flush_all()
        changes = [("about", "ilike", "odera achieng")]
        self.assertEqual(set(auditor.search(changes).mapped("owner_id")), {registrant.id})
        registrant.area_id = self.env["g2p.area"].create({"name": "Searched", "code": "SEARCHED"})
        limited = new_test_user(
            self.env,
            login="traces elsewhere",
            groups="g2p_registry_base.group_g2p_auditor",
            g2p_area_ids=[(6, 0, self.env["g2p.area"].create({"name": "Not there", "code": "NOTTHERE"}).ids)],
        )
        self.assertFalse(history.with_user(limited).search(changes))

    def test_a_corrected_draft(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        one = self.entitlements(cycle)[0]
        one.with_user(self.manager).with_context(g2p_reason="Appeal").initial_amount = 999
        for record in (cycle, one, one.partner_id):
            if hasattr(record, "action_view_changes"):
                self.assertIn(
                    ("g2p.entitlement", "initial_amount", "999"),
                    {(m, f, n and n.split(".")[0]) for m, f, _o, n, _u in self.trace(record)},
                )

    def test_steps_leave_no_rows_of_amounts(self):
        before = self.env["g2p.change.history"].search_count([("res_model", "=", "g2p.entitlement")])
        self.deposit(1000)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual(self.env["g2p.change.history"].search_count([("res_model", "=", "g2p.entitlement")]), before)

    def test_roles_areas_and_settings(self):
        area = self.env["g2p.area"].create({"name": "Far", "code": "FAR-1"})
        user = self.users["validator"]
        admin = self.env.ref("base.user_admin")
        group = self.env.ref("g2p_programs.g2p_finance_validator")
        user.with_user(admin).write({"group_ids": [Command.link(group.id)], "g2p_area_ids": [Command.link(area.id)]})
        traced = self.trace(user)
        self.assertIn(("res.users", "group_ids", admin.login), {(m, f, u) for m, f, _o, _n, u in traced})
        self.assertIn(
            ("res.users", "g2p_area_ids", f"Far (#{area.id})", admin.login), {(m, f, n, u) for m, f, _o, n, u in traced}
        )
        self.env["ir.config_parameter"].with_user(admin).set_param("g2p_programs.maker_checker", "False")
        self.env.flush_all()
        rows = (
            self.env["g2p.change.history"]
            .with_user(self.auditor)
            .search([("res_model", "=", "ir.config_parameter"), ("field", "=", "value")], limit=1)
        )
        self.assertEqual((rows.new_value, rows.user_id), ("False", admin))
        settings = self.env["res.config.settings"].with_user(admin).create({"bulk_chunk_size": 5000})
        settings.execute()
        self.env.flush_all()
        rows = (
            self.env["g2p.change.history"]
            .with_user(self.auditor)
            .search([("res_model", "=", "ir.config_parameter"), ("new_value", "=", "5000")])
        )
        self.assertTrue(rows)
        self.env["ir.config_parameter"].sudo().set_param("g2p_x.api_token", "hush")
        self.env.flush_all()
        self.assertFalse(self.env["g2p.change.history"].search([("new_value", "=", "hush")]))

    def test_who_reads_a_formula_reads_its_changes_and_nobody_else(self):
        model = self.env["g2p.pmt.model"].sudo().create({"program_id": self.grant.id, "constant": 4711})
        model.constant = 4712
        self.env.flush_all()
        readers = {
            name for name, user in self.users.items() if self.env["g2p.pmt.model"].with_user(user).has_access("read")
        }
        self.assertIn("manager", readers)
        self.assertLess(len(readers), len(self.users))
        for name, user in self.users.items():
            try:
                found = (
                    self.env["g2p.change.history"]
                    .with_user(user)
                    .search([("res_model", "=", model._name), ("res_id", "=", model.id)])
                )
            except AccessError:
                found = False
            with self.subTest(name):
                self.assertTrue(not found or name in readers or user.has_group("g2p_bulk.group_g2p_change_auditor"))
        self.assertTrue(
            self.env["g2p.change.history"]
            .with_user(self.manager)
            .search([("res_model", "=", model._name), ("res_id", "=", model.id)])
        )

    # Whoever had a part in what is to be agreed to, at whatever depth

    def everything_of(self, things, aside):
        """Records of watched models that belong to these, by required many2one fields: lines, their lines, and so on."""
        history = self.env["g2p.change.history"]
        watched = [self.env[name] for name in history._watched_models() if name not in aside]
        found = {records._name: records.sudo() for records in things}
        while True:
            before = {name: records.ids for name, records in found.items()}
            for model in watched:
                ways = [
                    Domain(name, "in", found[field.comodel_name].ids)
                    for name, field in model._fields.items()
                    if field.type == "many2one" and field.store and field.required and field.comodel_name in found
                ]
                if ways and (more := model.sudo().with_context(active_test=False).search(Domain.OR(ways))):
                    found[model._name] = found.get(model._name, more) | more
            if before == {name: records.ids for name, records in found.items()}:
                return found

    def part(self, record, operation):
        """Somebody makes, changes or deletes this one row, as the database sees it."""
        table, user = SQL.identifier(record._table), self.part_taker.id
        if operation == "write":
            field = next(
                field
                for field in record._watched()
                if field.column_type
                and field.type in ("char", "text", "float", "monetary", "integer", "boolean", "date")
            )
            column = SQL.identifier(field.name)
            other = {
                "char": SQL("COALESCE(%s, '') || '!'", column),
                "text": SQL("COALESCE(%s, '') || '!'", column),
                "boolean": SQL("NOT COALESCE(%s, FALSE)", column),
            }.get(field.type, SQL("COALESCE(%s, %s) + 1", column, "2030-01-01" if field.type == "date" else 0))
            self.cr.execute(
                SQL(
                    "UPDATE %s SET %s = %s, write_uid = %s, write_date = now() AT TIME ZONE 'UTC' WHERE id = %s",
                    *(table, column, other, user, record.id),
                )
            )
            return
        by = str(user) if operation == "unlink" else ""
        self.cr.execute("SELECT set_config('g2p.user_id', %s, true)", [by])
        self.cr.execute(SQL("DELETE FROM %s AS row WHERE id = %s RETURNING to_jsonb(row)", table, record.id))
        [[row]] = self.cr.fetchall()
        if operation == "create":
            row |= {"create_uid": user, "write_uid": user}
            self.cr.execute(
                SQL("INSERT INTO %s SELECT (jsonb_populate_record(NULL::%s, %s)).*", table, table, json.dumps(row))
            )

    def full_program(self):
        """A draft with a manager of each type, and lines wherever there can be lines."""
        own = self.env(user=self.manager)
        program = own["g2p.program"].create({"name": "Everything", "target_type": "group", "pmt_config": True})
        code = self.env["g2p.benefit.codes"].create({"benefit_mnemonic": "ALL", "measurement_unit": "USD"})
        own["g2p.program.benefit.codes"].create(
            {"definition_id": program.definition_id.id, "benefit_code_id": code.id, "max_quantity": 3}
        )
        area = self.env["g2p.area"].create({"name": "All", "code": "ALL"})
        own["g2p.pmt.model"].create(
            {
                "program_id": program.id,
                "cut_off_ids": [Command.create({"area_id": area.id, "cut_off": 1})],
                "band_ids": [Command.create({"name": "Poor", "bound": 1})],
                "term_ids": [
                    Command.create(
                        {
                            "source": "application",
                            "pmt_field": "land",
                            "class_ids": [Command.create({"bound": 1, "points": 1})],
                            "category_ids": [Command.create({"value": "a", "points": 1})],
                            "weight_ids": [Command.create({"area_id": area.id, "weight": 1})],
                        }
                    )
                ],
            }
        )
        own["g2p.program_membership.manager.rules"].create(
            {
                "name": "Rules",
                "program_id": program.id,
                "rule_ids": [Command.create({"mnemonic": "A"})],
            }
        )
        own["g2p.program.entitlement.manager.cash"].create(
            {
                "name": "Items",
                "program_id": program.id,
                "entitlement_item_ids": [Command.create({"name": "One", "amount": 5})],
            }
        )
        return program

    def test_whoever_had_a_part_is_an_author(self):
        """Of each kind that is made of records with a history: who makes, changes or deletes one row of it, at any depth."""
        self.part_taker = new_test_user(self.env, login="part", groups="g2p_programs.g2p_program_cycle_approver")
        program = self.full_program()
        scenario = (
            self.env["g2p.program.scenario"].with_user(self.manager).create({"name": "Try", "program_id": program.id})
        )
        rules = self.env["g2p.program_membership.manager.rules"].search([("program_id", "=", program.id)])
        proposal = self.env["g2p.approval.proposal"].create(
            {
                "name": "Rules",
                "kind_code": "program_rules",
                "res_model": rules._name,
                "res_id": rules.id,
                "company_id": self.env.company.id,
                "act": "add",
            }
        )
        self.deposit(10)
        fund = self.env["g2p.program.fund"].search([("program_id", "=", self.grant.id)], limit=1)
        of_others = {"g2p.program.scenario": "tries out, and touches nothing", "g2p.cycle": "asks for itself"}
        for record, kind, things in (
            (program, "program_activation", [program, program.definition_id]),
            (scenario, "program_rules", [scenario, scenario.sandbox_id]),
            (program.pmt_model_id, "program_rules", [program.pmt_model_id]),
            (proposal, "program_rules", [rules]),
            (fund, "fund_deposit", [fund]),
        ):
            self.env.flush_all()
            record = record.sudo()
            self.assertNotIn(self.part_taker, record._approval_authors(kind))
            # Lines of a scenario's sandbox that the scenario is about are found by the sandbox.
            rows = self.everything_of(things, of_others.keys() - {record._name})
            for name, records in rows.items():
                for operation in ("create", "write", "unlink"):
                    # What is agreed to is there, as itself; programs have tests of their own.
                    if name in ("g2p.program", "g2p.program.definition"):
                        continue
                    if operation != "write" and records[:1] in (record, *things):
                        continue
                    with self.subTest(record=record._name, of=name, operation=operation), self.cr.savepoint() as undone:
                        self.part(records[:1], operation)
                        self.env.invalidate_all(flush=False)
                        self.assertIn(self.part_taker, record._approval_authors(kind), (record._name, name, operation))
                        undone.rollback()
                    self.env.invalidate_all(flush=False)
        self.assertLessEqual(
            {"g2p.pmt.class", "g2p.pmt.band", "g2p.program.benefit.codes", "g2p.eligibility.rule.definition"},
            self.everything_of([program, program.definition_id], of_others).keys(),
        )

    def test_another_company_sees_nothing(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            login="stranger",
            groups="g2p_registry_base.group_g2p_auditor",
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        self.terms.amount_per_cycle = 900
        self.env.flush_all()
        rows = self.env["g2p.change.history"].with_user(stranger).search([("owner_model", "=", "g2p.program")])
        self.assertFalse(rows.filtered(lambda row: row.owner_id == self.grant.id))
