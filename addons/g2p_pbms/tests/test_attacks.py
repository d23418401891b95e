"""What must not be possible, tried as each role through the same door as a remote client (`call_kw`).

Every test is an attack, or a promise of the database: a failing one is a hole, not a change to follow.
"""

import base64
import os
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import Error as PostgresError

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.service.model import call_kw
from odoo.tests import new_test_user, tagged
from odoo.tools import SQL, mute_logger

from odoo.addons.g2p_programs.tests.money import MoneyCase

REFUSED = (AccessError, UserError)
# What moves, and in which columns: states and money.
WATCHED = {
    "g2p_program": "state, active, company_id",
    "g2p_cycle": "state, approved_by, prepared_by, auto_approve_entitlements",
    "g2p_entitlement": "state, initial_amount, transfer_fee, program_id, currency_id, ern, code, partner_id",
    "g2p_payment": "state, status, amount_issued, amount_paid, account_number, batch_id, partner_id",
    "g2p_payment_batch": "cycle_id, program_id, company_id, batch_has_started, batch_has_completed",
    "g2p_program_fund": "state, amount, kind, program_id, name",
    "g2p_approval_request": "state, digest, requested_by",
    "g2p_approval_decision": "user_id, decision",
    "g2p_approval_stage": "group_id, needed, amount_from, active",
    "g2p_approval_kind": "group_id, several_stages",
    "g2p_fund_account": "posted, reserved, disbursed",
    "g2p_fund_ledger": "amount, kind, account_id",
    "g2p_fund_hold": "amount, purpose, key",
    "g2p_bulk_operation": "state, params::text, user_id",
    "g2p_payment_reconciliation": "state, checksum",
}
MEMBERS = {
    "g2p_program_membership": "state, partner_id",
    "g2p_cycle_membership": "state, partner_id",
    "g2p_program_membership_duplicate": "state, survivor_id",
}
# What merges, changes of members, applications, scores and scenarios move.
TARGETING = {
    "g2p_registrant_merge": "state, survivor_id, merged_id, reason",
    "g2p_registry_duplicate": "state",
    "g2p_registry_deduplication": "use_names, last_run",
    "g2p_membership_change": "state, date",
    "g2p_membership_change_line": "outcome",
    "g2p_program_registrant_info": "state, program_registrant_info::text, entitlement_id",
    "g2p_program_assessment": "remarks",
    "g2p_program_definition": "application_schema::text",
    "g2p_registrant_schema": "attributes_definition::text",
    "g2p_pmt_model": "state, constant, program_id",
    "g2p_pmt_score": "score, verdict",
    "g2p_proxy_means_test_params": "pmt_weightage",
    "g2p_program_scenario": "state, program_id, company_id",
    "g2p_auto_enrol_queue": "partner_id",
    "res_partner": "disabled, merged_into_id",
}
EVERYTHING = WATCHED | MEMBERS | TARGETING
# Records that differ in one of these may answer differently.
TELLING = ("state", "status", "kind", "cycle_id", "batch_has_started", "batch_has_completed")
QUIET = (
    "odoo.sql_db",
    "odoo.models.unlink",
    "odoo.addons.base.models.ir_model",
    "odoo.addons.base.models.ir_rule",
    "odoo.tools.safe_eval",
    "odoo.addons.g2p_bulk.models.bulk_operation",
)


