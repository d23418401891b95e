"""Two connections: decisions and askings at the same moment come to the same as one after the other."""

import threading
from contextlib import contextmanager
from unittest.mock import patch

from odoo import api
from odoo.exceptions import UserError, ValidationError
from odoo.modules.registry import Registry
from odoo.service.model import retrying
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import ApprovalCase, forget_requests

PATIENCE = 20


@tagged("post_install", "-at_install")
class TestTwoAtOnce(ApprovalCase):
    """Everything here is committed, and removed at the end."""

    @classmethod
    @contextmanager
    def connection(cls, user_id=1):
        with cls.registry.cursor() as cr:
            yield api.Environment(cr, user_id, {"tracking_disable": True, "no_reset_password": True}, su=True)

    @classmethod
    def _make_tables(cls):
        cls.addClassCleanup(cls._clean)
        cls._clean()
        with cls.registry.cursor() as cr:
            cr.execute("""
                CREATE TABLE g2p_approval_test_owner (
                    id serial PRIMARY KEY, name varchar, company_id integer, filed integer,
                    create_uid integer, create_date timestamp, write_uid integer, write_date timestamp
                );
                CREATE TABLE g2p_approval_test_paper (
                    id serial PRIMARY KEY, name varchar, company_id integer, currency_id integer, amount numeric, note varchar,
                    owner_id integer, filed integer, refused varchar,
                    create_uid integer, create_date timestamp, write_uid integer, write_date timestamp
                );
            """)

    @classmethod
    def _make_people(cls):
        known, people = cls.env, ("clerk", "ann", "ben", "cem")
        with cls.connection() as env:
            cls.env = env
            super()._make_people()
            env.flush_all()
            cls.ids = {name: getattr(cls, name).id for name in people}
            cls.kind_id, cls.heads_id = cls.kind.id, cls.heads.id
        cls.env = known
        cls.env.invalidate_all()

    @classmethod
    def _make_access(cls):
        pass

    @classmethod
    def _clean(cls):
        with cls.connection() as env:
            cr = env.cr
            cr.execute("SELECT id FROM g2p_approval_request WHERE kind_code LIKE 'test_%'")
            forget_requests(env, [request_id for [request_id] in cr.fetchall()])
            cr.execute("""
                DELETE FROM g2p_approval_kind WHERE code LIKE 'test_%';
                DROP TABLE IF EXISTS g2p_approval_test_paper, g2p_approval_test_owner;
            """)
            users = env["res.users"].with_context(active_test=False).search([("login", "=like", "approval %")])
            partners = users.partner_id
            users.unlink()
            partners.unlink()
            env["res.groups"].search([("name", "in", ("Test clerks", "Test heads", "Test directors"))]).unlink()

    def tearDown(self):
        super().tearDown()
        with self.connection() as env:
            env["g2p.approval.stage"].search([("kind_id", "=", self.kind_id)]).unlink()

    def waiting(self, **stage):
        with self.connection() as env:
            if stage:
                env["g2p.approval.stage"].create(
                    {"name": "Heads", "kind_id": self.kind_id, "group_id": self.heads_id, **stage}
                )
        with self.connection(self.ids["clerk"]) as env:
            paper = env["g2p.approval.test.paper"].create({"name": "Paper", "amount": 10})
            request = env["g2p.approval.request"]._ask(paper, "test_paper", env.user)
            return paper.id, request.id

    def at_once(self, *calls):
        """[what each returned or raised]; each of (user, function) in a connection of its own, tried again as a request is."""
        results = [None] * len(calls)
        barrier = threading.Barrier(len(calls))

        def run(number, name, function):
            try:
                with self.connection(self.ids[name]) as env:
                    barrier.wait(PATIENCE)
                    results[number] = retrying(lambda: function(env), env)
            except Exception as error:
                results[number] = error

        threads = [threading.Thread(target=run, args=(number, *call), daemon=True) for number, call in enumerate(calls)]
        # The main thread may hold the registry's lock, when it tests at the end of loading modules.
        with patch.object(Registry, "_lock", threading.RLock()), mute_logger("odoo.sql_db", "odoo.service.model"):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
                self.assertFalse(thread.is_alive(), "a connection hangs")
        return results

    def outcome(self, paper_id, request_id):
        with self.connection() as env:
            paper = env["g2p.approval.test.paper"].browse(paper_id)
            request = env["g2p.approval.request"].browse(request_id)
            return request.state, paper.filed, len(request.decision_ids)

    def test_two_who_agree_at_once_are_two(self):
        paper_id, request_id = self.waiting(needed=2)

        def decide(env):
            env["g2p.approval.request"].browse(request_id)._decide("approved")

        self.assertEqual(self.at_once(("ann", decide), ("ben", decide)), [None, None])
        self.assertEqual(self.outcome(paper_id, request_id), ("done", 1, 2))

    def test_it_is_done_once_however_many_agree_at_once(self):
        paper_id, request_id = self.waiting()

        def decide(env):
            env["g2p.approval.request"].browse(request_id)._decide("approved")

        results = self.at_once(*((name, decide) for name in ("ann", "ben", "cem")))
        self.assertEqual(sum(result is None for result in results), 1)
        self.assertEqual(sum(isinstance(result, UserError) for result in results), 2)
        self.assertEqual(self.outcome(paper_id, request_id), ("done", 1, 1))

    def test_a_double_click_is_one_decision(self):
        paper_id, request_id = self.waiting(needed=2)

        def decide(env):
            env["g2p.approval.request"].browse(request_id)._decide("approved")

        results = self.at_once(("ann", decide), ("ann", decide))
        self.assertEqual(sum(result is None for result in results), 1)
        self.assertEqual(self.outcome(paper_id, request_id), ("waiting", 0, 1))

    def test_one_agrees_while_another_refuses(self):
        paper_id, request_id = self.waiting()

        def agree(env):
            env["g2p.approval.request"].browse(request_id)._decide("approved")

        def refuse(env):
            env["g2p.approval.request"].browse(request_id)._decide("rejected", "No")

        results = self.at_once(("ann", agree), ("ben", refuse))
        self.assertEqual(sum(result is None for result in results), 1)
        state, filed, decisions = self.outcome(paper_id, request_id)
        self.assertEqual(decisions, 1)
        self.assertEqual((state, filed or 0), ("done", 1) if results[0] is None else ("refused", 0))

    def test_a_change_beside_a_decision_is_agreed_to_by_nobody(self):
        paper_id, request_id = self.waiting()

        def agree(env):
            env["g2p.approval.request"].browse(request_id)._decide("approved")

        def change(env):
            env["g2p.approval.test.paper"].browse(paper_id).amount = 1000
            env.flush_all()

        self.at_once(("ann", agree), ("clerk", change))
        state, filed, _decisions = self.outcome(paper_id, request_id)
        with self.connection() as env:
            agreed = env["g2p.state.history"].search(
                [("res_model", "=", "g2p.approval.request"), ("res_id", "=", request_id)], order="id"
            )
        # Either it was filed as it was seen and changed afterwards, or it is void and not filed.
        self.assertIn((state, filed or 0), (("done", 1), ("void", 0)))
        self.assertTrue(agreed)

    def test_two_who_ask_at_once_ask_once(self):
        with self.connection(self.ids["clerk"]) as env:
            paper_id = env["g2p.approval.test.paper"].create({"name": "Paper", "amount": 10}).id

        def ask(env):
            paper = env["g2p.approval.test.paper"].browse(paper_id)
            if paper._approval_open():
                raise UserError("asked already")
            env["g2p.approval.request"]._ask(paper, "test_paper", env.user)
            env.flush_all()

        results = self.at_once(("clerk", ask), ("ann", ask))
        self.assertEqual(sum(result is None for result in results), 1, results)
        self.assertEqual(sum(isinstance(result, UserError | ValidationError) for result in results), 1, results)
        with self.connection() as env:
            self.assertEqual(
                env["g2p.approval.request"].search_count([("res_id", "=", paper_id), ("kind_code", "=", "test_paper")]),
                1,
            )
