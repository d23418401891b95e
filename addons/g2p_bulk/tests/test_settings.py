from odoo.exceptions import AccessError, ValidationError
from odoo.tests import new_test_user, tagged

from .common import WorldCase


@tagged("post_install", "-at_install")
class TestSettings(WorldCase):
    def test_the_sizes_are_set_on_the_screen_and_used_from_the_next_start_on(self):
        settings = self.env["res.config.settings"].create({"bulk_inline_threshold": 500, "bulk_chunk_size": 100})
        settings.execute()
        shelf = self.fill(self.env, 250)
        self.assertEqual(shelf._bulk_parameter("inline_threshold", 0), 500)
        operation = shelf._bulk_start("move")
        self.assertEqual((operation.chunk_size, len(operation.chunk_ids)), (100, 3))

    def test_a_size_that_makes_no_sense_is_refused(self):
        for values in ({"bulk_inline_threshold": 0}, {"bulk_chunk_size": 99}, {"bulk_chunk_size": 1_000_001}):
            with self.subTest(values), self.assertRaises(ValidationError):
                self.env["res.config.settings"].create(values)

    def test_the_screen_says_whether_there_is_a_runner(self):
        settings = self.env["res.config.settings"].create({})
        self.assertIn("No job runner serves this database", settings.bulk_runner)
        self.env.cr.execute("SELECT pg_advisory_xact_lock(2293787760715711918)")
        settings.invalidate_recordset()
        self.assertRegex(settings.bulk_runner, r"A job runner serves this database\..* \d+ chunks? at a time")

    def test_only_administrators_reach_it(self):
        user = new_test_user(self.env, "bulk_settings", groups="base.group_user,g2p_bulk.group_g2p_bulk_manager")
        with self.assertRaises(AccessError):
            self.env["res.config.settings"].with_user(user).create({"bulk_chunk_size": 1_000}).execute()
