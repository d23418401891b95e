"""Two real connections that press at the same moment: one set of duplicates, one merge."""

import threading
from contextlib import contextmanager
from unittest.mock import patch

from odoo import api
from odoo.exceptions import UserError
from odoo.modules.registry import Registry
from odoo.service.model import retrying
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.g2p_approval.tests.common import forget_requests

PATIENCE = 20
NAME = "Deduplication of two connections"
ROOT, ADMIN = 1, 2


@tagged("post_install", "-at_install")
class TestConcurrency(TransactionCase):
    """Two committed registrants with one document, and a proposed merge of them; removed at the end."""

    def setUp(self):
        super().setUp()
        with self.connection() as env:
            self.clean(env)
        self.addCleanup(self.clean_up)
        with self.connection() as env:
            kind = env["g2p.id.type"].create({"name": NAME, "is_unique": False})
            partners = env["res.partner"].create(
                [
                    {
                        "is_registrant": True,
                        "family_name": NAME,
                        "given_name": str(number),
                        "reg_ids": [(0, 0, {"id_type": kind.id, "value": "X1"})],
                    }
                    for number in range(2)
                ]
            )
            company = env["res.company"].create({"name": NAME})
            partners.company_id = company
            settings = env["g2p.registry.deduplication"].create(
                {"company_id": company.id, "target_type": "individual", "use_names": False}
            )
            self.partner_ids, self.settings_id = partners.ids, settings.id
        with self.connection(ADMIN) as env:
            merge = env["g2p.registrant.merge"].create(
                {"survivor_id": self.partner_ids[0], "merged_id": self.partner_ids[1], "reason": NAME}
            )
            merge.action_propose()
            self.merge_id = merge.id

    @contextmanager
    def connection(self, user=ROOT):
        with self.registry.cursor() as cr:
            yield api.Environment(cr, user, {"tracking_disable": True}, su=True)

    def clean_up(self):
        with self.connection() as env:
            self.clean(env)

    @staticmethod
    def clean(env):
        """Take away what was committed; the history keeps what it says."""
        partners = env["res.partner"].with_context(active_test=False).search([("family_name", "=", NAME)])
        merges = env["g2p.registrant.merge"].search([("merged_id", "in", partners.ids)])
        forget_requests(env, merges.approval_request_ids.ids)
        env.invalidate_all()
        env["g2p.registrant.merge"].search([("merged_id", "in", partners.ids)]).write({"state": "rejected"})
        env["g2p.registrant.merge"].search([("merged_id", "in", partners.ids)]).unlink()
        partners.write({"merged_into_id": False})
        companies = env["res.company"].search([("name", "=", NAME)])
        settings = env["g2p.registry.deduplication"].search([("company_id", "in", companies.ids)])
        env["g2p.bulk.operation"].search([("res_model", "=", settings._name), ("res_id", "in", settings.ids)]).unlink()
        settings.unlink()
        partners.unlink()
        users = env["res.users"].with_context(active_test=False).search([("login", "=like", "t_twice_%")])
        people = users.partner_id
        users.unlink()
        people.unlink()
        own = companies.partner_id
        companies.unlink()
        own.unlink()
        env["g2p.id.type"].search([("name", "=", NAME)]).unlink()

    def at_once(self, *functions):
        """Run each in a thread with its own connection, as a request would: conflicts are tried again."""
        results = [None] * len(functions)
        barrier = threading.Barrier(len(functions))

        def call(number, function):
            try:
                with self.connection(ROOT) as env:
                    barrier.wait(PATIENCE)
                    results[number] = retrying(lambda: function(env), env)
            except Exception as error:
                results[number] = error

        threads = [threading.Thread(target=call, args=pair, daemon=True) for pair in enumerate(functions)]
        # The main thread may hold the registry's lock, when it tests at the end of loading modules.
        with patch.object(Registry, "_lock", threading.RLock()), mute_logger("odoo.sql_db", "odoo.service.model"):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
                self.assertFalse(thread.is_alive(), "a connection hangs")
        return results

    def test_two_deduplicate_and_there_is_one_set(self):
        def press(env):
            return env["g2p.registry.deduplication"].browse(self.settings_id).action_deduplicate()

        for result in self.at_once(press, press):
            # One may be told that the other runs; nobody sees a database error.
            if isinstance(result, Exception):
                self.assertIsInstance(result, UserError)
        with self.connection() as env:
            record = env["g2p.registry.duplicate"].search([("settings_id", "=", self.settings_id)])
            self.assertEqual((len(record), record.partner_ids.ids), (1, self.partner_ids))
            self.assertEqual(len(record.pair_ids), 1)

    def test_two_merge_and_it_is_done_once(self):
        def press(env):
            return env["g2p.registrant.merge"].browse(self.merge_id).action_merge()

        results = self.at_once(press, press)
        refusals = [result for result in results if isinstance(result, Exception)]
        self.assertEqual(len(refusals), 1, results)
        self.assertIsInstance(refusals[0], UserError)
        with self.connection() as env:
            survivor, merged = env["res.partner"].browse(self.partner_ids)
            self.assertEqual((merged.merged_into_id, survivor.merged_into_id.id), (survivor, False))
            self.assertEqual(env["g2p.registrant.merge"].browse(self.merge_id).state, "merged")

    def test_two_agree_and_it_is_merged_once(self):
        with self.connection() as env:
            merge = env["g2p.registrant.merge"].browse(self.merge_id)
            request_id = env["g2p.approval.request"]._ask(merge, "merge", merge.proposed_by_id).id
            company = merge.company_id
            user_ids = [
                new_test_user(
                    env,
                    f"t_twice_{name}",
                    groups="g2p_programs.g2p_program_manager",
                    company_id=company.id,
                    company_ids=[(6, 0, company.ids)],
                    context={"no_reset_password": True},
                ).id
                for name in ("one", "two")
            ]

        def agree(user_id):
            return lambda env: env(user=user_id)["g2p.approval.request"].browse(request_id)._decide("approved")

        results = self.at_once(*map(agree, user_ids))
        refusals = [result for result in results if isinstance(result, Exception)]
        self.assertEqual(len(refusals), 1, results)
        self.assertIsInstance(refusals[0], UserError)
        with self.connection() as env:
            request = env["g2p.approval.request"].browse(request_id)
            self.assertEqual((request.state, len(request.decision_ids)), ("done", 1))
            self.assertEqual(env["g2p.registrant.merge"].browse(self.merge_id).state, "merged")