class AttackCase(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # A second manager and people with two roles: who may do a thing must still not do both ends of it.
        cls.colleague = new_test_user(cls.env, login="attack_colleague", groups="g2p_programs.g2p_program_manager")
        cls.both = new_test_user(
            cls.env,
            login="attack_both",
            groups="g2p_programs.g2p_program_manager,g2p_programs.g2p_program_cycle_approver,"
            "g2p_programs.g2p_finance_validator",
        )

    def rpc(self, user, record, method, *args, **kwargs):
        """Call a public method as a remote client would; `record` is a recordset or a model's name."""
        # A request finds nothing in the cache that an earlier one was allowed to read.
        self.env.flush_all()
        self.env.invalidate_all()
        model, ids = (record, None) if isinstance(record, str) else (record._name, record.ids)
        target = self.env(user=user, su=False, context={})[model]
        arguments = list(args) if ids is None else [ids, *args]
        return call_kw(target, method, arguments, kwargs)

    @contextmanager
    def refusal(self, what=""):
        """The block must be refused; what it did is undone either way, so that the next attack starts afresh."""
        savepoint = self.env.cr.savepoint()
        try:
            with mute_logger("odoo.sql_db", "odoo.models.unlink"):
                yield
                self.env.flush_all()
        except (*REFUSED, PostgresError, ValueError, OverflowError):
            return
        finally:
            self.env.transaction.clear()
            savepoint.close(rollback=True)
        self.fail(f"not refused: {what}")

    def refused(self, user, record, method, *args, **kwargs):
        with self.refusal(f"{user.login}: {record}.{method}{args}"):
            self.rpc(user, record, method, *args, **kwargs)

    def kept(self, user, record, vals):
        """Writing is refused, or changes nothing."""
        fields_ = list(vals)
        record = record.with_env(self.env)
        before = record.read(fields_, load=None)
        savepoint = self.env.cr.savepoint()
        try:
            with mute_logger("odoo.sql_db"):
                self.rpc(user, record, "write", vals)
                self.env.flush_all()
                self.env.invalidate_all()
                after = record.read(fields_, load=None)
        except (*REFUSED, PostgresError):
            return
        finally:
            self.env.transaction.clear()
            savepoint.close(rollback=True)
        self.assertEqual(after, before, f"{user.login}: {record}.write({vals})")

    def picture(self, tables):
        """What the tables hold, as one value."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL(" UNION ALL ").join(
                SQL(
                    "SELECT %s::text, md5(COALESCE(string_agg(row_text, '|'), '')) FROM"
                    " (SELECT ROW(id, %s)::text AS row_text FROM %s ORDER BY id) AS line",
                    table,
                    SQL(columns),
                    SQL.identifier(table),
                )
                for table, columns in tables.items()
            )
        )
        return dict(self.env.cr.fetchall())

    def other_company(self):
        """A program of another company with a cycle that awaits approval, and its manager."""
        company = self.env["res.company"].create({"name": "Elsewhere"})
        manager = new_test_user(
            self.env,
            login="attack_elsewhere",
            groups="g2p_programs.g2p_program_manager,g2p_programs.g2p_finance_validator",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        program = self.env["g2p.program"].with_user(manager).create({"name": "Elsewhere Grant", "target_type": "group"})
        program.sudo().action_activate()
        return company, manager, program

    @classmethod
    def merge(cls, survivor, merged, by=None):
        """A merge that is done."""
        proposed = (
            cls.env["g2p.registrant.merge"]
            .with_user(cls.users["registrar"])
            .create({"survivor_id": survivor.id, "merged_id": merged.id, "reason": "Seen together"})
        )
        proposed.action_propose()
        proposed.with_user(by or cls.manager).action_merge()
        cls.env.invalidate_all()
        return proposed.with_user(by or cls.manager)

    @classmethod
    def change(cls, kind, members, user=None, **values):
        reason = cls.env["g2p.membership.change.reason"].search([(f"for_{kind}", "=", True)], limit=1)
        wizard = (
            cls.env["g2p.membership.change.wizard"]
            .with_user(user or cls.users["validator"])
            .create(
                {
                    "kind": kind,
                    "member_domain": [("id", "in", members.ids)],
                    "reason_id": reason.id,
                    "remark": "As agreed",
                    **values,
                }
            )
        )
        wizard.action_confirm()
        cls.env.invalidate_all()
        return cls.env["g2p.membership.change"].search([], order="id DESC", limit=1)


@tagged("post_install", "-at_install")
class TestEveryMethod(AttackCase):
    """Every public method of every model, with and without hostile arguments, by those who may not move anything: where money,
    merges, changes of members, applications, scores and scenarios wait for somebody."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deposit(1000)
        cls.paid = cls.paid_out()
        cls.waiting = cls.approved_cycle(cls.families)
        cls.asked = cls.new_cycle(cls.families)
        cls.asked.prepare_entitlement()
        cls.asked.to_approve()
        cls.draft = cls.new_cycle(cls.families)
        cls.draft.prepare_entitlement()
        cls.draft_fund = (
            cls.env["g2p.program.fund"].with_user(cls.manager).create({"program_id": cls.grant.id, "amount": 7})
        )
        cls.env["g2p.payment.reconciliation"].with_user(cls.finance).create(
            {"file": base64.b64encode(b"reference,status,amount\nx,paid,1\n"), "filename": "x.csv"}
        ).action_check()
        cls.target()
        cls.env.flush_all()

    @classmethod
    def target(cls):
        """What waits, or was done, where people are chosen."""
        registrar, validator = cls.users["registrar"], cls.users["validator"]
        cls.grant.definition_id.sudo().application_schema = [{"name": "rooms", "string": "Rooms", "type": "integer"}]
        families = [cls.family(f"Targeted {number}", 1) for number in range(6)]
        cls.env["g2p.registrant.merge"].with_user(registrar).create(
            {"survivor_id": families[0].id, "merged_id": families[1].id, "reason": "Seen together"}
        ).action_propose()
        cls.merge(*families[2:4])
        for family in families[4:]:
            application = (
                cls.env["g2p.program.registrant_info"]
                .with_user(registrar)
                .create(
                    {"registrant_id": family.id, "program_id": cls.grant.id, "program_registrant_info": {"rooms": 3}}
                )
            )
        cls.env["g2p.program.assessment"].with_user(validator).create(
            {"registrant_info_id": application.id, "remarks": "Seen at home"}
        )
        terms = [(0, 0, {"source": "application", "pmt_field": "rooms", "pmt_weightage": 1})]
        cls.env["g2p.pmt.model"].with_user(cls.manager).create({"program_id": cls.grant.id, "term_ids": terms})
        cls.env["g2p.program.scenario"].with_user(cls.manager).create({"name": "Try", "program_id": cls.grant.id})
        member = cls.member(cls.grant, cls.family("Paused", 1), "enrolled")
        today = fields.Date.today()
        for date in (today, today + timedelta(days=30)):
            cls.change("pause", member, date=date)
        for twin in (cls.individual("Twin"), cls.individual("Twin")):
            cls.env["g2p.phone.number"].create({"partner_id": twin.id, "phone_no": "+251911234567"})
        settings = cls.env.ref("g2p_deduplication.registry_deduplication_individual")
        settings.company_id = cls.env.company
        settings.with_user(registrar).action_deduplicate()

    def hostile_methods(self, model):
        for name in dir(type(model)):
            if name.startswith("_"):
                continue
            method = getattr(type(model), name, None)
            if not callable(method) or isinstance(method, type):
                continue
            owners = [owner for owner in type(model).mro() if name in vars(owner)]
            if any(getattr(vars(owner)[name], "_api_private", False) for owner in owners):
                continue
            if any((owner.__module__ or "").startswith("odoo.addons.g2p_") for owner in owners) or name in (
                "write",
                "create",
                "unlink",
                "copy",
                "action_archive",
                "action_unarchive",
                "name_create",
                "web_save",
                "toggle_active",
            ):
                yield name, getattr(method, "_api_model", False)

    def hostile_arguments(self, model, name, is_model):
        values = {
            key: value
            for key, value in {
                "state": "approved",
                "status": "paid",
                "auto_approve_entitlements": True,
                "initial_amount": 99999,
                "amount": 99999,
                "posted": 99999,
                "batch_has_started": False,
                "active": False,
            }.items()
            if key in model._fields
        }
        if name == "create":
            return [([values],), ([{**values, "program_id": self.grant.id, "partner_id": self.large.id}],)]
        if name == "name_create":
            return [("x",)]
        if name in ("write", "web_save"):
            extra = ({},) if name == "web_save" else ()
            return [({key: value}, *extra) for key, value in values.items()] or [({"write_uid": 1}, *extra)]
        if is_model:
            return [(), ([],), ({},)]
        return [(), ("enrolled",), ({},)]

    def specimens(self, model):
        """Records of a model of which each may answer differently, the newest first; of the registry, families only."""
        model = model.sudo()
        if model._transient:
            return model
        if model._name == "res.partner":
            return self.families[:2]
        if model._name == "res.partner.bank":
            return self.families.bank_ids[:1]
        told = [name for name in TELLING if name in model._fields]
        chosen = {}
        for record in model.search([], order="id DESC", limit=40):
            chosen.setdefault(tuple(record[name] for name in told), record)
        return model.browse(record.id for record in list(chosen.values())[:6])

    def sweep(self, user, tables, models=()):
        """Names of methods (of all models, or of these) that changed something."""
        before = self.picture(tables)
        holes = []
        for model_name in models or sorted(self.env.registry):
            if not (model_name.startswith("g2p.") or model_name in ("res.partner", "res.partner.bank")):
                continue
            model = self.env[model_name]
            if model._abstract or "test" in model_name:
                continue
            records = self.specimens(model)
            for name, is_model in self.hostile_methods(model):
                for arguments in self.hostile_arguments(model, name, is_model):
                    for chosen in [[]] if is_model else [records.ids, *([record.id] for record in records)]:
                        savepoint = self.env.cr.savepoint(flush=False)
                        try:
                            target = self.env(user=user, su=False, context={})[model_name]
                            call_kw(target, name, list(arguments) if is_model else [chosen, *arguments], {})
                            if self.picture(tables) != before:
                                holes.append(f"{model_name}.{name}{arguments} on {chosen}")
                        except Exception:  # whatever refuses is fine here: what it moved is looked at
                            pass
                        finally:
                            self.env.transaction.clear()
                            savepoint.close(rollback=True)
        return sorted(set(holes))

    @mute_logger(*QUIET)
    def assert_no_hole(self, user, tables=EVERYTHING):
        self.assertEqual(self.sweep(user, tables), [])

    @mute_logger(*QUIET)
    def test_the_net_catches(self):
        """Who may move something is seen doing so: else the tests below would prove nothing."""
        models = ("g2p.program.fund", "g2p.cycle", "g2p.registrant.merge", "g2p.membership.change")
        found = " ".join(
            self.sweep(self.finance, WATCHED, models[:2]) + self.sweep(self.manager, TARGETING, models[2:])
        )
        for method in (
            "g2p.program.fund.post_fund",
            "g2p.program.fund.write",
            "g2p.cycle.validate_entitlement",
            "g2p.registrant.merge.action_merge",
            "g2p.membership.change.action_cancel",
        ):
            self.assertIn(method, found)

    def test_support_moves_nothing(self):
        self.assert_no_hole(self.users["support"])

    def test_auditor_moves_nothing(self):
        self.assert_no_hole(self.users["auditor"])

    def test_no_role_moves_nothing(self):
        self.assert_no_hole(self.outsider)

    def test_portal_moves_nothing(self):
        self.assert_no_hole(self.portal)

    def test_registrar_moves_no_money(self):
        # Deduplicating the registry is a registrar's task; operations are made by their buttons.
        # What they proposed themselves they take back, and correct.
        tables = {name: columns for name, columns in WATCHED.items() if name != "g2p_bulk_operation"}
        own = ("g2p.approval.request.action_withdraw(", "g2p.registrant.merge.action_reset_to_draft(")
        found = self.sweep(self.users["registrar"], tables)
        self.assertEqual([what for what in found if not what.startswith(own)], [])

    def test_validator_moves_no_money(self):
        # Verifying a draft cycle takes its drafts away, which is a validator's task; operations are made by their buttons.
        tables = {name: columns for name, columns in WATCHED.items() if name != "g2p_bulk_operation"}
        # Who made a change of members asks a manager to reverse it.
        self.draft.sudo()._transition("cancelled")
        found = self.sweep(self.users["validator"], tables)
        asked = "g2p.membership.change.action_ask_reverse("
        self.assertEqual([what for what in found if not what.startswith(asked)], [])


@tagged("post_install", "-at_install")
class TestProtected(AttackCase):
    """Fields that only steps may write, by every way that leads to them."""

    def test_states_can_not_be_written(self):
        self.deposit(1000)
        cycle = self.paid_out()
        admin = self.users["admin"]
        for record, vals in (
            (cycle, {"state": "ended"}),
            (cycle, {"approved_by": admin.id}),
            (cycle, {"prepared_by": self.users["finance"].id}),
            (self.entitlements(cycle), {"state": "approved"}),
            (self.entitlements(cycle), {"ern": "1"}),
            (self.payments(cycle), {"status": "paid"}),
            (self.payments(cycle), {"amount_paid": 1}),
            (self.grant, {"state": "ended"}),
            (self.grant.program_membership_ids, {"state": "exited"}),
            (cycle.cycle_membership_ids, {"state": "exited"}),
        ):
            with self.subTest(f"{record._name} {vals}"):
                self.refused(admin, record[:1], "write", vals)
                self.refused(admin, record[:1], "web_save", vals, {})

    def test_states_can_not_be_created(self):
        cycle = self.new_cycle()
        admin = self.users["admin"]
        base = {"partner_id": self.large.id, "cycle_id": cycle.id, "initial_amount": 5, "reason": "Appeal"}
        for extra in (
            {"state": "approved"},
            {"ern": "0000000197"},
            {"approved_by": admin.id},
            {"code": "guess"},
            {"item_id": 7},
            {"settlement": "none"},
            {"quantity": 3},
        ):
            with self.subTest(str(extra)):
                self.refused(admin, "g2p.entitlement", "create", [{**base, **extra}])
        self.refused(admin, "g2p.payment", "create", [{"entitlement_id": 1}])
        self.refused(admin, "g2p.fund.account", "create", [{"program_id": self.grant.id, "currency_id": 1}])
        self.refused(
            admin, "g2p.program.fund", "create", [{"program_id": self.grant.id, "amount": 1, "state": "posted"}]
        )
        self.refused(
            admin,
            "g2p.cycle",
            "create",
            [{"name": "x", "program_id": self.grant.id, "end_date": "2100-01-01", "state": "approved"}],
        )

    def test_context_defaults_set_no_state(self):
        cycle = self.new_cycle()
        [entitlement] = self.rpc(
            self.manager,
            "g2p.entitlement",
            "create",
            [{"partner_id": self.large.id, "cycle_id": cycle.id, "initial_amount": 5, "reason": "Appeal"}],
            context={"default_state": "approved", "default_ern": "0000000197", "default_item_id": 3},
        )
        entitlement = self.env["g2p.entitlement"].browse(entitlement)
        self.assertEqual((entitlement.state, entitlement.ern, entitlement.item_id), ("draft", False, 0))

    def test_parents_are_no_way_in(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        entitlement = self.entitlements(cycle)[0]
        member = self.grant.program_membership_ids[0]
        admin = self.users["admin"]
        for record, vals in (
            (self.grant, {"cycle_ids": [(1, cycle.id, {"state": "ended"})]}),
            (self.grant, {"program_membership_ids": [(1, member.id, {"state": "exited"})]}),
            (cycle, {"entitlement_ids": [(1, entitlement.id, {"state": "approved"})]}),
            (cycle, {"entitlement_ids": [(1, entitlement.id, {"initial_amount": 9999})]}),
            (
                cycle,
                {"entitlement_ids": [(0, 0, {"partner_id": self.large.id, "initial_amount": 1, "state": "approved"})]},
            ),
            (cycle, {"payment_ids": [(0, 0, {"entitlement_id": entitlement.id, "amount_issued": 1})]}),
            (cycle, {"entitlement_ids": [(2, entitlement.id)]}),
            (self.large, {"entitlement_ids": [(1, entitlement.id, {"state": "approved"})]}),
            (
                self.large,
                {"entitlement_ids": [(0, 0, {"cycle_id": cycle.id, "initial_amount": 1, "state": "approved"})]},
            ),
            (self.large, {"program_membership_ids": [(1, member.id, {"state": "exited"})]}),
        ):
            with self.subTest(f"{record._name} {vals}"):
                self.refused(admin, record, "write", vals)

    def test_import_sets_no_state(self):
        cycle = self.new_cycle()
        result = self.rpc(
            self.users["admin"],
            "g2p.entitlement",
            "load",
            ["partner_id/.id", "cycle_id/.id", "initial_amount", "state"],
            [[str(self.large.id), str(cycle.id), "5", "approved"]],
        )
        self.assertFalse(result["ids"])
        self.assertFalse(self.entitlements(cycle))

    def test_copies_are_drafts(self):
        self.deposit(1000)
        cycle = self.paid_out()
        for record in (self.entitlements(cycle)[:1], self.payments(cycle)[:1]):
            self.refused(self.users["admin"], record, "copy")
        fund = self.deposit(50)
        copied = self.env["g2p.program.fund"].browse(self.rpc(self.finance, fund, "copy"))
        self.assertEqual((copied.state, copied.posted_by.id, copied.date_posted), ("draft", False, False))

    def test_an_entitlement_is_of_its_cycles_program_whatever_the_context_says(self):
        other = self.program("Other Grant", "group")
        cycle = self.new_cycle()
        vals = {"partner_id": self.large.id, "cycle_id": cycle.id, "initial_amount": 5, "reason": "Appeal"}
        [made] = self.rpc(self.manager, "g2p.entitlement", "create", [vals], context={"default_program_id": other.id})
        self.assertEqual(self.env["g2p.entitlement"].browse(made).program_id, self.grant)

    def test_an_entitlement_is_in_its_cycles_currency(self):
        foreign = self.env["res.currency"].with_context(active_test=False)
        foreign = foreign.search([("id", "!=", self.grant.currency_id.id)], limit=1)
        cycle = self.new_cycle()
        vals = {
            "partner_id": self.large.id,
            "cycle_id": cycle.id,
            "initial_amount": 5,
            "reason": "Appeal",
            "currency_id": foreign.id,
        }
        try:
            made = self.rpc(self.manager, "g2p.entitlement", "create", [vals])
        except REFUSED:
            return
        self.assertEqual(self.env["g2p.entitlement"].browse(made).currency_id, self.grant.currency_id)

    def test_counters_that_an_approver_reads_can_not_be_written(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        for name in (
            "total_amount",
            "pending_amount",
            "entitlements_count",
            "members_count",
            "paid_amount",
            "approved_amount",
        ):
            with self.subTest(name):
                self.kept(self.manager, cycle, {name: 1})
        for name in ("beneficiaries_count", "eligible_beneficiaries_count", "date_ended"):
            with self.subTest(name):
                self.kept(self.manager, self.grant, {name: 0})

    def test_a_cycle_is_of_its_programs_company(self):
        company, _manager, _program = self.other_company()
        cycle = self.new_cycle()
        self.kept(self.manager, cycle, {"company_id": company.id})

    def test_a_program_stays_with_its_company_once_it_has_members(self):
        company, _manager, _program = self.other_company()
        self.new_cycle()
        self.kept(self.manager, self.grant, {"company_id": company.id})
        self.kept(self.manager, self.grant.definition_id, {"company_id": company.id})

    def test_target_type_can_not_be_changed_behind_the_programs_back(self):
        self.new_cycle()
        self.kept(self.manager, self.grant, {"target_type": "individual"})
        self.kept(self.manager, self.grant.definition_id, {"target_type": "individual"})

    def test_currency_can_not_be_changed_once_money_is_promised(self):
        foreign = (
            self.env["res.currency"]
            .with_context(active_test=False)
            .search([("id", "!=", self.grant.currency_id.id)], limit=1)
        )
        self.deposit(1000)
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        self.kept(self.manager, self.grant, {"currency_id": foreign.id})
        self.kept(self.manager, self.grant.definition_id, {"currency_id": foreign.id})

    def test_a_batch_stays_what_was_sent(self):
        cycle = self.paid_out()
        batch = cycle.payment_batch_ids[0]
        company, _manager, _program = self.other_company()
        other = self.program("Other Grant", "group")
        for user in (self.manager, self.finance):
            for vals in (
                {"batch_has_started": False},
                {"batch_has_completed": True},
                {"company_id": company.id},
                {"program_id": other.id},
                {"stats_paid_amount": 5},
                {"first_partner_id": 0},
                {"name": "mine"},
            ):
                with self.subTest(f"{user.login} {vals}"):
                    self.kept(user, batch, vals)

    def test_a_batch_of_a_cycle_that_is_over_is_not_sent_through_another(self):
        """The cycle of a batch says whether it may be sent: nobody may point it to another cycle."""
        cycle, other = self.paid_out(), self.approved_cycle()
        self.kept(self.manager, cycle.payment_batch_ids[0], {"cycle_id": other.id})

    def test_sets_of_duplicates_are_not_edited_from_the_member(self):
        program = self.program("Dedup", "individual")
        members = [self.member(program, self.individual("Twin", str(number)), "enrolled") for number in range(2)]
        duplicate = self.env["g2p.program.membership.duplicate"].create(
            {"program_id": program.id, "beneficiary_ids": [(6, 0, [member.id for member in members])]}
        )
        validator = self.users["validator"]
        self.kept(validator, duplicate, {"beneficiary_ids": [(3, members[0].id)]})
        self.kept(validator, members[0], {"duplicate_ids": [(3, duplicate.id)]})

    def test_the_engine_can_not_be_fed(self):
        self.deposit(1000)
        cycle = self.approved_cycle()
        operation = self.operation(cycle, "submit")
        for user in self.users.values():
            self.refused(user, operation, "write", {"params": {"entitlement_ids": []}})
            self.refused(user, operation, "write", {"state": "running"})
            self.refused(user, operation, "unlink")
            self.refused(user, operation.chunk_ids, "write", {"state": "pending"})
            self.refused(
                user,
                "g2p.bulk.operation",
                "create",
                [{"name": "x", "step": "reconcile", "res_model": "g2p.cycle", "res_id": cycle.id, "user_id": user.id}],
            )
            self.refused(user, "g2p.bulk.chunk", "create", [{"operation_id": operation.id, "low": 0, "high": 9}])
        for method in ("_run_chunks", "_bulk_start", "_finalize", "_transition_where", "get_manager", "_disburse"):
            model = {"get_manager": self.grant, "_disburse": self.account(), "_finalize": "g2p.payment"}.get(
                method, cycle
            )
            with self.subTest(method), self.assertRaises(AccessError):
                self.rpc(self.users["admin"], model, method)

    def test_operations_of_others_are_steered_by_managers_of_operations_only(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        operation = self.operation(cycle, "prepare")
        operation.state = "failed"
        for role in ("validator", "approver", "finance", "auditor", "support", "registrar"):
            self.refused(self.users[role], operation, "action_resume")
            self.refused(self.users[role], operation, "action_cancel")
        self.refused(self.colleague, operation, "action_resume")

    def test_the_ledger_is_for_ever(self):
        self.deposit(10)
        account, ledger = self.account(), self.env["g2p.fund.ledger"].search([], limit=1)
        admin = self.users["admin"]
        for record in (ledger, account):
            self.refused(admin, record, "unlink")
            self.refused(admin, record, "write", {"amount" if record == ledger else "posted": 5})
        for model in ("g2p.fund.ledger", "g2p.fund.hold"):
            self.refused(admin, model, "create", [{"account_id": account.id, "amount": 1}])
            with self.assertRaises(AccessError):
                self.env[model].create([{"account_id": account.id, "amount": 1}])
        for statement in (
            "DELETE FROM g2p_fund_ledger",
            "UPDATE g2p_fund_ledger SET amount = 1",
            "TRUNCATE g2p_fund_ledger CASCADE",
            "DELETE FROM g2p_state_history",
            "UPDATE g2p_state_history SET to_state = 'x'",
        ):
            with self.subTest(statement), self.refusal(statement):
                self.env.cr.execute(statement)


@tagged("post_install", "-at_install")
class TestMoneyAttacks(AttackCase):
    def test_a_fund_is_posted_once_however_often_it_is_named(self):
        fund = self.rpc(self.manager, "g2p.program.fund", "create", [{"program_id": self.grant.id, "amount": 100}])
        try:
            self.rpc(self.finance, self.env["g2p.program.fund"].browse(fund * 3), "post_fund")
        except REFUSED:
            return
        self.assertEqual(self.account().posted, 100)

    def test_a_fund_is_posted_once(self):
        fund = self.deposit(100)
        for method in ("post_fund", "cancel_fund", "reset_draft"):
            self.refused(self.finance, fund, method)
        self.refused(self.finance, fund, "write", {"amount": 1000})
        self.refused(self.finance, fund, "unlink")
        self.assertEqual(self.account().posted, 100)

    def test_only_finance_posts(self):
        fund = self.env["g2p.program.fund"].with_user(self.manager).create({"program_id": self.grant.id, "amount": 5})
        for role in ("manager", "approver", "validator", "registrar", "support", "auditor"):
            for method in ("post_fund", "cancel_fund", "reset_draft"):
                self.refused(self.users[role], fund, method)

    def test_amounts_are_numbers(self):
        cycle = self.new_cycle()
        for amount in (float("nan"), float("inf"), float("-inf")):
            with self.subTest(str(amount)):
                self.refused(
                    self.finance, "g2p.program.fund", "create", [{"program_id": self.grant.id, "amount": amount}]
                )
                self.refused(
                    self.manager,
                    "g2p.entitlement",
                    "create",
                    [{"partner_id": self.large.id, "cycle_id": cycle.id, "initial_amount": amount, "reason": "Appeal"}],
                )
                self.refused(self.manager, self.terms, "write", {"amount_per_cycle": amount})

    def test_entitlements_are_not_negative_nor_nothing(self):
        cycle = self.new_cycle()
        for vals in (
            {"initial_amount": 0},
            {"initial_amount": -1},
            {"initial_amount": 5, "transfer_fee": 6},
            {"initial_amount": 5, "transfer_fee": -1},
        ):
            with self.subTest(str(vals)):
                self.refused(
                    self.manager,
                    "g2p.entitlement",
                    "create",
                    [{"partner_id": self.large.id, "cycle_id": cycle.id, "reason": "Appeal", **vals}],
                )

    def test_who_prepared_does_not_approve(self):
        self.deposit(1000)
        cycle = self.new_cycle()
        cycle.with_user(self.both).prepare_entitlement()
        cycle.with_user(self.both).to_approve()
        self.refused(self.both, cycle, "approve")
        self.rpc(self.users["approver"], cycle, "approve")
        self.refused(self.both, cycle, "validate_entitlement")
        self.refused(self.both, self.entitlements(cycle), "approve_entitlement")
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"pending_validation"})

    def test_a_submission_by_somebody_else_washes_nothing(self):
        """A prepares, B sends it for approval: A still prepared it."""
        self.deposit(1000)
        cycle = self.new_cycle()
        cycle.with_user(self.both).prepare_entitlement()
        cycle.with_user(self.colleague).to_approve()
        try:
            self.rpc(self.both, cycle, "approve")
        except AccessError:
            return
        self.rpc(self.both, cycle, "validate_entitlement")
        self.assertNotIn("approved", self.entitlements(cycle).mapped("state"))

    def test_who_prepared_does_not_approve_the_cycle_that_somebody_else_submitted(self):
        cycle = self.new_cycle()
        cycle.with_user(self.both).prepare_entitlement()
        cycle.with_user(self.colleague).to_approve()
        self.refused(self.both, cycle, "approve")

    def test_who_set_the_amount_does_not_approve_it(self):
        """Editing a draft that somebody else prepared is preparing it."""
        self.deposit(10_000)
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        entitlement = self.entitlements(cycle)[0]
        self.rpc(self.both, entitlement, "write", {"initial_amount": 5000, "reason": "Appeal"})
        cycle.to_approve()
        try:
            self.rpc(self.users["approver"], cycle, "approve")
            self.rpc(self.both, cycle, "validate_entitlement")
        except AccessError:
            return
        entitlement.invalidate_recordset()
        self.assertNotEqual(entitlement.state, "approved")

    def test_amounts_stay_once_the_cycle_was_submitted(self):
        """Drafts left behind by a submission that was cut off are what the approver looks at, too."""
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        cycle.sudo()._transition("to_approve")
        self.refused(self.manager, self.entitlements(cycle)[0], "write", {"initial_amount": 5000, "reason": "Appeal"})

    def test_one_click_approval_is_decided_before_the_submission(self):
        """Else a manager takes finance's check away after the fact."""
        self.deposit(1000)
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        cycle.to_approve()
        self.kept(self.manager, cycle, {"auto_approve_entitlements": True})
        self.rpc(self.users["approver"], cycle, "approve")
        self.kept(self.manager, cycle, {"auto_approve_entitlements": True})
        self.refused(self.users["approver"], cycle, "validate_entitlement")

    def test_a_manager_does_not_choose_the_approvers_of_a_cycle_under_way(self):
        self.deposit(1000)
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        cycle.to_approve()
        own = self.env.ref("g2p_programs.g2p_program_manager")
        cycle_manager = self.grant.get_manager(self.grant.MANAGER_CYCLE)
        self.kept(self.manager, cycle_manager, {"approver_group_id": own.id})
        self.kept(self.manager, self.terms, {"entitlement_validation_group_id": own.id})

    def test_terms_do_not_change_what_was_prepared(self):
        self.deposit(1000)
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        before = self.entitlements(cycle).mapped("initial_amount")
        self.terms.write({"amount_per_cycle": 900})
        cycle.to_approve()
        cycle.with_user(self.approver).approve()
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual(self.entitlements(cycle).mapped("initial_amount"), before)
        with self.refusal():
            self.env.cr.execute("UPDATE g2p_entitlement SET initial_amount = 1 WHERE cycle_id = %s", [cycle.id])

    def test_an_old_step_does_not_undo_an_approval(self):
        """A withdrawal that was cut off, resumed after the cycle was sent again and approved."""
        self.deposit(10_000)
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        cycle.to_approve()
        cycle.reset_draft()
        old = self.operation(cycle, "withdraw")
        cycle.to_approve()
        cycle.with_user(self.approver).approve()
        old.chunk_ids.write({"state": "failed"})
        old.write({"state": "failed", "finished_at": fields.Datetime.now()})
        with self.subTest("resumed"):
            try:
                self.rpc(self.manager, old, "action_resume")
            except REFUSED:
                pass
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"pending_validation"})

    def test_an_old_submission_does_not_reach_into_a_draft_cycle(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        cycle.to_approve()
        old = self.operation(cycle, "submit")
        cycle.reset_draft()
        old.chunk_ids.write({"state": "failed"})
        old.write({"state": "failed", "finished_at": fields.Datetime.now()})
        try:
            self.rpc(self.manager, old, "action_resume")
        except REFUSED:
            pass
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"draft"})

    def test_an_old_verification_does_not_reach_into_an_approved_cycle(self):
        self.deposit(10_000)
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        cycle.check_eligibility()
        old = self.operation(cycle, "verify")
        cycle.to_approve()
        cycle.with_user(self.approver).approve()
        self.grant.get_manager(self.grant.MANAGER_ELIGIBILITY).eligibility_domain = "[('id', '=', 0)]"
        old.chunk_ids.write({"state": "failed"})
        old.write({"state": "failed", "finished_at": fields.Datetime.now()})
        try:
            self.rpc(self.manager, old, "action_resume")
        except REFUSED:
            pass
        self.assertEqual(set(self.entitlements(cycle).mapped("state")), {"pending_validation"})

    def test_only_finance_makes_payments_final(self):
        cycle = self.paid_out()
        for role in ("manager", "approver", "validator", "registrar", "support", "auditor"):
            user = self.users[role]
            for vals in (
                {"cycle_id": cycle.id},
                {"batch_id": cycle.payment_batch_ids[:1].id},
                {"payment_ids": [(6, 0, self.payments(cycle).ids)]},
            ):
                with self.subTest(f"{role} {vals}"), self.assertRaises(AccessError):
                    wizard = self.rpc(user, "g2p.payment.mark.wizard", "create", [vals])
                    self.rpc(user, self.env["g2p.payment.mark.wizard"].browse(wizard), "mark")
        self.assertFalse(any(self.payments(cycle).mapped("status")))

    def test_a_wizard_is_its_makers(self):
        cycle = self.paid_out()
        wizard = self.env["g2p.payment.mark.wizard"].browse(
            self.rpc(self.finance, "g2p.payment.mark.wizard", "create", [{"cycle_id": cycle.id}])
        )
        for user in (self.both, self.users["admin"]):
            self.refused(user, wizard, "mark")
            self.refused(user, wizard, "read", ["cycle_id"])
            self.refused(user, wizard, "write", {"status": "failed"})

    def test_a_disabled_beneficiary_is_not_paid(self):
        """Disabled after the approval (died, fraud): no payment is prepared any more."""
        self.deposit(1000)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        self.large.with_user(self.users["registrar"])._disable("Fraud")
        cycle.prepare_payment()
        self.assertNotIn(self.large, self.payments(cycle).partner_id)

    def test_a_cycle_with_payments_under_way_is_not_cancelled_by_who_can_not_see_them(self):
        north, south = self.env["g2p.area"].create([{"name": "North", "code": "A-N"}, {"name": "South", "code": "A-S"}])
        self.families.area_id = south
        cycle = self.paid_out()
        self.colleague.g2p_area_ids = north
        self.refused(self.colleague, cycle, "mark_cancelled")
        self.assertEqual(cycle.state, "approved")

    def left_without_its_payment(self, state="rejected3"):
        """An approved entitlement that ended while another transaction made its payment, which saw it approved still."""
        self.deposit(1000)
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        cycle.prepare_payment()
        entitlement = self.entitlements(cycle)[0]
        entitlement._transition(state)
        self.account()._release(entitlement.initial_amount, reference="ended elsewhere")
        return cycle, entitlement

    def test_a_payment_whose_entitlement_ended_does_not_leave(self):
        cycle, entitlement = self.left_without_its_payment()
        cycle.send_payment()
        self.assertNotEqual(entitlement.payment_ids.state, "sent")

    def test_a_payment_whose_entitlement_ended_is_not_paid(self):
        cycle, entitlement = self.left_without_its_payment()
        self.env["g2p.payment.mark.wizard"].with_user(self.finance).create({"cycle_id": cycle.id}).mark()
        self.assertNotEqual(entitlement.payment_ids.status, "paid")

    def test_the_check_finds_a_payment_that_the_fund_knows_nothing_of(self):
        cycle, entitlement = self.left_without_its_payment()
        self.env.cr.execute(
            "UPDATE g2p_payment SET state = 'reconciled', status = 'paid', amount_paid = amount_issued"
            " WHERE entitlement_id = %s",
            [entitlement.id],
        )
        self.env.invalidate_all()
        self.assertTrue(self.account()._verify_balance())

    def test_one_fund_does_not_pay_for_another(self):
        """An entitlement in a cycle of one program that says it is of another: its money is reserved in the first."""
        other = self.program("Rich Grant", "group")
        self.deposit(1000)
        self.deposit(1000, other)
        cycle = self.new_cycle()
        try:
            made = self.rpc(
                self.manager,
                "g2p.entitlement",
                "create",
                [
                    {
                        "partner_id": self.large.id,
                        "cycle_id": cycle.id,
                        "initial_amount": 100,
                        "reason": "Appeal",
                        "program_id": other.id,
                    }
                ],
            )
        except REFUSED:
            return
        self.assertEqual(self.env["g2p.entitlement"].browse(made).program_id, self.grant)
        cycle.to_approve()
        cycle.with_user(self.approver).approve()
        cycle.with_user(self.finance).validate_entitlement()
        self.assertEqual(self.env["g2p.entitlement"].browse(made).state, "approved")
        self.assertEqual(self.account()._verify_balance() + self.account(other)._verify_balance(), [])

    def test_wizards_ask_for_the_role(self):
        self.deposit(1000)
        self.payer.create_batch = False
        cycle = self.approved_cycle()
        cycle.with_user(self.finance).validate_entitlement()
        cycle.prepare_payment()
        before = self.picture(WATCHED)
        for role in ("approver", "validator", "registrar", "support", "auditor", "manager"):
            user = self.users[role]
            self.refused_wizard(
                user, "g2p.entitlement.reject.wizard", "reject", entitlement_ids=self.entitlements(cycle), reason="x"
            )
            self.refused_wizard(
                user,
                "g2p.multi.entitlement.approval.wizard",
                "approve_selected",
                entitlement_ids=self.entitlements(cycle),
            )
            if role != "manager":
                self.refused_wizard(
                    user, "g2p.assign.payments.batch.wizard", "assign", payment_ids=self.payments(cycle)
                )
        self.assertEqual(self.picture(WATCHED), before)

    def refused_wizard(self, user, model, method, **values):
        values = {key: [(6, 0, value.ids)] if hasattr(value, "ids") else value for key, value in values.items()}
        with self.subTest(f"{user.login} {model}"), self.refusal(f"{user.login} {model}"):
            made = self.rpc(user, model, "create", [values])
            self.rpc(user, self.env[model].browse(made), method)

    def test_nobody_is_paid_twice(self):
        cycle = self.paid_out()
        for _again in range(2):
            cycle.prepare_payment()
            cycle.send_payment()
        self.assertEqual(len(self.payments(cycle)), 3)
        payment = self.payments(cycle)[0]
        with self.refusal():
            self.env.cr.execute(
                """
                INSERT INTO g2p_payment (name, entitlement_id, cycle_id, program_id, partner_id, state, currency_id,
                                         amount_issued, amount_paid, payment_fee)
                SELECT 'second', entitlement_id, cycle_id, program_id, partner_id, state, currency_id, 1, 0, 0
                  FROM g2p_payment WHERE id = %s
                """,
                [payment.id],
            )

    def test_deleting_is_all_or_nothing(self):
        self.deposit(1000)
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        drafts = self.entitlements(cycle)
        drafts[0].sudo()._transition("cancelled")
        self.refused(self.manager, drafts, "unlink")
        self.assertEqual(len(drafts.exists()), 3)
        self.refused(self.manager, cycle, "unlink")
        self.refused(self.manager, self.grant, "unlink")
        self.refused(self.manager, cycle.cycle_membership_ids, "unlink")
        paid = self.paid_out(amount=5000)
        self.refused(self.manager, self.payments(paid), "unlink")
        self.refused(self.manager, paid.payment_batch_ids, "unlink")
        self.assertEqual(len(self.payments(paid).exists()), 3)
        self.refused(self.users["admin"], self.large, "unlink")


