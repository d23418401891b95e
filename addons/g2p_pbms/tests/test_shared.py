"""Configuration that all companies use is not one company's to change."""

from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import TransactionCase, new_test_user, tagged

# What may name no company and is changed by more than administrators, but is kept in another way.
OTHERWISE = {
    "g2p.registrant.import.mapping": "a record rule gives those of all companies to administrators",
    "g2p.approval.stage": "changed by who sets who approves only, which is an administrator's right",
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
            lambda: tags.create({"name": "Of all, too"}),
        ):
            with self.assertRaises(AccessError), self.env.cr.savepoint():
                call()
        own.name = "Mine"
        own.unlink()
