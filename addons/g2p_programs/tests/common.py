from odoo.tests import TransactionCase
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tests.statements import counting_statements
from odoo.addons.g2p_bulk.tests.users import new_test_users

ROLES = {
    "admin": "g2p_registry_base.group_g2p_admin",
    "registrar": "g2p_registry_base.group_g2p_registrar",
    "support": "g2p_registry_base.group_g2p_support",
    "auditor": "g2p_registry_base.group_g2p_auditor",
    "validator": "g2p_programs.g2p_program_validator",
    "approver": "g2p_programs.g2p_program_cycle_approver",
    "manager": "g2p_programs.g2p_program_manager",
    "finance": "g2p_programs.g2p_finance_validator",
}


class ProgramsCase(TransactionCase):
    """One user per role, and helpers that put registrants and members into the database."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = cls.env(context=dict(cls.env.context, tracking_disable=True, no_reset_password=True))
        others = {"outsider": "base.group_user", "portal": "base.group_portal"}
        cls.users = new_test_users(cls.env, ROLES | others, "test_")
        cls.outsider, cls.portal = (cls.users.pop(name) for name in others)
        cls.manager = cls.users["manager"]
        # Settings of running programs are changed at once here, as in a department that is too small: test_proposals.py is
        # about the rest.
        kinds = cls.env["g2p.approval.kind"].search([("res_model", "=", "g2p.approval.proposal")])
        kinds.off_company_ids = cls.env.company

    @classmethod
    def individual(cls, family, given="Test", **values):
        return cls.env["res.partner"].create(
            {"is_registrant": True, "is_group": False, "family_name": family, "given_name": given, **values}
        )

    @classmethod
    def household(cls, name, members=(), **values):
        return cls.env["res.partner"].create(
            {
                "is_registrant": True,
                "is_group": True,
                "name": name,
                "group_membership_ids": [(0, 0, {"individual": member.id}) for member in members],
                **values,
            }
        )

    @classmethod
    def program(cls, name="Child Grant", target_type="individual", **values):
        """An active program of the manager's, with the default managers. Nobody was asked to agree to its start."""
        program = (
            cls.env["g2p.program"]
            .with_user(cls.users["manager"])
            .create({"name": name, "target_type": target_type, **values})
        )
        program.sudo().action_activate()
        return program

    def agree(self, record, user=None):
        """Somebody who had no part in a record agrees to what waits about it."""
        request = record.with_env(self.env)._approval_open().with_user(user or self.users["approver"])
        request.action_approve("Looked at", request.digest)
        self.env.invalidate_all()

    @classmethod
    def member(cls, program, partner, state="draft"):
        membership = cls.env["g2p.program_membership"].create({"program_id": program.id, "partner_id": partner.id})
        if state != "draft":
            membership._transition(state)
            program._refresh_counters()
        return membership

    @classmethod
    def many_registrants(cls, count, is_group=False, prefix="Bulk"):
        """Registrants by plain SQL, as many as a test needs; returns (lowest id, highest id)."""
        cls.env.flush_all()
        cls.env.cr.execute(
            SQL(
                """
                WITH made AS (
                    INSERT INTO res_partner (name, complete_name, is_registrant, is_group, active, company_id,
                                             type, autopost_bills, create_date, write_date)
                    SELECT %(prefix)s || number, %(prefix)s || number, TRUE, %(is_group)s, TRUE, %(company)s,
                           'contact', NULL, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
                      FROM generate_series(1, %(count)s) AS number
                 RETURNING id
                )
                SELECT MIN(id), MAX(id) FROM made
                """
                if "autopost_bills" in cls.env["res.partner"]._fields
                else """
                WITH made AS (
                    INSERT INTO res_partner (name, complete_name, is_registrant, is_group, active, company_id,
                                             type, create_date, write_date)
                    SELECT %(prefix)s || number, %(prefix)s || number, TRUE, %(is_group)s, TRUE, %(company)s,
                           'contact', now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
                      FROM generate_series(1, %(count)s) AS number
                 RETURNING id
                )
                SELECT MIN(id), MAX(id) FROM made
                """,
                prefix=prefix,
                is_group=is_group,
                company=cls.env.company.id,
                count=count,
            )
        )
        return cls.env.cr.fetchone()

    def states(self, program):
        """{registrant: state} of the members of a program."""
        members = self.env["g2p.program_membership"].search([("program_id", "=", program.id)])
        members.invalidate_recordset()
        return {member.partner_id: member.state for member in members}

    def operation(self, record, step):
        """The last operation of a step on a record."""
        return self.env["g2p.bulk.operation"].search(
            [("res_model", "=", record._name), ("res_id", "=", record.id), ("step", "=", step)],
            limit=1,
            order="id DESC",
        )

    def statements(self, record, method, step, *args):
        """How many statements one chunk of a step takes, when the whole set is one chunk."""
        operation_model = self.env["ir.config_parameter"].sudo()
        operation_model.set_param("g2p_bulk.chunk_size", 1_000_000)
        operation_model.set_param("g2p_bulk.inline_threshold", 10_000_000)
        with counting_statements(self.env.cr) as count:
            getattr(record, method)(*args)
        return count.statements