@tagged("post_install", "-at_install")
class TestForeignRows(AttackCase):
    """Rows of another company or area, by every way of asking."""

    def test_another_company_is_invisible(self):
        _company, manager, program = self.other_company()
        cycle = self.paid_out()
        for model in (
            "g2p.program", "g2p.cycle", "g2p.entitlement", "g2p.payment", "g2p.payment.batch", "g2p.program_membership",
            "g2p.cycle.membership", "g2p.fund.account", "g2p.fund.ledger", "g2p.program.fund", "g2p.program.definition",
            "g2p.program.fund.report.view", "g2p.fund.hold", "g2p.bulk.operation", "g2p.bulk.chunk", "g2p.state.history",
            "g2p.program.entitlement.manager.default", "g2p.program.payment.manager.default", "g2p.cycle.manager.default",
        ):  # fmt: skip
            with self.subTest(model):
                mine = self.env[model].sudo().search([])
                company_path = {
                    "g2p.program": "company_id", "g2p.fund.ledger": "account_id.program_id.company_id",
                    "g2p.fund.hold": "account_id.program_id.company_id", "g2p.bulk.chunk": "operation_id.company_id",
                }.get(model)  # fmt: skip
                seen = self.env[model].browse(self.rpc(manager, model, "search", []))
                self.assertEqual(self.rpc(manager, model, "search_count", []), len(seen))
                if model == "g2p.state.history":
                    self.assertFalse(
                        seen.filtered(lambda line: line.res_model == "g2p.cycle" and line.res_id == cycle.id)
                    )
                elif company_path:
                    self.assertLessEqual(set(seen.sudo().mapped(company_path).ids), set(program.company_id.ids))
                else:
                    self.assertLessEqual(set(seen.sudo().mapped("company_id").ids), set(program.company_id.ids))
                if mine - seen:
                    self.refused(manager, (mine - seen)[:1], "read", ["display_name"])
                    self.refused(manager, (mine - seen)[:1], "export_data", ["id", "display_name"])
        self.assertFalse(self.rpc(manager, "g2p.program", "name_search", "Family Grant"))
        groups = self.rpc(manager, "g2p.payment", "formatted_read_group", [], ["program_id"], ["amount_issued:sum"])
        self.assertFalse(groups)

    def test_no_company_by_context(self):
        company, _manager, program = self.other_company()
        for model in ("g2p.program", "g2p.payment"):
            with self.refusal(model):
                self.rpc(self.finance, model, "search_read", [], ["id"], context={"allowed_company_ids": company.ids})
        self.assertNotIn(
            program.id, self.rpc(self.finance, "g2p.program", "search", [], context={"active_test": False})
        )

    def test_buttons_of_another_company_are_refused(self):
        _company, stranger, _program = self.other_company()
        self.deposit(1000)
        cycle = self.approved_cycle()
        for method in (
            "validate_entitlement", "prepare_payment", "send_payment", "mark_cancelled", "to_approve", "reset_draft",
            "approve", "copy_beneficiaries_from_program", "check_eligibility", "prepare_entitlement", "mark_distributed",
            "action_refresh_counters",
        ):  # fmt: skip
            with self.subTest(method):
                self.refused(stranger, cycle, method)
        self.refused(stranger, self.entitlements(cycle), "approve_entitlement")
        for method in ("enroll_eligible_registrants", "create_new_cycle", "end_program", "deduplicate_beneficiaries"):
            with self.subTest(method):
                self.refused(stranger, self.grant, method)

    def test_wizards_do_not_reach_another_company(self):
        _company, stranger, _program = self.other_company()
        cycle = self.paid_out()
        for vals in (
            {"cycle_id": cycle.id},
            {"batch_id": cycle.payment_batch_ids[:1].id},
            {"payment_ids": [(6, 0, self.payments(cycle).ids)]},
        ):
            with self.subTest(str(vals)):
                try:
                    wizard = self.rpc(stranger, "g2p.payment.mark.wizard", "create", [vals])
                    self.rpc(stranger, self.env["g2p.payment.mark.wizard"].browse(wizard), "mark")
                except REFUSED:
                    pass
        self.assertFalse(any(self.payments(cycle).mapped("status")))

    def test_a_file_does_not_reconcile_another_companys_payments(self):
        _company, stranger, _program = self.other_company()
        cycle = self.paid_out()
        lines = "\n".join(f"{payment.name},paid,{payment.amount_issued}" for payment in self.payments(cycle))
        for extra in ({}, {"cycle_id": cycle.id}, {"company_id": self.env.company.id}):
            with self.subTest(str(extra)):
                content = base64.b64encode(f"reference,status,amount\n{lines}\n".encode()).decode()
                try:
                    made = self.rpc(stranger, "g2p.payment.reconciliation", "create", [{"file": content, **extra}])
                    record = self.env["g2p.payment.reconciliation"].browse(made)
                    self.rpc(stranger, record, "action_check")
                    self.assertEqual(set(record.line_ids.mapped("outcome")), {"unmatched"})
                    self.assertFalse(record.line_ids.payment_id)
                    self.rpc(stranger, record, "action_apply")
                except REFUSED:
                    pass
        self.assertFalse(any(self.payments(cycle).mapped("status")))

    def test_a_reconciliation_stays_in_its_company(self):
        company, _stranger, _program = self.other_company()
        made = self.rpc(self.finance, "g2p.payment.reconciliation", "create", [{"filename": "a"}])
        record = self.env["g2p.payment.reconciliation"].browse(made)
        self.kept(self.finance, record, {"company_id": company.id})

    def test_an_outcome_file_shows_the_lines_that_its_reader_may_see(self):
        north, south = self.env["g2p.area"].create([{"name": "North", "code": "B-N"}, {"name": "South", "code": "B-S"}])
        self.families.area_id = south
        cycle = self.paid_out()
        payment = self.payments(cycle)[0]
        content = base64.b64encode(f"reference,status,amount\n{payment.name},paid,{payment.amount_issued}\n".encode())
        record = (
            self.env["g2p.payment.reconciliation"]
            .with_user(self.finance)
            .create({"file": content, "filename": "a.csv"})
        )
        record.action_check()
        self.colleague.g2p_area_ids = north
        [values] = self.rpc(self.colleague, record, "read", ["outcome_file"])
        self.assertNotIn(payment.name.encode(), base64.b64decode(values["outcome_file"] or b""))

    def test_areas_limit_lists_sums_and_single_rows(self):
        north, south = self.env["g2p.area"].create([{"name": "North", "code": "C-N"}, {"name": "South", "code": "C-S"}])
        self.large.area_id, (self.small + self.empty).area_id = north, south
        cycle = self.paid_out()
        officer = self.users["validator"]
        officer.g2p_area_ids = north
        for model in ("g2p.entitlement", "g2p.payment", "g2p.program_membership", "g2p.cycle.membership"):
            with self.subTest(model):
                seen = self.env[model].browse(self.rpc(officer, model, "search", []))
                self.assertEqual(seen.partner_id, self.large)
                foreign = self.env[model].search([("partner_id", "=", self.small.id)], limit=1)
                self.refused(officer, foreign, "read", ["partner_id"])
                self.refused(officer, foreign, "export_data", ["id"])
        [group] = self.rpc(
            officer, "g2p.payment", "formatted_read_group", [("cycle_id", "=", cycle.id)], [], ["__count"]
        )
        self.assertEqual(group["__count"], 1)
        self.assertFalse(self.rpc(officer, "res.partner", "name_search", "Small"))

    def test_portal_sees_nothing_of_the_suite(self):
        self.paid_out()
        for model in sorted(self.env.registry):
            if model.startswith("g2p.") and not self.env[model]._abstract:
                for user in (self.portal, self.outsider):
                    with self.subTest(f"{user.login} {model}"), self.assertRaises(AccessError):
                        self.rpc(user, model, "search_read", [], ["id"])


