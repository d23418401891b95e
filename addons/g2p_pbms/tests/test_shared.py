"""What everybody uses is changed by administrators: also where there is one company only."""

from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import TransactionCase, new_test_user, tagged

# What may name no company and is changed by more than administrators, but is kept in another way.
OTHERWISE = {
    "g2p.registrant.import.mapping": "a record rule gives those of all companies to administrators",
    "g2p.approval.stage": "changed by who sets who approves only, which is an administrator's right",
}


# Models without a company or a parent that says whose they are, and that more people than administrators change.
OF_ALL_OTHERWISE = {
    "g2p.approval.kind": "changed by who sets who approves only, which is an administrator's right",
}


@tagged("post_install", "-at_install")
class TestShared(TransactionCase):
    def test_every_model_of_all_companies_is_guarded(self):
        mixin = self.env.registry["g2p.shared.mixin"]
        admin = self.env.ref("g2p_registry_base.group_g2p_admin")
        found = set()
        for name, model in self.env.registry.items():
            field = model._fields.get("company_id")
            if (
                not (model._original_module or "").startswith("g2p_")
                or model._abstract
                or model._transient
                or field is None
                or not field.store
                or field.required
                or field.related
                or (field.compute and field.readonly)
            ):
                continue
            rights = self.env["ir.model.access"].search([("model_id.model", "=", name), ("perm_write", "=", True)])
            if rights.group_id - admin:
                found.add(name)
                with self.subTest(name):
                    self.assertTrue(issubclass(model, mixin) or name in OTHERWISE)
        self.assertLessEqual({"g2p.registrant.schema", "g2p.payment.batch.tag", *OTHERWISE}, found)

    def test_what_has_no_company_is_the_administrators(self):
        """No record rule says whose it is: it is everybody's."""
        admin = self.env.ref("g2p_registry_base.group_g2p_admin")
        found = set()
        for name, model in sorted(self.env.registry.items()):
            if (
                not (model._original_module or "").startswith("g2p_")
                or model._abstract
                or model._transient
                or not model._auto
                or ".test." in name
                or self.env["ir.rule"].search_count([("model_id.model", "=", name)], limit=1)
            ):
                continue
            for operation in ("write", "create", "unlink"):
                rights = self.env["ir.model.access"].search(
                    [("model_id.model", "=", name), (f"perm_{operation}", "=", True)]
                )
                if name in OF_ALL_OTHERWISE:
                    continue
                with self.subTest(name, operation=operation):
                    found.add(name)
                    self.assertFalse((rights.group_id - admin).mapped("name"))
        self.assertLessEqual({"g2p.benefit.codes", "g2p.document.tag", "g2p.membership.change.reason"}, found)

    def everywhere(self, login):
        """Who has every role but the administrator's, and works for all companies."""
        return new_test_user(
            self.env,
            login,
            groups="g2p_programs.g2p_program_manager,g2p_programs.g2p_finance_validator,"
            "g2p_registry_base.group_g2p_registrar,base.group_partner_manager",
            company_ids=[Command.set(self.env["res.company"].search([]).ids)],
        )

    def test_who_works_for_all_companies_is_no_administrator(self):
        user = self.everywhere("shared everywhere")
        admin = new_test_user(self.env, "shared admin", groups="g2p_registry_base.group_g2p_admin")
        for name in self.env.registry.descendants(["g2p.shared.mixin"], "_inherit"):
            if self.env[name]._abstract:
                continue
            shared = self.env[name].search([("company_id", "=", False)], limit=1)
            self.assertTrue(shared, name)
            values = {"name": "Mine"} if "name" in shared else {"attributes_definition": []}
            with self.subTest(name):
                with self.assertRaises(AccessError), self.env.cr.savepoint():
                    shared.with_user(user).write(values)
                self.assertFalse(shared.with_user(user).has_access("write"), "a form asks before it offers a change")
                self.assertTrue(shared.with_user(user).has_access("read"))
                shared.with_user(admin).check_access("write")
                shared.with_user(admin).write(values)

    def test_of_ones_own_company_by_itself(self):
        user = self.everywhere("shared own")
        tag = self.env["g2p.payment.batch.tag"].with_user(user).create({"name": "Own"})
        self.assertEqual(tag.company_id, user.company_id)
        tag.max_batch_size = 7

    def test_names_of_banks(self):
        """Where money goes: changed by administrators, on record."""
        bank = self.env["res.bank"].create({"name": "Awash", "bic": "AWINETAA"})
        for groups in (
            "base.group_partner_manager",
            "g2p_registry_base.group_g2p_registrar,base.group_partner_manager",
            "g2p_programs.g2p_finance_validator,base.group_partner_manager",
            "g2p_programs.g2p_program_manager,base.group_partner_manager",
        ):
            user = new_test_user(self.env, f"bank {groups}", groups=groups)
            for values in ({"bic": "CBETETAA"}, {"name": "Other"}, {"active": False}):
                with self.subTest(groups, values=values), self.assertRaises(AccessError), self.env.cr.savepoint():
                    bank.with_user(user).write(values)
            with self.subTest(groups), self.assertRaises(AccessError), self.env.cr.savepoint():
                bank.with_user(user).unlink()
        registrar = new_test_user(self.env, "bank registrar", groups="g2p_registry_base.group_g2p_registrar")
        added = self.env["res.bank"].with_user(registrar).create({"name": "Dashen"})
        admin = new_test_user(
            self.env, "bank admin", groups="base.group_partner_manager,g2p_registry_base.group_g2p_admin"
        )
        bank.with_user(admin).bic = "CBETETAA"
        self.env.flush_all()
        changes = self.env["g2p.change.history"].search([("res_model", "=", "res.bank")])
        changed = changes.filtered(lambda change: change.res_id == bank.id and change.field == "bic")
        self.assertIn("CBETETAA", changed.mapped("new_value"))
        self.assertIn(admin, changed.user_id)
        self.assertIn(added.id, changes.mapped("res_id"))
        self.assertTrue(changes.with_user(admin).filtered(lambda change: change.res_id == bank.id))

    def test_everybodys_filters(self):
        user = self.everywhere("filter user")
        other = self.everywhere("filter other")
        filters = self.env["ir.filters"]
        shared = filters.create({"name": "All", "model_id": "g2p.program", "user_ids": False})
        mine = filters.with_user(user).create(
            {"name": "Mine", "model_id": "g2p.program", "user_ids": [Command.set(user.ids)], "is_default": True}
        )
        mine.domain = "[('id', '=', 0)]"
        hidden = {"name": "Hidden", "model_id": "g2p.entitlement", "is_default": True, "domain": "[('id', '=', 0)]"}
        for call in (
            lambda: filters.with_user(user).create({**hidden, "user_ids": False}),
            lambda: filters.with_user(user).create_filter({**hidden, "user_ids": []}),
            lambda: filters.with_user(user).create({**hidden, "user_ids": [Command.set((user | other).ids)]}),
            lambda: mine.write({"user_ids": [Command.clear()]}),
            lambda: mine.write({"user_ids": [Command.link(other.id)]}),
            lambda: shared.with_user(user).write({"domain": "[('id', '=', 0)]"}),
            lambda: shared.with_user(user).write({"user_ids": [Command.set(user.ids)]}),
            lambda: shared.with_user(user).copy(),
            lambda: shared.with_user(user).unlink(),
        ):
            with self.assertRaises(AccessError), self.env.cr.savepoint():
                call()
        mine.write({"is_default": False, "user_ids": [Command.link(other.id)]})
        mine.unlink()
        admin = new_test_user(self.env, "filter admin", groups="g2p_registry_base.group_g2p_admin")
        shared.with_user(admin).domain = "[]"

    def test_a_manager_of_one_company_leaves_the_tags_of_all(self):
        company = self.env["res.company"].create({"name": "Other ministry"})
        manager = new_test_user(
            self.env,
            "shared_manager",
            groups="g2p_programs.g2p_program_manager",
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        tags = self.env["g2p.payment.batch.tag"].with_user(manager)
        shared = self.env["g2p.payment.batch.tag"].create({"name": "Of all"}).with_user(manager)
        own = tags.create({"name": "Own", "company_id": company.id})
        for call in (
            lambda: shared.write({"domain": "[('id', '=', 0)]"}),
            lambda: shared.write({"company_id": company.id}),
            lambda: shared.unlink(),
            lambda: own.write({"company_id": False}),
            lambda: tags.create({"name": "Of all, too", "company_id": False}),
        ):
            with self.assertRaises(AccessError), self.env.cr.savepoint():
                call()
        own.name = "Mine"
        own.unlink()
