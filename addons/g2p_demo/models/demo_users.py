"""One user a role, two of finance. Plain passwords: a demo database is for looking at, on this machine only."""

from odoo import api, models
from odoo.fields import Command

DEMO_USERS = (
    {
        "login": "admin",
        "name": "Administrator",
        "groups": ("g2p_registry_base.group_g2p_admin",),
        "may": "everything, settings and user accounts included",
    },
    {
        "login": "registrar",
        "name": "Ruth Registrar",
        "groups": ("g2p_registry_base.group_g2p_registrar",),
        "may": "register people and households, import files",
    },
    {
        "login": "validator",
        "name": "Victor Validator",
        "groups": ("g2p_programs.g2p_program_validator",),
        "may": "enrol, verify eligibility, deduplicate",
    },
    {
        "login": "manager",
        "name": "Mona Manager",
        "groups": ("g2p_programs.g2p_program_manager",),
        "may": "create programs, prepare cycles and payments",
    },
    {
        "login": "approver",
        "name": "Abel Approver",
        "groups": ("g2p_programs.g2p_program_cycle_approver",),
        "may": "approve cycles that someone else prepared",
    },
    {
        "login": "finance",
        "name": "Fiona Finance",
        "groups": ("g2p_programs.g2p_finance_validator",),
        "may": "post funds, approve entitlements, reconcile payments",
    },
    {
        "login": "finance2",
        "name": "Farid Finance",
        "groups": ("g2p_programs.g2p_finance_validator",),
        "may": "second person of finance: decide on what Fiona prepared",
    },
    {
        "login": "cashier",
        "name": "Carla Cashier",
        "groups": ("g2p_payment_cash.g2p_cashier",),
        "may": "hand out cash at the desk",
    },
    {
        "login": "support",
        "name": "Sam Support",
        "groups": ("g2p_registry_base.group_g2p_support",),
        "may": "read, to answer questions of beneficiaries",
    },
    {
        "login": "auditor",
        "name": "Aida Auditor",
        "groups": ("g2p_registry_base.group_g2p_auditor",),
        "may": "read everything, write nothing",
    },
)


class DemoUsers(models.AbstractModel):
    _name = "g2p.demo.users"
    _description = "Users of the demo country"

    @api.model
    def _name_company(self):
        """Give the company of a new database a name that fits the demo country, and the country whose phone numbers its people
        have; a company with a name keeps it, and one with a country too."""
        company = self.env.ref("base.main_company")
        if company.name in ("My Company", "YourCompany"):
            company.name = "Ministry of Social Protection"
        company.country_id = company.country_id or self.env.ref("base.ke")

    @api.model
    def _create_users(self):
        """Create the users that are missing, give all of them their groups and their login as password."""
        users = self.env["res.users"].with_context(no_reset_password=True, active_test=False)
        for demo in DEMO_USERS:
            groups = [Command.link(self.env.ref(xmlid).id) for xmlid in demo["groups"]]
            user = users.search([("login", "=", demo["login"])])
            if not user:
                user = users.create({"login": demo["login"], "name": demo["name"], "tz": "Africa/Nairobi"})
            user.write({"password": demo["login"], "group_ids": groups})