@tagged("post_install", "-at_install")
class TestTextAttacks(AttackCase):
    """Text that people write and the product reads: conditions, files, names."""

    def test_conditions_escape_nowhere(self):
        eligibility = self.grant.get_manager(self.grant.MANAGER_ELIGIBILITY)
        tag = self.env["g2p.payment.batch.tag"].create({"name": "Mine"})
        for text in (
            "__import__('os').system('true')",
            "().__class__.__mro__[1].__subclasses__()",
            "[(datetime.date.__class__, '=', 1)]",
            "[c for c in ().__class__.__bases__]",
            "open('/etc/passwd').read()",
            "lambda: 1",
            "{'a': 1}",
            "[('no_such_field', '=', 1)]",
            "[('user_ids.password', '!=', False)]",
            "[('user_ids.totp_secret', '!=', False)]",
            "[('signup_type', '!=', False)]",
            "[('name', '=', ",
            "\x00",
            "[('id', 'inselect', ('SELECT id FROM res_users', []))]",
        ):
            with self.subTest(text):
                self.refused(self.manager, eligibility, "write", {"eligibility_domain": text})
                if "user_ids" not in text and "signup" not in text:
                    self.refused(self.manager, tag, "write", {"domain": text})

    def test_conditions_are_the_same_for_everybody_and_every_day(self):
        """What was checked as its author must be what runs with all rights: no condition may turn into another one."""
        eligibility = self.grant.get_manager(self.grant.MANAGER_ELIGIBILITY)
        for text in (
            f"[] if uid == {self.manager.id} else [('signup_type', '!=', False)]",
            "[] if today < datetime.date(2100, 1, 1) else [('signup_type', '!=', False)]",
        ):
            with self.subTest(text):
                self.refused(self.manager, eligibility, "write", {"eligibility_domain": text})

    def reconcile(self, content):
        record = (
            self.env["g2p.payment.reconciliation"]
            .with_user(self.finance)
            .create({"file": base64.b64encode(content), "filename": "hostile.csv"})
        )
        self.rpc(self.finance, record, "action_check")
        return record

    def test_hostile_files_pay_nobody(self):
        cycle = self.paid_out()
        payment = self.payments(cycle)[0]
        name, amount = payment.name, payment.amount_issued
        head = "reference,status,amount,date\n"
        for line in (
            f"{name},paid,-{amount}",
            f"{name},paid,NaN",
            f"{name},paid,1e400",
            f"{name},paid,Infinity",
            f"{name},paid,{amount + 1}",
            f"{name},paid,",
            f"{name},maybe,{amount}",
            f"{name},paid,{amount},2999-01-01",
            f"{name}\x00,paid,{amount}",
            f"{name},paid,{'9' * 400}",
            f"{name},paid,{amount}\n{name},failed,{amount}",
            f"{name},paid,{amount}\n{name},paid,{amount + 1}",
            f"%{name[:8]}%,paid,{amount}",
            f"' OR 1=1 --,paid,{amount}",
            f'"{name},paid,{amount}',
            "x" * 200_000 + f",paid,{amount}",
        ):
            with self.subTest(line[:60]):
                record = self.reconcile((head + line + "\n").encode())
                self.assertFalse(record.matched_count)
                self.assertEqual(
                    record.lines_count,
                    sum(
                        record[f"{outcome}_count"]
                        for outcome in ("matched", "unmatched", "amount_mismatch", "duplicate", "already_final", "bad")
                    ),
                )
                self.rpc(self.finance, record, "action_apply")
        payment.invalidate_recordset()
        self.assertFalse(payment.status)
        self.figures()

    def test_every_line_of_a_file_can_be_shown(self):
        """A number that is too large for JSON breaks the list."""
        record = self.reconcile(f"reference,status,amount\nabc,paid,{'9' * 400}\n".encode())
        for line in self.rpc(self.finance, record.line_ids, "read", ["amount"]):
            self.assertLess(line["amount"], 1e18)

    def test_files_that_are_no_text(self):
        for content in (
            "reference,status,amount\nä,paid,1\n".encode("utf-16")[:-1],
            b"\xff\xfe\x00",
            b"PK\x03\x04" + b"\x9f" * 99,
            b"\n",
        ):
            with self.subTest(content[:10]), self.refusal():
                self.reconcile(content)

    def test_a_line_twice_pays_once(self):
        cycle = self.paid_out()
        payment = self.payments(cycle)[0]
        line = f"{payment.name},paid,{payment.amount_issued}\n"
        record = self.reconcile(("reference,status,amount\n" + line * 3).encode())
        self.assertEqual((record.matched_count, record.duplicate_count), (1, 2))
        record.action_apply()
        self.refused(self.finance, record, "action_apply")
        again = self.reconcile(("reference,status,amount\n" + line).encode())
        self.assertEqual(again.already_final_count, 1)
        self.assertEqual(self.figures()[2], Decimal(str(payment.entitlement_id.initial_amount)))

    def test_an_outcome_file_runs_nothing(self):
        record = self.reconcile(
            b'reference,status,amount,reason,bankref\n=cmd|x,paid,1,"@SUM(1)",+1\n-2,failed,1,"\t=1",=2\n'
        )
        content = base64.b64decode(record.with_context(bin_size=False).outcome_file).decode("utf-8-sig")
        for row in content.splitlines():
            for cell in row.split(","):
                self.assertNotIn(cell.strip('"')[:1], tuple("=+-@\t\r"), row)

    def test_lines_are_written_by_reading_a_file_only(self):
        cycle = self.paid_out()
        payment = self.payments(cycle)[0]
        record = self.reconcile(b"reference,status,amount\nx,paid,1\n")
        for user in (self.finance, self.users["admin"]):
            self.refused(user, record.line_ids, "write", {"outcome": "matched", "payment_id": payment.id})
            self.refused(
                user, record, "write", {"line_ids": [(0, 0, {"reference": payment.name, "outcome": "matched"})]}
            )
            self.refused(user, record, "write", {"state": "applied"})
            self.refused(user, record, "write", {"checksum": "x"})


