"""What something was decided by stays: files that were applied, papers of decisions, messages, by whatever way."""

import base64
import re

from odoo import models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import HttpCase, JsonRpcException, new_test_user, tagged
from odoo.tools import SQL, mute_logger

from odoo.addons.g2p_programs.tests.money import MoneyCase

# Models that hold files and are guarded otherwise, or hold none that anything is decided by.
NOT_EVIDENCE = {
    "g2p.program": "documents of a program: fixed from the first day by g2p_program_registrant_info's guard of documents",
    "g2p.eligibility.list.load": "a wizard: the rows are kept, not the file",
    "g2p.pmt.import": "a wizard: what it makes is a draft version",
}
# How a paper of others is refused; a field that takes none at all says that it can't be edited.
REFUSED = "Documents are added|An application is of|belongs to another record|is evidence|can't be edited|stays in|out of your reach"


@tagged("post_install", "-at_install")
class TestEvidence(MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Whoever wrote or brought something, and has every role: nobody may.
        cls.chief = new_test_user(
            cls.env,
            login="evidence chief",
            groups="base.group_system,g2p_registry_base.group_g2p_admin,g2p_programs.g2p_program_manager",
        )
        cls.deposit(1000)

    def refused(self, records, *calls):
        for method, *args in calls:
            with self.subTest(method=method, args=args), self.assertRaises(UserError), self.cr.savepoint():
                getattr(records, method)(*args)

    def locked(self, record, attachment, evidence=True):
        """Nobody changes, deletes, moves or adds: neither the record's user, nor an administrator, nor the web client's routes,
        which are superuser."""
        there = {"res_model": record._name, "res_id": record.id}
        for env in (self.env(user=self.chief.id), self.env(user=self.chief.id, su=True)):
            paper = attachment.with_env(env)
            self.refused(
                paper,
                ("write", {"raw": b"other"}),
                ("write", {"datas": base64.b64encode(b"other")}),
                ("write", {"name": "other.csv"}),
                ("write", {"res_id": 0}),
                ("write", {"res_model": "res.users", "res_id": env.uid}),
                ("unlink",),
            )
            self.refused(paper.with_context(g2p_evidence=True), ("unlink",))
            if evidence:
                more = {"name": "more", "raw": b"x"}
                papers = env["ir.attachment"]
                self.refused(papers, ("create", {**more, **there}))
                forged = papers.with_context(default_res_model=record._name, default_res_id=record.id)
                self.refused(forged, ("create", more))
                self.refused(papers.create(more), ("write", there))
                self.refused(record.with_env(env), ("unlink",))
        self.assertTrue(attachment.exists())

    def test_every_model_with_files_is_evidence(self):
        mixin = self.env.registry["g2p.evidence.mixin"]
        found = set()
        for name, model in sorted(self.env.registry.items()):
            if not name.startswith("g2p.") or model._abstract or model._transient or ".test." in name:
                continue
            files = [
                field.name
                for field in model._fields.values()
                if (field.type == "binary" and field.store and not field.related)
                or (field.comodel_name == "ir.attachment" and field.store and not field.name.startswith("message_"))
            ]
            if files:
                with self.subTest(model=name, fields=files):
                    self.assertTrue(issubclass(model, mixin) or name in NOT_EVIDENCE, f"{name}: {files}")
                found.add(name)
        self.assertLessEqual(
            {
                "g2p.registrant.import",
                "g2p.payment.reconciliation",
                "g2p.membership.change",
                "g2p.program.registrant_info",
            },
            found,
        )

    # Papers are not moved

    def foreign_papers(self, user):
        """{what: a paper that the user may read, and that is not theirs to give}"""
        papers = self.env["ir.attachment"]
        mine = papers.with_user(user)
        letter = mine.create({"name": "letter.pdf", "raw": b"%PDF-1.4", "res_model": "mail.compose.message"})
        fund = self.env["g2p.program.fund"].search([("state", "=", "posted")], limit=1)
        fund.with_user(user).message_post(body="the letter", attachment_ids=letter.ids)
        self.assertEqual((letter.res_model, letter.res_id), (fund._name, fund.id))
        of_change = mine.create({"name": "certificate.pdf", "raw": b"%PDF-1.4"})
        self.exit_with(of_change)
        theirs = papers.with_user(self.finance).create({"name": "theirs", "raw": b"x", "public": True})
        loose = mine.create({"name": "loose", "raw": b"x"})
        self.env["mail.message"].create({"body": "said to nobody", "attachment_ids": [Command.link(loose.id)]})
        exported = mine.create({"name": "payments.csv", "raw": b"x"})
        batch = self.paid_out().payment_batch_ids
        self.env.cr.execute(
            "UPDATE g2p_payment_batch SET export_attachment_id = %s WHERE id = %s", [exported.id, batch.id]
        )
        self.env.invalidate_all()
        return {
            "a letter of a posted fund": letter,
            "the paper of a finished change": of_change,
            "what somebody else brought": theirs,
            "what was said with a message": loose,
            "a file that left": exported,
        }

    def exit_wizard(self, paper, name="Leaver"):
        member = self.member(self.grant, self.household(name), "enrolled")
        action = member.with_user(self.manager).action_exit()
        reason = self.env.ref("g2p_program_membership_change.change_reason_moved_away")
        wizard = self.env[action["res_model"]].with_user(self.manager).browse(action["res_id"])
        wizard.write({"reason_id": reason.id, "attachment_ids": [Command.set(paper.ids)]})
        return wizard

    def exit_with(self, paper):
        self.exit_wizard(paper).action_confirm()
        return self.env["g2p.membership.change"].search([("attachment_ids", "in", paper.ids)])

    def test_no_field_of_the_suite_takes_papers_of_others(self):
        papers = self.foreign_papers(self.manager)
        before = {paper: (paper.sudo().res_model, paper.sudo().res_id) for paper in papers.values()}
        tried, taken = set(), []
        for name in sorted(self.env.registry):
            model = self.env[name].with_user(self.manager)
            guard = model._guard_spec()
            if not guard or not guard.is_suite or ".test." in name or not model.has_access("create"):
                continue
            for field in guard.relations:
                if model._fields[field].comodel_name != "ir.attachment":
                    continue
                many = guard.relations[field] in ("one2many", "many2many")
                tried.add((name, field))
                for what, paper in papers.items():
                    given = [[Command.LINK, paper.id, 0]] if many else paper.id
                    calls = {
                        "create": (model, "create", {field: given}),
                        "onchange": (model, "onchange", {field: given}, [field], {field: {}}),
                        "default": (model.with_context(**{f"default_{field}": given}), "create", {}),
                    }
                    known = model.search([], limit=1)
                    if known and paper not in known[field]:
                        calls["write"] = (known, "write", {field: given})
                    for way, (records, method, *args) in calls.items():
                        if way == "default" and field in guard.protected:
                            continue  # no source of evidence, see test_guards
                        answer = "taken"
                        try:
                            with self.cr.savepoint():
                                getattr(records, method)(*args)
                        except UserError as refusal:
                            answer = str(refusal)
                        if not re.search(REFUSED, answer):
                            taken.append((name, field, what, way, answer))
        self.assertIn(("g2p.membership.change.wizard", "attachment_ids"), tried)
        self.assertGreaterEqual(len(tried), 3, tried)
        self.assertFalse(taken, "\n".join(map(str, taken)))
        self.env.invalidate_all()
        self.assertEqual({paper: (paper.sudo().res_model, paper.sudo().res_id) for paper in papers.values()}, before)

    def test_a_paper_does_not_go_from_one_change_to_the_next(self):
        paper = self.env["ir.attachment"].with_user(self.manager).create({"name": "letter.pdf", "raw": b"%PDF-1.4"})
        first, second = self.exit_wizard(paper, "First"), self.exit_wizard(paper, "Second")
        first.action_confirm()
        change = self.env["g2p.membership.change"].search([("attachment_ids", "in", paper.ids)])
        with self.assertRaisesRegex(AccessError, "belongs to another record"), self.cr.savepoint():
            second.action_confirm()
        self.assertEqual((paper.res_model, paper.res_id), (change._name, change.id))

    def file_of(self, record):
        return self.env["ir.attachment"].search(
            [("res_model", "=", record._name), ("res_id", "=", record.id), ("res_field", "=", "file")]
        )

    def test_an_applied_reconciliation(self):
        cycle = self.paid_out()
        rows = ["payment reference,status,amount"]
        rows += [f"{payment.name},paid,{payment.amount_issued}" for payment in self.payments(cycle)]
        read = (
            self.env["g2p.payment.reconciliation"]
            .with_user(self.finance)
            .create({"file": base64.b64encode("\n".join(rows).encode()), "filename": "bank.csv"})
        )
        # Until it is applied another file may be read.
        read.file = base64.b64encode("\n".join(rows[:-1]).encode())
        read.action_check()
        read.sudo()._transition("applied")
        paper = self.file_of(read)
        self.assertEqual(len(paper), 1)
        self.locked(read, paper)
        for record in (read, read.sudo(), read.with_user(self.chief)):
            self.refused(record, ("write", {"file": base64.b64encode(b"a,b")}), ("write", {"file": False}))

    def test_an_import_that_was_done(self):
        brought = self.env["g2p.registrant.import"].create({"name": "people.csv", "file": base64.b64encode(b"Name\nX")})
        for state in ("importing", "done", "undone"):
            self.env.cr.execute("UPDATE g2p_registrant_import SET state = %s WHERE id = %s", [state, brought.id])
            brought.invalidate_recordset()
            self.locked(brought, self.file_of(brought))

    def test_papers_of_a_change_of_members(self):
        paper = self.env["ir.attachment"].with_user(self.manager).create({"name": "letter.pdf", "raw": b"%PDF-1.4"})
        self.new_cycle()
        action = self.grant.program_membership_ids[0].with_user(self.manager).action_exit()
        reason = self.env.ref("g2p_program_membership_change.change_reason_moved_away")
        wizard = self.env[action["res_model"]].with_user(self.manager).browse(action["res_id"])
        wizard.write({"reason_id": reason.id, "attachment_ids": [Command.set(paper.ids)]})
        wizard.action_confirm()
        change = self.env["g2p.membership.change"].search([("attachment_ids", "in", paper.ids)])
        self.assertEqual(len(change), 1)
        self.locked(change, paper)
        self.refused(change.sudo(), ("write", {"attachment_ids": [Command.clear()]}))

    def other_value(self, record, field):
        """A value that a person may have wanted there instead."""
        now = record.sudo()[field.name]
        if field.type == "boolean":
            return not now
        if field.type == "selection":
            return next((value for value in field.get_values(self.env) if value != now), False)
        if field.type == "many2one":
            return self.env[field.comodel_name].sudo().search([("id", "!=", now.id)], limit=1).id
        if field.relational:
            return bool(now) and [Command.clear()]
        others = {"integer": now + 1, "float": now + 1, "monetary": now + 1} if isinstance(now, int | float) else {}
        others |= {"date": "2020-02-02", "datetime": "2020-02-02 02:02:02", "binary": base64.b64encode(b"other")}
        return others.get(field.type, "Other")

    def test_nothing_of_what_is_over_is_edited(self):
        """Every field that a form could send of what was applied, done or agreed to: refused, or on record in the history."""
        cycle = self.paid_out()
        second = new_test_user(self.env, login="evidence second", groups="g2p_programs.g2p_finance_validator")
        read = (
            self.env["g2p.payment.reconciliation"]
            .with_user(self.finance)
            .create({"file": base64.b64encode(b"payment reference,status,amount\nx,paid,1"), "filename": "bank.csv"})
        )
        read.action_check()
        read.action_apply()
        registrar = self.users["registrar"]
        brought = (
            self.env["g2p.registrant.import"]
            .with_user(registrar)
            .create({"name": "people.csv", "file": base64.b64encode(b"Name\nX")})
        )
        asked = {"reason": "The bank says so", "evidence": "Letter 12", "file_fate": "stopped", "kind": "cancel"}
        corrections = self.env["g2p.payment.correction"].with_user(self.finance)
        correction = corrections.create({**asked, "batch_id": cycle.payment_batch_ids.id})
        correction.with_user(second).confirm()
        change = self.env["g2p.membership.change"].create(
            {"kind": "exit", "program_id": self.grant.id, "date": "2024-01-01", "user_id": self.manager.id}
        )
        scenario = (
            self.env["g2p.program.scenario"]
            .with_user(self.manager)
            .create({"name": "More", "program_id": self.grant.id})
        )
        for record, state in ((brought, "done"), (change, "done"), (scenario, "applied")):
            table = SQL.identifier(record._table)
            self.env.cr.execute(SQL("UPDATE %s SET state = %s WHERE id = %s", table, state, record.id))
        self.env.invalidate_all()
        self.assertEqual((read.state, correction.state), ("applied", "done"))
        chatter = {*self.env["mail.thread"]._fields, *self.env["mail.activity.mixin"]._fields}
        history = self.env["g2p.change.history"]
        tried, known, unknown = 0, set(), set()
        for record in (
            read,
            brought,
            correction,
            correction.with_user(second),
            change.with_user(self.manager),
            scenario,
        ):
            for name, field in record._fields.items():
                if name in chatter or name in models.MAGIC_COLUMNS or not (field.store or field.inverse):
                    continue
                value, before = self.other_value(record, field), history.search_count([])
                if value is False:
                    continue
                tried += 1
                with self.cr.savepoint(flush=False) as point:
                    try:
                        record.write({name: value})
                        self.env.flush_all()
                    except UserError:
                        pass
                    else:
                        on_record = history.search_count([]) > before
                        (known if on_record else unknown).add(f"{record._name}.{name}")
                    point.rollback()
                    self.env.invalidate_all()
        self.assertGreater(tried, 80)
        self.assertFalse(unknown, "written, and nobody knows")
        self.assertTrue(known, "the history is really asked")

    def test_documents_of_an_application_that_was_decided(self):
        self.new_cycle()
        member = self.grant.program_membership_ids[0]
        application = self.env["g2p.program.registrant_info"].create({"program_membership_id": member.id})
        paper = self.env["ir.attachment"].create(
            {"name": "id.pdf", "raw": b"%PDF-1.4", "res_model": application._name, "res_id": application.id}
        )
        for state in ("completed", "rejected"):
            self.env.cr.execute(
                "UPDATE g2p_program_registrant_info SET state = %s WHERE id = %s", [state, application.id]
            )
            application.invalidate_recordset()
            self.locked(application, paper)

    def test_documents_of_registrants_and_programs(self):
        """Nobody changes them; the web client's route, which is superuser, removes them for administrators only."""
        tag = self.env["g2p.document.tag"].create({"name": "Decree"})
        registrar = new_test_user(self.env, login="evidence registrar", groups="g2p_registry_base.group_g2p_registrar")
        for record in (self.small, self.grant):
            paper = self.env["ir.attachment"].create(
                {
                    "name": "decree.pdf",
                    "raw": b"%PDF-1.4",
                    "res_model": record._name,
                    "res_id": record.id,
                    "g2p_document_tag_id": tag.id,
                }
            )
            for user in (registrar, self.manager):
                mine = paper.with_env(self.env(user=user.id, su=True))
                self.refused(mine, ("write", {"raw": b"%PDF-1.5"}), ("write", {"res_id": 0}), ("unlink",))
            paper.with_user(self.chief).unlink()

    def threads(self):
        """A record of every model of the suite that has a chatter, and a registrant."""
        for name, model in sorted(self.env.registry.items()):
            if (
                model._abstract
                or model._transient
                or ".test." in name
                or not issubclass(model, self.env.registry["mail.thread"])
            ):
                continue
            if name.startswith("g2p."):
                yield name, self.env[name].sudo().with_context(active_test=False).search([], limit=1)
        yield "res.partner", self.small

    def test_messages_of_every_record_with_a_chatter_stay(self):
        self.paid_out()
        self.env["g2p.program.scenario"].with_user(self.manager).create(
            {"name": "What if", "program_id": self.grant.id}
        )
        self.env["g2p.program.fund"].with_user(self.manager).create(
            {"program_id": self.grant.id, "amount": 5}
        ).ask_post()
        self.env.cr.execute(
            """
            INSERT INTO g2p_payment_correction (kind, program_id, company_id, reason, evidence, afterwards, state, requested_by, requested_on)
            VALUES ('wrong', %s, %s, 'Typed wrongly', 'Letter 7', 'reissue', 'requested', %s, now())
            """,
            [self.grant.id, self.grant.company_id.id, self.manager.id],
        )
        seen = set()
        for name, record in self.threads():
            with self.subTest(name):
                self.assertTrue(record, "the world of this test has one of each")
                seen.add(name)
                message = record.with_user(self.chief).message_post(
                    body="I approve this",
                    attachments=[("proof.txt", b"proof")],
                    message_type="comment",
                    subtype_xmlid="mail.mt_comment",
                )
                other = self.env["res.partner"].create({"name": "Somebody"})
                for env in (self.env(user=self.chief.id), self.env(user=self.chief.id, su=True)):
                    mine = message.with_env(env)
                    self.refused(
                        mine,
                        ("write", {"body": "I refuse this"}),
                        ("write", {"author_id": other.id}),
                        ("write", {"model": "res.partner", "res_id": other.id}),
                        ("write", {"date": "2020-01-01"}),
                        ("write", {"attachment_ids": [Command.clear()]}),
                        ("unlink",),
                    )
                    self.refused(mine.with_context(g2p_evidence=True), ("unlink",))
                    with self.assertRaises(UserError), self.cr.savepoint():
                        record.with_env(env)._message_update_content(mine, body="", attachment_ids=[])
                    mine.write({"pinned_at": "2026-01-01"})
                self.assertIn("I approve this", message.body)
                self.locked(record, message.attachment_ids, evidence=False)
        self.assertLessEqual(
            {
                "g2p.program",
                "g2p.cycle",
                "g2p.program.fund",
                "g2p.payment.batch",
                "g2p.program.scenario",
                "res.partner",
            },
            seen,
        )

    def test_tracked_values_stay(self):
        cycle = self.new_cycle().sudo()
        field = self.env["ir.model.fields"]._get("g2p.cycle", "name")
        message = cycle.message_post(body="Renamed")
        value = (
            self.env["mail.tracking.value"]
            .sudo()
            .create({"mail_message_id": message.id, "field_id": field.id, "new_value_char": "Renamed"})
        )
        self.refused(value, ("write", {"new_value_char": "Other"}), ("unlink",))

    def test_a_message_is_told_to_followers_by_email(self):
        """The e-mail of a message gives it a subject where it has none; that is no edit, and nobody else's way to one."""
        cycle = self.new_cycle()
        reader = self.chief.partner_id
        reader.email = "reader@example.com"
        cycle.sudo().message_subscribe(reader.ids)
        message = cycle.sudo().message_post(body="Told", message_type="comment", subtype_xmlid="mail.mt_comment")
        self.assertIn(reader, message.notified_partner_ids)
        self.assertIn("Told", message.body)
        mails = self.env["mail.mail"]
        for vals in ({"body": "Forged"}, {"subject": "Forged"}, {"author_id": reader.id}):
            with self.subTest(vals), self.assertRaises(AccessError), self.env.cr.savepoint():
                mails.with_user(self.env.ref("base.user_admin")).create({"mail_message_id": message.id, **vals})
        with self.assertRaises(AccessError), self.env.cr.savepoint():
            mails.sudo().create({"mail_message_id": message.id, "body": "Forged"})

    def test_messages_of_contacts_are_theirs(self):
        contact = self.env["res.partner"].create({"name": "A bank"})
        message = contact.message_post(body="Hello")
        message.write({"body": "Hello again"})
        message.unlink()

    def test_a_draft_goes_with_its_messages(self):
        cycle = self.new_cycle(self.families[:1])
        cycle.cycle_membership_ids.sudo().unlink()
        message = cycle.sudo().message_post(body="Not needed")
        cycle.sudo().unlink()
        self.assertFalse(message.exists())


@tagged("post_install", "-at_install")
class TestRoutes(MoneyCase, HttpCase):
    """The web client's routes act as superuser once they know who wrote a message or brought a file."""

    def test_the_web_client_neither_edits_nor_deletes(self):
        clerk = new_test_user(
            self.env, login="routes", password="routes-88", groups="g2p_programs.g2p_program_manager,base.group_system"
        )
        message = self.grant.with_user(clerk).message_post(
            body="I approve this",
            attachments=[("proof.txt", b"proof")],
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
        )
        paper = message.attachment_ids
        token = paper._get_ownership_token()
        self.authenticate("routes", "routes-88")
        with mute_logger("odoo.http"), self.assertRaises(JsonRpcException):
            self.make_jsonrpc_request(
                "/mail/message/update_content",
                {"message_id": message.id, "update_data": {"body": "I refuse this", "attachment_ids": []}},
            )
        with mute_logger("odoo.http"), self.assertRaises(JsonRpcException):
            self.make_jsonrpc_request("/mail/attachment/delete", {"attachment_id": paper.id, "access_token": token})
        self.env.invalidate_all()
        self.assertIn("I approve this", message.body)
        self.assertEqual(paper.exists().raw, b"proof")
