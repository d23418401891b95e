"""Names, phones, IDs and accounts don't reach the server's log, whatever is refused and whoever logs it."""

import base64
import io
import json
import logging
import re

from odoo.exceptions import UserError
from odoo.tests import HttpCase, new_test_user, tagged

from odoo.addons.g2p_bulk.tools import table_file
from odoo.addons.g2p_programs.tests.money import MoneyCase

PASSWORD = "a long password of a test"
NAME, FAMILY = "Quetzalia", "Wyndhamova"
PHONE = "+254712987654"
ID_VALUE = "QZ-8811223344"
ACCOUNT = "QZ9988776655"
SECRETS = (NAME, FAMILY, PHONE, PHONE[4:], ID_VALUE, ACCOUNT)


class Log(logging.Handler):
    """All that a log file would hold, of all loggers, from INFO on."""

    def __init__(self):
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))

    def __enter__(self):
        root = logging.getLogger()
        self.levels = {logger: logger.level for logger in self.loggers()}
        for logger in self.levels:
            logger.setLevel(logging.INFO)
        root.addHandler(self)
        return self

    def __exit__(self, *exception):
        logging.getLogger().removeHandler(self)
        for logger, level in self.levels.items():
            logger.setLevel(level)

    def loggers(self):
        names = ("", "odoo", "odoo.sql_db", "odoo.http", "odoo.service.model", "odoo.addons.g2p_bulk", "werkzeug")
        return [logging.getLogger(name) for name in names]

    @property
    def text(self):
        return "\n".join(self.lines)