INDEXES = {
    "g2p_program_membership": ("(program_id, partner_id)",),
    "g2p_cycle_membership": ("(cycle_id, partner_id)",),
    "g2p_entitlement": (
        "(cycle_id, partner_id, COALESCE(benefit_code_id, 0), item_id) WHERE",
        "(code)",
        "(ern) WHERE (ern IS NOT NULL)",
    ),
    "g2p_payment": ("(entitlement_id) WHERE", "(name)"),
    "g2p_payment_batch": ("(name)",),
    "g2p_fund_account": ("(program_id, currency_id)",),
    "g2p_program_fund": ("(name) WHERE",),
    "g2p_cycle": ("(name, program_id)", "(program_id, sequence)"),
    "g2p_program": ("(name, company_id) WHERE active",),
    "g2p_program_definition": ("(program_mnemonic)",),
    "g2p_benefit_codes": ("(benefit_mnemonic)",),
    "g2p_bulk_operation": ("(res_model, res_id, step) WHERE",),
    "g2p_program_membership_duplicate_rel": ("(membership_id, duplicate_id)",),
    "res_partner_bank": ("(partner_id) WHERE",),
    "g2p_area": ("(code)",),
}
CHECKS = {
    "g2p_fund_account": ("posted >= (0)", "reserved + disbursed) <= posted"),
    "g2p_fund_ledger": ("amount > (0)",),
    "g2p_entitlement": ("initial_amount > (0)", "transfer_fee <= initial_amount", "valid_until >= valid_from"),
    "g2p_payment": ("amount_issued >= (0)",),
    "g2p_program_fund": ("amount > (0)",),
    "g2p_cycle": ("end_date >= start_date",),
}
TRIGGERS = ("g2p_fund_ledger_append_only", "g2p_state_history_append_only", "g2p_entitlement_fixed")


