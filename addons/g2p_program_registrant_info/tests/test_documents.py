import base64

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from .common import PDF, ApplicationCase


@tagged("post_install", "-at_install")
class TestDocuments(ApplicationCase):
    """Papers of registrants and programs: of a type, seen by who sees the record, and the same tomorrow as today."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.card = cls.env.ref("g2p_program_registrant_info.document_tag_id")
        cls.large.with_user(cls.registrar).write(
            {"document_ids": [Command.create({"name": "card.pdf", "datas": PDF, "g2p_document_tag_id": cls.card.id})]}
        )
        cls.paper = cls.large.document_ids

    def test_a_paper_says_what_it_is_until_when_and_who_brought_it(self):
        self.assertEqual((self.paper.res_model, self.paper.res_id), ("res.partner", self.large.id))
        self.assertEqual((self.paper.g2p_document_tag_id, self.paper.create_uid), (self.card, self.registrar))
        self.paper.with_user(self.registrar).write({"g2p_valid_until": "2030-01-01", "name": "old card.pdf"})
        self.assertEqual(str(self.paper.g2p_valid_until), "2030-01-01")

    def test_files_of_messages_are_no_documents(self):
        self.env["ir.attachment"].create(
            {"name": "x.txt", "raw": b"x", "res_model": "res.partner", "res_id": self.large.id}
        )
        self.large.invalidate_recordset()
        self.assertEqual(self.large.document_ids, self.paper)

    def test_a_paper_stays_as_it_is(self):
        mine = self.paper.with_user(self.registrar)
        for vals in (
            {"datas": base64.b64encode(b"%PDF-1.4\nanother")},
            {"raw": b"%PDF-1.4\nanother"},
            {"res_id": self.small.id},
            {"res_model": "res.company", "res_id": 1},
            {"g2p_document_tag_id": False},
            {"public": True},
            {"type": "url", "url": "https://example.org"},
        ):
            with self.subTest(vals=vals), self.assertRaisesRegex(AccessError, "stays as it is"):
                mine.write(vals)
            with self.subTest(vals=vals, by="form"), self.assertRaisesRegex(AccessError, "stays as it is"):
                self.large.with_user(self.registrar).write({"document_ids": [Command.update(mine.id, vals)]})
        for action in (
            mine.unlink,
            lambda: self.large.with_user(self.registrar).write({"document_ids": [Command.delete(mine.id)]}),
            lambda: self.large.with_user(self.registrar).write({"document_ids": [Command.unlink(mine.id)]}),
        ):
            with self.assertRaisesRegex(AccessError, "Only an administrator"):
                action()
        self.paper.with_user(self.users["admin"]).unlink()
        self.assertFalse(self.paper.exists())

    def test_only_files_that_can_be_shown_safely(self):
        for vals, message in (
            ({"datas": base64.b64encode(b"<html><script>alert(1)</script></html>")}, "PDF files or pictures"),
            (
                {"datas": base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "name": "x.svg"},
                "PDF files or pictures",
            ),
            ({"datas": False, "type": "url", "url": "https://example.org/x.pdf"}, "a file, not a link"),
            ({"datas": PDF, "public": True}, "not for everybody"),
        ):
            for record in (self.large, self.grant):
                user = self.registrar if record == self.large else self.manager
                with self.subTest(message, record=record), self.assertRaisesRegex(ValidationError, message):
                    record.with_user(user).write(
                        {
                            "document_ids": [
                                Command.create({"name": "x.pdf", "g2p_document_tag_id": self.card.id, **vals})
                            ]
                        }
                    )

    def test_who_sees_the_registrant_sees_the_paper(self):
        for role in ("registrar", "manager", "support", "auditor"):
            with self.subTest(role):
                self.assertTrue(self.paper.with_user(self.users[role]).raw)
        for role in ("support", "auditor", "finance"):
            with self.subTest(role), self.assertRaises(AccessError):
                self.env["ir.attachment"].with_user(self.users[role]).create(
                    {
                        "name": "x.pdf",
                        "datas": PDF,
                        "g2p_document_tag_id": self.card.id,
                        "res_model": "res.partner",
                        "res_id": self.large.id,
                    }
                )
        area, other = self.env["g2p.area"].create([{"name": name, "code": name} for name in ("Doc here", "Doc there")])
        self.large.area_id = area
        self.registrar.g2p_area_ids = other
        for user in (self.registrar, self.outsider, self.portal):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.paper.with_user(user).read(["raw"])
            self.assertNotIn(self.paper, self.env["ir.attachment"].with_user(user).search([("name", "=", "card.pdf")]))

    def test_papers_of_other_records_are_not_taken_over(self):
        for command in (Command.link(self.paper.id), Command.set(self.paper.ids), Command.clear()):
            with self.assertRaisesRegex(UserError, "one by one"):
                self.small.with_user(self.registrar).write({"document_ids": [command]})

    def test_a_program_has_papers(self):
        self.grant.with_user(self.manager).write(
            {
                "document_ids": [
                    Command.create({"name": "decree.pdf", "datas": PDF, "g2p_document_tag_id": self.card.id})
                ]
            }
        )
        decree = self.grant.document_ids
        self.assertEqual((decree.res_model, decree.res_id), ("g2p.program", self.grant.id))
        with self.assertRaisesRegex(AccessError, "stays as it is"):
            decree.with_user(self.manager).write({"raw": b"%PDF-1.4\nanother"})
        with self.assertRaises(AccessError):
            decree.with_user(self.portal).read(["raw"])