@tagged("post_install", "-at_install")
class TestLogRedaction(HttpCase, MoneyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clerk = new_test_user(
            cls.env,
            "redaction",
            password=PASSWORD,
            groups="g2p_registry_base.group_g2p_registrar,g2p_programs.g2p_program_manager,g2p_programs.g2p_finance_validator",
        )
        cls.national = cls.env.ref("g2p_registry_base.id_type_national")
        cls.person = cls.individual(FAMILY, NAME)
        cls.person.write(
            {
                "reg_ids": [(0, 0, {"id_type": cls.national.id, "value": ID_VALUE})],
                "phone_number_ids": [(0, 0, {"phone_no": PHONE})],
                "bank_ids": [(0, 0, {"acc_number": ACCOUNT})],
            }
        )
        cls.other = cls.individual("Other", "Person")

    def call(self, model, method, *args, **kwargs):
        """As the web client: the answer, which is an error in most of these tests."""
        answer = self.url_open(
            f"/web/dataset/call_kw/{model}/{method}",
            data=json.dumps(
                {
                    "jsonrpc": "2.0",
                    "method": "call",
                    "params": {"model": model, "method": method, "args": args, "kwargs": kwargs},
                }
            ),
            headers={"Content-Type": "application/json"},
        )
        return answer.json()

    def file(self, text):
        return base64.b64encode(text.encode()).decode()

    def refused_actions(self):
        """Whatever an officer or an attacker sends that is not taken, with data of people in it."""
        person, other, national = self.person.id, self.other.id, self.national.id
        membership = self.member(self.grant, self.large, "draft")
        self.large.name = f"{FAMILY} {NAME}"
        application = {"program_membership_id": membership.id}
        yield "g2p.reg.id", "create", [{"partner_id": other, "id_type": national, "value": ID_VALUE}]
        # one ID for two at once: nobody has it yet, so it is the database that refuses
        third = self.individual(FAMILY, NAME).id
        yield (
            "g2p.reg.id",
            "create",
            [{"partner_id": partner, "id_type": national, "value": f"{ID_VALUE}9"} for partner in (other, third)],
        )
        yield "g2p.reg.id", "create", [{"partner_id": other, "id_type": national, "value": ID_VALUE * 30}]
        yield "g2p.reg.id", "create", [{"partner_id": person, "id_type": national, "value": ID_VALUE}]
        yield "g2p.reg.id", "create", [{"partner_id": ID_VALUE, "id_type": national}]
        yield "g2p.phone.number", "create", [{"partner_id": other, "phone_no": f"{PHONE} {NAME}"}]
        yield "res.partner.bank", "create", [{"partner_id": other, "acc_number": ACCOUNT, "is_primary": ACCOUNT}]
        yield "res.partner.bank", "create", [{"partner_id": 99999999, "acc_number": ACCOUNT}]
        yield "res.partner", "create", [{"name": NAME, "is_registrant": True, "birthdate": f"born {NAME}"}]
        yield "res.partner", "create", [{"name": NAME, "is_registrant": True, "company_id": f"{FAMILY}"}]
        yield "res.partner", "create", [{"name": NAME, "is_registrant": True, f"{FAMILY}": 1}]
        yield "res.partner", "write", [person], {"area_id": 99999999, "given_name": NAME}
        yield "res.partner", "write", [person], {"registrant_attributes": {NAME: PHONE}}
        yield "res.partner", "search", [("birthdate", "=", NAME)]
        yield "res.partner", "search", [("no_such_field", "=", PHONE)]
        yield "res.partner", "search", [("name", "no such operator", PHONE)]
        yield "res.partner", "search_read", [("id", "=", ID_VALUE)], ["name"]
        yield "res.partner", "unlink", [person]
        yield "res.partner", "no_such_method", [person], NAME
        yield "g2p.program_membership", "create", [{"partner_id": self.large.id, "program_id": self.grant.id}]
        yield "g2p.program.registrant_info", "create", [application]
        yield "g2p.program.registrant_info", "create", [application]
        yield "g2p.registrant.import", "create", [{"name": f"{NAME}.exe", "file": self.file(f"Full name\n{NAME}\n")}]
        yield "g2p.registrant.import", "create", [{"name": "x.csv", "file": f"{PHONE}{NAME}!"}]
        yield "g2p.registrant.import", "create", [{"name": "x.csv", "encoding": PHONE, "file": ""}]
        for content in (
            f"Full name,National ID\n{NAME} {FAMILY},{ID_VALUE}\n",
            f'Full name,Phone\n"{NAME} {FAMILY},{PHONE}\n',
            f"Full name\n{NAME}\x00{FAMILY}\n",
            f"{NAME},{NAME}\n{PHONE},{ID_VALUE}\n",
        ):
            record = (
                self.env["g2p.registrant.import"]
                .with_user(self.clerk)
                .create({"name": "people.csv", "file": self.file(content)})
            )
            yield "g2p.registrant.import", "action_check", [record.id]
            yield "g2p.registrant.import", "action_import", [record.id]
        payer = (
            self.env["g2p.payment.reconciliation"]
            .with_user(self.clerk)
            .create({"filename": "bank.csv", "file": self.file(f"Reference,{NAME}\n{ACCOUNT},{PHONE}\n")})
        )
        yield "g2p.payment.reconciliation", "action_check", [payer.id]

    def other_ways(self):
        """What no client can bring about at will: the database's own details, jobs, tracebacks handed on as text."""
        env = self.env
        statements = (
            (
                "INSERT INTO g2p_reg_id (partner_id, id_type, value) VALUES (%s, %s, %s)",
                [self.other.id, self.national.id, ID_VALUE],
            ),
            ("UPDATE res_partner SET birthdate = %s WHERE id = %s", [NAME, self.person.id]),
            ("UPDATE res_partner SET name = NULL WHERE name ILIKE %s", [f"%{NAME}%"]),
            ("SELECT %s::integer", [PHONE]),
            ("SELECT no_such_column FROM res_partner WHERE name = %s", [f"O'{NAME} \\ {FAMILY}"]),
            ("SELECT 1 FROM no_such_table WHERE value = ANY(%s)", [[ID_VALUE, ACCOUNT]]),
        )
        for statement, parameters in statements:
            try:
                with env.cr.savepoint():
                    env.cr.execute(statement, parameters)
            except Exception:
                logging.getLogger("odoo.addons.g2p_bulk").exception("A statement failed")
        try:
            with env.cr.savepoint():
                env.cr.copy_expert("COPY g2p_reg_id (partner_id) FROM STDIN", io.StringIO(f"{NAME} {PHONE}\n"))
        except Exception as error:
            logging.getLogger("odoo.addons.g2p_bulk").warning("COPY failed: %s", error)
            logging.getLogger("odoo.addons.g2p_bulk").warning("COPY failed: %s", str(error))
            logging.getLogger("odoo.addons.g2p_bulk").warning(error)
        try:
            try:
                int(PHONE + NAME)
            except ValueError as error:
                raise UserError(f"{NAME} {FAMILY} is registered already.") from error
        except UserError as error:
            log = logging.getLogger("odoo.addons.queue_job.controllers.main")
            log.warning(error)
            log.error("Job failed", exc_info=True)
            log.error(
                "Traceback (most recent call last):\n  File x, line 1\nodoo.exceptions.UserError: %s\n%s", NAME, FAMILY
            )
            log.error(
                f"Traceback (most recent call last):\n  File x\npsycopg2.errors.UniqueViolation: duplicate {ID_VALUE}\n"
                f"DETAIL:  Key (value)=({ID_VALUE}) exists.\n"
            )
        domain = [("name", "ilike", NAME), ("phone", "=", PHONE)]
        logging.getLogger("odoo.addons.web.controllers.export").info("exported records. Domain: %s", domain)

    def everything(self):
        with Log() as log:
            self.authenticate("redaction", PASSWORD)
            refused = 0
            for model, method, *args in self.refused_actions():
                refused += "error" in self.call(model, method, *args)
            self.url_open(f"/web/content/res.partner/{self.person.id}/{NAME}?filename={FAMILY}&phone={PHONE}")
            self.url_open(f"/no/such/page?q={NAME}")
            self.other_ways()
        return refused, log.text

    def test_no_data_of_people_in_the_log(self):
        refused, text = self.everything()
        self.assertGreater(refused, 25, "these are refusals")
        self.assertFalse([secret for secret in SECRETS if secret.lower() in text.lower()], self.told(text))
        # what an operator needs is there
        for words in (
            "bad query",
            "(g2p_reg_id_",
            "UniqueViolation",
            "UserError",
            "Traceback",
            "File ",
        ):
            self.assertIn(words, text)

    def told(self, text):
        return [line for line in text.splitlines() if any(secret.lower() in line.lower() for secret in SECRETS)][:10]

    def test_without_the_guard_this_test_would_fail(self):
        factory = logging.getLogRecordFactory()
        self.assertTrue(factory.g2p_redacts, "the guard is on since the module was loaded")
        bare = next(cell.cell_contents for cell in factory.__closure__ if callable(cell.cell_contents))
        logging.setLogRecordFactory(bare)
        try:
            _refused, text = self.everything()
        finally:
            logging.setLogRecordFactory(factory)
        for secret in (NAME, PHONE, ID_VALUE, ACCOUNT):
            self.assertIn(secret, text)

    def test_a_job_has_no_data_of_people_in_its_arguments(self):
        """What is queued names records by number: everything else would stand in the list of jobs and in the log."""
        jobs = self.env["queue.job"].search([("model_name", "=like", "g2p.%")])
        for job in jobs:
            self.assertRegex(job.func_string or "", r"^g2p\.[\w.]+\([\d, ]*\)\.\w+\([\d, ]*\)$")
        self.env.company.country_id = self.env.ref("base.ke")
        self.env["ir.config_parameter"].set_param("g2p_bulk.inline_threshold", "1")
        record = self.env["g2p.registrant.import"].create(
            {"name": "people.csv", "file": base64.b64encode(f"Full name\n{NAME} {FAMILY}\n".encode())}
        )
        with record._open_file() as stream, table_file.Table(stream, record.name) as table:
            step = self.env["g2p.registrant.import.step.read"]
            step._stage(record, self.env["g2p.bulk.operation"], table, report=lambda _rows: None)
        operation = record._bulk_start("check", mode="queue")
        job = self.env["queue.job"].search([("model_name", "=", "g2p.bulk.chunk")], order="id desc", limit=1)
        self.assertTrue(job and operation)
        self.assertFalse(
            re.search("|".join(map(re.escape, SECRETS)), f"{job.func_string} {job.args} {job.kwargs} {job.name}")
        )