@tagged("post_install", "-at_install")
class TestDatabasePromises(AttackCase):
    """`ON CONFLICT DO NOTHING` without the unique index is an INSERT: each index that the product relies on is there."""

    def test_unique_indexes(self):
        for table, columns in INDEXES.items():
            self.env.cr.execute(
                "SELECT indexdef FROM pg_indexes WHERE tablename = %s AND indexdef LIKE '%%UNIQUE%%'", [table]
            )
            found = [definition for [definition] in self.env.cr.fetchall()]
            for wanted in columns:
                with self.subTest(f"{table} {wanted}"):
                    plain = [definition.replace('"', "").split(" USING btree ")[1] for definition in found]
                    matching = [
                        text for text in plain if text.startswith(wanted) and ("WHERE" in wanted or "WHERE" not in text)
                    ]
                    self.assertTrue(matching, plain)

    def test_checks(self):
        for table, conditions in CHECKS.items():
            self.env.cr.execute(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'",
                [table],
            )
            found = " ".join(text for [text] in self.env.cr.fetchall())
            for wanted in conditions:
                with self.subTest(f"{table} {wanted}"):
                    self.assertIn(wanted, found)

    def test_triggers(self):
        self.env.cr.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'")
        self.assertLessEqual(set(TRIGGERS), {name for [name] in self.env.cr.fetchall()})

    def test_every_constraint_that_the_models_promise_is_in_the_database(self):
        for name, model in self.env.registry.items():
            if not name.startswith("g2p.") or model._abstract or not model._auto:
                continue
            for key, promised in model._table_objects.items():
                full = promised.full_name(self.env[name])
                with self.subTest(f"{name} {key}"):
                    self.env.cr.execute(
                        """
                        SELECT 1 FROM pg_class WHERE relname = %(name)s
                         UNION SELECT 1 FROM pg_constraint WHERE conname = %(name)s
                        """,
                        {"name": full},
                    )
                    self.assertTrue(self.env.cr.fetchone(), full)

    def test_history_has_one_row_a_transition(self):
        cycle = self.paid_out()
        wizard = self.env["g2p.payment.mark.wizard"].with_user(self.finance).create({"cycle_id": cycle.id})
        wizard.mark()
        self.env.cr.execute(
            """
            SELECT res_id, ARRAY_AGG(to_state ORDER BY id), ARRAY_AGG(from_state ORDER BY id)
              FROM g2p_state_history WHERE res_model = 'g2p.entitlement' AND res_id = ANY(%s) GROUP BY res_id
            """,
            [self.entitlements(cycle).ids],
        )
        rows = self.env.cr.fetchall()
        self.assertEqual(len(rows), 3)
        for _id, to_states, from_states in rows:
            self.assertEqual(to_states, ["draft", "pending_validation", "approved", "trans2FSP", "rdpd2ben"])
            self.assertEqual(from_states, [None, *to_states[:-1]])
        self.env.cr.execute(
            """
            SELECT ARRAY_AGG(to_state ORDER BY id) FROM g2p_state_history
             WHERE res_model = 'g2p.payment' AND res_id = ANY(%s) GROUP BY res_id
            """,
            [self.payments(cycle).ids],
        )
        self.assertEqual([states for [states] in self.env.cr.fetchall()], [["issued", "sent", "reconciled"]] * 3)


