"""A world for approvals: papers that are filed when others agree, in models that exist in these tests only."""

from decimal import Decimal

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.orm.model_classes import add_to_registry
from odoo.service.model import call_kw
from odoo.tests import TransactionCase, new_test_user
from odoo.tools import SQL

from odoo.addons.g2p_approval.tools import digest


class Paper(models.Model):
    """A sum that is filed: the record itself is agreed to."""

    _name = "g2p.approval.test.paper"
    _inherit = ["g2p.approval.mixin", "g2p.change.mixin", "mail.thread"]
    _description = "Paper"
    _module = "g2p_approval"

    _agreed_fields = ("name", "amount", "currency_id")
    _protected_fields = ("filed",)

    name = fields.Char(required=True)
    company_id = fields.Many2one("res.company", default=lambda self: self.env.company)
    currency_id = fields.Many2one("res.currency", default=lambda self: self.env.company.currency_id)
    amount = fields.Monetary()
    note = fields.Char()
    owner_id = fields.Many2one("g2p.approval.test.owner")
    filed = fields.Integer(readonly=True)
    refused = fields.Char(readonly=True)

    def file(self):
        return self._approval_submit() or True

    def _approval_kind(self):
        return "test_paper"

    def _approval_scope(self):
        return self.owner_id

    def _approval_amount(self, kind):
        return Decimal(str(self.amount)), self.currency_id

    def _approval_figures(self, kind):
        return [{"label": "Amount", "value": str(self.amount), "money": self.currency_id.id}]

    def _approval_check(self, kind):
        if self.filed:
            raise UserError("Filed already.")

    def _approval_granted(self, request):
        if self.note == "impossible":
            raise UserError("It can't be filed.")
        self.filed += 1

    def _approval_refused(self, request):
        self.refused = request.state


class Owner(models.Model):
    """Whom papers belong to: stages can be set for one. It files its drafts as a set, later."""

    _name = "g2p.approval.test.owner"
    _inherit = ["g2p.approval.mixin"]
    _description = "Owner"
    _module = "g2p_approval"

    name = fields.Char(required=True)
    company_id = fields.Many2one("res.company")
    filed = fields.Integer()

    def ask(self):
        return self._approval_submit("test_set") or True

    def file_all(self):
        self._approval_use("test_set")
        self.filed += 1

    def _approval_digest(self, kind):
        self.env.flush_all()
        rows = SQL("SELECT id, amount::text FROM g2p_approval_test_paper WHERE owner_id = %s", self.id)
        return self.env.execute_query(digest.of_rows(rows))[0][0]

    def _approval_granted(self, request):
        return False


NAMES = ["g2p.approval.test.owner", "g2p.approval.test.paper"]


# What keeps requests and decisions for good, which tests that commit take away.
KEPT = {
    "g2p_approval_decision": "g2p_approval_decision_stays",
    "g2p_approval_request": "g2p_approval_request_stays",
    "g2p_state_history": "g2p_state_history_append_only",
}


def forget_requests(env, request_ids):
    """Take away requests that a test has committed, with all that hangs on them."""
    cr = env.cr
    for table, trigger in KEPT.items():
        cr.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    cr.execute(
        """
        DELETE FROM g2p_state_history WHERE res_model = 'g2p.approval.request' AND res_id = ANY(%(ids)s);
        DELETE FROM mail_message WHERE model = 'g2p.approval.request' AND res_id = ANY(%(ids)s);
        DELETE FROM mail_activity WHERE res_model = 'g2p.approval.request' AND res_id = ANY(%(ids)s);
        DELETE FROM g2p_approval_decision WHERE request_id = ANY(%(ids)s);
        UPDATE g2p_approval_request SET stage_id = NULL WHERE id = ANY(%(ids)s);
        DELETE FROM g2p_approval_request_stage WHERE request_id = ANY(%(ids)s);
        DELETE FROM g2p_approval_request WHERE id = ANY(%(ids)s);
        """,
        {"ids": request_ids},
    )
    for table, trigger in KEPT.items():
        cr.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")


class ApprovalCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = cls.env(context=dict(cls.env.context, tracking_disable=True, no_reset_password=True))
        cls.addClassCleanup(cls._forget_models)
        for model in (Owner, Paper):
            add_to_registry(cls.registry, model)
        cls.registry._setup_models__(cls.cr, [])
        cls._make_tables()
        cls._make_people()
        cls._make_access()

    @classmethod
    def _make_tables(cls):
        cls.registry.init_models(cls.cr, NAMES, {"module": "g2p_approval"})
        cls.env["g2p.change.history"]._install_triggers()

    @classmethod
    def _forget_models(cls):
        for name in NAMES:
            del cls.registry[name]
        with cls.registry.cursor() as cr:
            cls.registry._setup_models__(cr)

    @classmethod
    def _make_people(cls):
        user = cls.env.ref("g2p_approval.group_g2p_approval_user")
        groups = cls.env["res.groups"]
        # Who may use papers, and who may agree to them, as roles of a product do.
        cls.clerks = groups.create({"name": "Test clerks", "implied_ids": [Command.link(user.id)]})
        cls.heads = groups.create({"name": "Test heads", "implied_ids": [Command.link(cls.clerks.id)]})
        cls.directors = groups.create({"name": "Test directors", "implied_ids": [Command.link(cls.heads.id)]})
        cls.kind, cls.kind_set = cls.env["g2p.approval.kind"].create(
            [
                {
                    "name": name,
                    "code": code,
                    "res_model": model,
                    "right_ids": [Command.link(cls.heads.id)],
                    "group_id": cls.heads.id,
                }
                for name, code, model in (
                    ("File a paper", "test_paper", NAMES[1]),
                    ("File a set", "test_set", NAMES[0]),
                )
            ]
        )
        cls.clerk = cls.user("clerk", cls.clerks)
        cls.ann, cls.ben, cls.cem = (cls.user(name, cls.heads) for name in ("ann", "ben", "cem"))
        cls.dora, cls.emil = (cls.user(name, cls.directors) for name in ("dora", "emil"))
        cls.admin = cls.user("chief", cls.env.ref("g2p_approval.group_g2p_approval_admin"))

    @classmethod
    def _make_access(cls):
        for name in NAMES:
            cls.env["ir.model.access"].create(
                {
                    "name": name,
                    "model_id": cls.env["ir.model"]._get_id(name),
                    "group_id": cls.clerks.id,
                    "perm_read": True,
                    "perm_write": True,
                    "perm_create": True,
                    "perm_unlink": True,
                }
            )
            cls.env["ir.rule"].create(
                {
                    "name": name,
                    "model_id": cls.env["ir.model"]._get_id(name),
                    "domain_force": "[('company_id', 'in', company_ids + [False])]",
                }
            )

    @classmethod
    def user(cls, name, groups, **values):
        user = new_test_user(cls.env, login=f"approval {name}", groups="base.group_user", **values)
        user.group_ids += groups
        return user

    @classmethod
    def stage(cls, group, kind=None, **values):
        return cls.env["g2p.approval.stage"].create(
            {
                "name": group.name,
                "kind_id": (kind or cls.kind).id,
                "group_id": group.id,
                **values,
            }
        )

    def paper(self, by=None, **values):
        return (
            self.env["g2p.approval.test.paper"]
            .with_user(by or self.clerk)
            .create({"name": "Paper", "amount": 10, **values})
        )

    def asked(self, by=None, **values):
        """(paper, its request) that waits, made and asked for by a clerk."""
        paper = self.paper(by, **values)
        paper.file()
        return paper, paper.sudo().approval_request_ids

    def rpc(self, user, records, method, *args, **kwargs):
        """A call as it comes from outside."""
        result = call_kw(self.env[records._name].with_user(user), method, [records.ids, *args], kwargs)
        self.env.flush_all()
        self.env.invalidate_all()
        return result

    def approve(self, request, user, remark=None, **kwargs):
        """Agree to what is asked for now, or to what another digest says was seen."""
        seen = kwargs["digest"] if "digest" in kwargs else request.digest
        return self.rpc(user, request, "action_approve", remark, seen)

    def refused(self, error, function, *args, **kwargs):
        with self.assertRaises(error) as raised, self.cr.savepoint():
            function(*args, **kwargs)
        self.env.invalidate_all()
        return str(raised.exception)