STEPS = (
    "prepare submit withdraw approve validate validate_one prepare_payments send mark_paid mark_failed mark_one_paid"
    " mark_one_failed reject expire cancel deposit withdraw_fund verify"
).split()


@tagged("post_install", "-at_install")
class TestAnySequence(AttackCase):
    """Whatever people do, in whatever order: the fund adds up and nobody is paid twice."""

    def act(self, cycle, step, pick):
        getattr(self, f"do_{step}")(cycle, pick)

    def one(self, records, pick):
        return records[pick % len(records)] if records else records

    def do_prepare(self, cycle, pick):
        cycle.prepare_entitlement()

    def do_submit(self, cycle, pick):
        cycle.to_approve()

    def do_withdraw(self, cycle, pick):
        cycle.reset_draft()

    def do_approve(self, cycle, pick):
        cycle.with_user(self.approver).approve()

    def do_validate(self, cycle, pick):
        cycle.with_user(self.finance).validate_entitlement()

    def do_validate_one(self, cycle, pick):
        self.one(self.entitlements(cycle), pick).with_user(self.finance).approve_entitlement()

    def do_prepare_payments(self, cycle, pick):
        cycle.prepare_payment()

    def do_send(self, cycle, pick):
        cycle.send_payment()

    def mark(self, **values):
        wizard = self.env["g2p.payment.mark.wizard"].with_user(self.finance)
        wizard.create({"reason": "x", **values}).mark()

    def do_mark_paid(self, cycle, pick):
        self.mark(cycle_id=cycle.id, status="paid")

    def do_mark_failed(self, cycle, pick):
        self.mark(cycle_id=cycle.id, status="failed")

    def do_mark_one_paid(self, cycle, pick):
        self.mark(payment_ids=[(6, 0, self.one(self.payments(cycle), pick).ids)], status="paid")

    def do_mark_one_failed(self, cycle, pick):
        self.mark(payment_ids=[(6, 0, self.one(self.payments(cycle), pick).ids)], status="failed")

    def do_reject(self, cycle, pick):
        self.env["g2p.entitlement.reject.wizard"].with_user(self.finance).create(
            {"entitlement_ids": [(6, 0, self.one(self.entitlements(cycle), pick).ids)], "reason": "x"}
        ).reject()

    def do_expire(self, cycle, pick):
        self.env.cr.execute(
            "UPDATE g2p_entitlement SET valid_from = '2000-01-01', valid_until = '2000-01-02'"
            " WHERE id = ANY(%s) AND state <> 'pending_validation'",
            [self.one(self.entitlements(cycle), pick).ids],
        )
        self.env.invalidate_all()
        self.env["g2p.entitlement"]._cron_expire()

    def do_cancel(self, cycle, pick):
        cycle.mark_cancelled()

    def do_deposit(self, cycle, pick):
        self.deposit(100 + pick)

    def do_withdraw_fund(self, cycle, pick):
        self.deposit(50 + pick, kind="withdrawal")

    def do_verify(self, cycle, pick):
        cycle.check_eligibility()

    @settings(
        max_examples=int(os.environ.get("G2P_EXAMPLES", "12")),
        derandomize="G2P_EXAMPLES" not in os.environ,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), min_size=4, max_size=14),
        st.sampled_from(("all", "priority")),
        st.integers(0, 400),
    )
    def any_sequence(self, steps, policy, opening):
        savepoint = self.env.cr.savepoint()
        try:
            self.terms.shortage_policy = policy
            if opening:
                self.deposit(opening)
            cycle = self.new_cycle()
            # A good start, then whatever comes: else most sequences would never get to money.
            start = [("prepare", 0), ("submit", 0), ("approve", 0), ("validate", 0)][: opening % 5]
            for step, pick in [*start, *steps]:
                try:
                    with self.env.cr.savepoint():
                        self.act(cycle, step, pick)
                except REFUSED:
                    self.env.invalidate_all(flush=False)
                posted, reserved, disbursed = self.figures()
                self.assertLessEqual(reserved + disbursed, posted)
            self.env.cr.execute(
                """
                SELECT entitlement_id FROM g2p_payment WHERE cycle_id = %s AND status = 'paid'
                 GROUP BY entitlement_id HAVING COUNT(*) > 1
                """,
                [cycle.id],
            )
            self.assertFalse(self.env.cr.fetchall())
            self.env.cr.execute(
                """
                SELECT COALESCE(SUM(t.initial_amount), 0) FROM g2p_entitlement AS t
                 WHERE t.cycle_id = %s AND t.state = 'rdpd2ben'
                """,
                [cycle.id],
            )
            self.assertEqual(self.env.cr.fetchone()[0], disbursed)
            # Who is paid is redeemed, and the other way round.
            self.env.cr.execute(
                """
                SELECT t.id FROM g2p_entitlement AS t
                 WHERE t.cycle_id = %s AND (t.state = 'rdpd2ben') <> EXISTS (
                        SELECT FROM g2p_payment AS paid WHERE paid.entitlement_id = t.id AND paid.status = 'paid')
                """,
                [cycle.id],
            )
            self.assertFalse(self.env.cr.fetchall())
            # The history ends where the record is.
            self.env.cr.execute(
                """
                SELECT t.id FROM g2p_entitlement AS t
                 WHERE t.cycle_id = %s AND t.state <> (
                        SELECT line.to_state FROM g2p_state_history AS line
                         WHERE line.res_model = 'g2p.entitlement' AND line.res_id = t.id ORDER BY line.id DESC LIMIT 1)
                """,
                [cycle.id],
            )
            self.assertFalse(self.env.cr.fetchall())
        finally:
            savepoint.close(rollback=True)
            self.env.invalidate_all(flush=False)

    @mute_logger("odoo.sql_db")
    def test_any_sequence(self):
        self.any_sequence()
