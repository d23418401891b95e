import logging
from collections import defaultdict

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL
from odoo.tools.misc import format_datetime, formatLang

from odoo.addons.g2p_approval.models.approval_proposal import Pass
from odoo.addons.g2p_approval.tools import digest
from odoo.addons.g2p_bulk.models.bulk_operation import OPEN_STATES
from odoo.addons.g2p_bulk.tools import roles
from odoo.addons.g2p_registry_base.tools import standing

from ...tools import constants
from ...tools.constants import ENROLLMENT_CANDIDATES, FUND_READERS, GROUP_MANAGER, GROUP_VALIDATOR
from ...tools.money import decimal
from ..fund_ledger import EFFECTS

_logger = logging.getLogger(__name__)

# As many members as one call from outside gets.
MOST_AT_ONCE = 10_000
# Sets of duplicates are found among all members at once: the step is one chunk, whole or not at all.
ONE_CHUNK = 2**31 - 1
AUTO_ENROL_CRON = "g2p_programs.cron_auto_enrol"
ACTIVATION = "program_activation"  # the kind of approval


def settings(record):
    """Names of the settings of a program, or of its definition, that a person fills in: its managers have their own."""
    aside = {*models.MAGIC_COLUMNS, "active", "definition_id", "program_mnemonic"}
    return sorted(
        name
        for name, field in record._fields.items()
        if field.store
        and not (field.compute or field.related or field.readonly)
        and field.type not in ("one2many", "many2many", "binary")
        and name not in aside
        and not name.startswith("message_")
    )


class Program(models.Model):
    """A program at work: its definition (what, for whom), its managers (how), its members and cycles."""

    _name = "g2p.program"
    _description = "Program"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "g2p.state.mixin",
        "g2p.bulk.pipeline",
        "g2p.counters.mixin",
        "g2p.change.mixin",
        "g2p.condition.mixin",
        "g2p.program.verdicts",
        "g2p.program.explained",
        "g2p.approval.mixin",
        "g2p.approval.proposal.mixin",
    ]
    _inherits = {"g2p.program.definition": "definition_id"}
    _order = "id desc"
    _check_company_auto = True
    _step_key = "program_step"
    _approval_presses = ("action_activate",)
    _approval_done_states = ("active", "paused", "ended")
    _proposal_kind = "program_rules"

    MANAGER_ELIGIBILITY = constants.MANAGER_ELIGIBILITY
    MANAGER_CYCLE = constants.MANAGER_CYCLE
    MANAGER_PROGRAM = constants.MANAGER_PROGRAM
    MANAGER_ENTITLEMENT = constants.MANAGER_ENTITLEMENT
    MANAGER_DEDUPLICATION = constants.MANAGER_DEDUPLICATION
    MANAGER_NOTIFICATION = constants.MANAGER_NOTIFICATION
    MANAGER_PAYMENT = constants.MANAGER_PAYMENT

    _protected_fields = (
        "state",
        "import_when_active",
        "date_ended",
        "pause_mode",
        "pause_reason",
        "paused_on",
        "paused_by",
        "last_deduplication",
        "last_deduplication_result",
        "beneficiaries_count",
        "eligible_beneficiaries_count",
        "draft_count",
        "not_eligible_count",
        "duplicated_count",
        "paused_count",
        "exited_count",
        "unknown_count",
        "graduated_count",
    )

    _name_company_uniq = models.UniqueIndex(
        "(name, company_id) WHERE active", "The company has a program of this name already: choose another name."
    )

    # Identity
    name = fields.Char(required=True, tracking=True, copy=False)
    definition_id = fields.Many2one(
        "g2p.program.definition", required=True, index=True, ondelete="restrict", delegate=True
    )
    company_id = fields.Many2one(related="definition_id.company_id", store=True, index=True, readonly=False)
    active = fields.Boolean(default=True, copy=False)
    state = fields.Selection(
        [("draft", "Draft"), ("active", "Active"), ("paused", "Paused"), ("ended", "Ended")],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        index=True,
        tracking=True,
    )
    import_when_active = fields.Boolean(
        readonly=True, copy=False, help="Who made it wants the eligible registrants enrolled as soon as it is active."
    )
    date_ended = fields.Date(readonly=True, copy=False)
    pause_mode = fields.Selection(
        [
            ("finish", "Cycles under way are finished"),
            ("hold", "Cycles under way are held: nothing is approved or paid"),
        ],
        "While paused",
        readonly=True,
        copy=False,
    )
    pause_reason = fields.Char("Paused because", readonly=True, copy=False)
    paused_on = fields.Datetime("Paused since", readonly=True, copy=False)
    paused_by = fields.Many2one("res.users", readonly=True, copy=False)
    no_account_policy = fields.Selection(
        [("block", "Not paid until they have one"), ("desk", "Paid at the cash desk")],
        "Beneficiaries without an account",
        required=True,
        default="block",
        tracking=True,
    )

    # Managers
    eligibility_managers = fields.One2many("g2p.eligibility.manager", "program_id")
    deduplication_managers = fields.One2many("g2p.deduplication.manager", "program_id")
    notification_managers = fields.One2many("g2p.program.notification.manager", "program_id")
    program_managers = fields.One2many("g2p.program.manager", "program_id")
    cycle_managers = fields.One2many("g2p.cycle.manager", "program_id")
    entitlement_managers = fields.One2many("g2p.program.entitlement.manager", "program_id")
    approval_mapping_ids = fields.One2many(
        "g2p.program.approval.mapping",
        "program_id",
        "Approval settings",
        copy=False,
        groups="g2p_approval.group_g2p_approval_user",
        help="The stages in which its cycles, and their entitlements, are approved. None: one of the managers' groups agrees.",
    )
    payment_managers = fields.One2many("g2p.program.payment.manager", "program_id")

    # Relations
    program_membership_ids = fields.One2many("g2p.program_membership", "program_id", string="Members")
    cycle_ids = fields.One2many("g2p.cycle", "program_id", string="Cycles")

    # Counters, kept by the operations that change them
    beneficiaries_count = fields.Integer("Number of members", readonly=True, copy=False)
    eligible_beneficiaries_count = fields.Integer("Enrolled", readonly=True, copy=False)
    draft_count = fields.Integer("Draft", readonly=True, copy=False)
    not_eligible_count = fields.Integer("Not eligible", readonly=True, copy=False)
    duplicated_count = fields.Integer("Duplicated", readonly=True, copy=False)
    paused_count = fields.Integer("Paused", readonly=True, copy=False)
    exited_count = fields.Integer("Exited", readonly=True, copy=False)
    unknown_count = fields.Integer("Data missing", readonly=True, copy=False)
    graduated_count = fields.Integer("Graduated", readonly=True, copy=False)
    have_members = fields.Boolean(compute="_compute_have_members")
    cycles_count = fields.Integer(compute="_compute_cycles_count")
    duplicate_membership_count = fields.Integer("Duplicates", compute="_compute_duplicate_membership_count")
    last_deduplication = fields.Datetime(readonly=True, copy=False)
    open_cycle_id = fields.Many2one("g2p.cycle", compute="_compute_open_cycle_id", string="Current cycle")

    # Duplicates
    survivor_policy = fields.Selection(
        [
            ("oldest", "The earliest enrolled"),
            ("complete", "The most complete record"),
            ("manual", "Nobody, until an officer has chosen"),
        ],
        "Who stays of a set of duplicates",
        default="oldest",
        required=True,
        help="Enrolled members come before paused ones, and those before drafts. When an officer chooses, nobody is marked "
        "as duplicated before.",
    )

    last_deduplication_result = fields.Char("Result of the last deduplication", readonly=True, copy=False)

    # Registrants who are registered from now on
    auto_enrol = fields.Boolean(
        "Enrol new registrants",
        tracking=True,
        copy=False,
        help="Registrants of the program's target type who are registered from now on become members by themselves.",
    )
    auto_enrol_domain = fields.Char(
        "New registrants matching", default="[]", help="Only these are looked at; empty means everybody."
    )
    auto_enrol_delete_ineligible = fields.Boolean(
        "Leave no trace of who is not eligible",
        help="New registrants who are not eligible do not become members at all, instead of not eligible ones.",
    )
    # The names by which OpenG2P's clients know the three settings
    auto_enrol_partners = fields.Boolean(related="auto_enrol", readonly=False, string="Auto-enrol")
    auto_enrol_partners_domain = fields.Char(
        related="auto_enrol_domain", readonly=False, string="Conditions of auto-enrolment"
    )
    auto_enrol_partners_delete_not_eligible = fields.Boolean(
        related="auto_enrol_delete_ineligible", readonly=False, string="Auto-enrolment removes who is not eligible"
    )
    auto_enrol_waiting = fields.Integer("New registrants waiting", compute="_compute_auto_enrol")
    auto_enrol_error = fields.Char("Why enrolment of new registrants stopped", compute="_compute_auto_enrol")

    # Screen
    can_configure = fields.Boolean(compute="_compute_can_configure")
    open_cycle_state = fields.Selection(
        related="open_cycle_id.state", tracking=False, string="Step of the current cycle"
    )
    fund_posted = fields.Monetary("Money in", compute="_compute_fund", groups=FUND_READERS)
    fund_reserved = fields.Monetary("Reserved", compute="_compute_fund", groups=FUND_READERS)
    fund_disbursed = fields.Monetary("Paid", compute="_compute_fund", groups=FUND_READERS)
    fund_written_off = fields.Monetary("Written off", compute="_compute_fund", groups=FUND_READERS)
    fund_available = fields.Monetary("Available", compute="_compute_fund", groups=FUND_READERS)
    paid_this_year = fields.Monetary(compute="_compute_paid_this_year", groups=FUND_READERS)

    # Computes

    @api.depends("beneficiaries_count")
    def _compute_have_members(self):
        for program in self:
            program.have_members = bool(program.beneficiaries_count)

    @api.depends("cycle_ids")
    def _compute_cycles_count(self):
        counts = dict(self.env["g2p.cycle"]._read_group([("program_id", "in", self.ids)], ["program_id"], ["__count"]))
        for program in self:
            program.cycles_count = counts.get(program, 0)

    def _compute_duplicate_membership_count(self):
        counts = dict(
            self.env["g2p.program.membership.duplicate"]._read_group(
                [("program_id", "in", self.ids), ("state", "=", "duplicate")], ["program_id"], ["__count"]
            )
        )
        for program in self:
            program.duplicate_membership_count = counts.get(program, 0)

    @api.depends("cycle_ids.state", "cycle_ids.sequence")
    def _compute_open_cycle_id(self):
        """The latest cycle that is not over."""
        cycles = self.env["g2p.cycle"].search(
            [("program_id", "in", self.ids), ("state", "in", ("draft", "to_approve", "approved", "distributed"))],
            order="sequence",
        )
        latest = {cycle.program_id: cycle for cycle in cycles}
        for program in self:
            program.open_cycle_id = latest.get(program, False)

    @api.depends_context("uid")
    def _compute_can_configure(self):
        allowed = self.env.user.has_group(GROUP_MANAGER)
        for program in self:
            program.can_configure = allowed

    def _compute_fund(self):
        """From the accounts in the programs' own currency: one query. Zero for who may not read funds."""
        accounts = self.env["g2p.fund.account"]
        if accounts.has_access("read"):
            accounts = accounts.search([("program_id", "in", self.ids)])
        by_program = {
            account.program_id: account for account in accounts if account.currency_id == account.program_id.currency_id
        }
        for program in self:
            account = by_program.get(program, accounts.browse())
            program.fund_posted = account.posted
            program.fund_reserved = account.reserved
            program.fund_disbursed = account.disbursed
            program.fund_written_off = account.written_off
            program.fund_available = account.available

    def _compute_paid_this_year(self):
        """From the ledger, which has one line an operation, not one a payment."""
        ledger = self.env["g2p.fund.ledger"]
        paid = {}
        if ledger.has_access("read"):
            year = fields.Date.context_today(self).replace(month=1, day=1)
            for account, kind, amount in ledger._read_group(
                [
                    ("account_id.program_id", "in", self.ids),
                    ("kind", "in", [kind for kind, effect in EFFECTS.items() if "disbursed" in effect]),
                    ("date", ">=", year),
                ],
                ["account_id", "kind"],
                ["amount:sum"],
            ):
                program = account.program_id
                if account.currency_id == program.currency_id:
                    paid[program] = paid.get(program, 0) + amount * EFFECTS[kind]["disbursed"]
        for program in self:
            program.paid_this_year = paid.get(program, 0)

    def _compute_auto_enrol(self):
        # sudo: a number, and the message of the program's own operation
        waiting = dict(
            self.env["g2p.auto.enrol.queue"]
            .sudo()
            ._read_group([("program_id", "in", self.ids)], ["program_id"], ["__count"])
        )
        waiting = {program.id: count for program, count in waiting.items()}
        for program in self:
            program.auto_enrol_waiting = waiting.get(program.id, 0)
            last = program._last_auto_enrol()
            program.auto_enrol_error = last.last_error or False if last.state == "failed" else False

    # Constraints and CRUD

    @api.constrains(*constants.MANAGER_FIELDS.values())
    def _check_single_managers(self):
        for program in self:
            for kind in constants.SINGLE_MANAGERS:
                field = self._fields[constants.MANAGER_FIELDS[kind]]
                if len(program[field.name]) > 1:
                    raise ValidationError(
                        self.env._(
                            "%(program)s has more than one manager under “%(kind)s”: remove one.",
                            program=program.name,
                            kind=field.get_description(self.env)["string"],
                        )
                    )

    def _check_managers_fit_target(self):
        """The managers whose settings mean something for one target type only say so."""
        self.ensure_one()
        for manager in self.get_managers(self.MANAGER_DEDUPLICATION):
            manager._check_can_match()
        for manager in self.get_managers(self.MANAGER_ENTITLEMENT):
            manager._check_fits_target()

    def _change_records(self):
        """What a program is made of: its definition changes with it."""
        return [*super()._change_records(), self.definition_id]

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if not vals.get("definition_id") and not vals.get("program_mnemonic"):
                vals["program_mnemonic"] = self.env["g2p.program.definition"]._free_mnemonic(vals.get("name"))
        programs = super().create(vals_list)
        programs._create_default_managers()
        return programs

    def _default_managers(self):
        """[(kind, concrete model, values)] of the managers that this new program gets for the kinds of which it has none.

        What plug-ins add to a kind of which there may be several is made too.
        """
        self.ensure_one()
        shared_member = (
            self.MANAGER_DEDUPLICATION,
            "g2p.deduplication.manager.default",
            {"name": self.env._("Shared member")},
        )
        return [
            (self.MANAGER_ELIGIBILITY, "g2p.program_membership.manager.default", {"name": self.env._("Everybody")}),
            *([shared_member] if self.target_type == "group" else []),
            (self.MANAGER_DEDUPLICATION, "g2p.deduplication.manager.id_dedup", {"name": self.env._("ID document")}),
            (
                self.MANAGER_DEDUPLICATION,
                "g2p.deduplication.manager.phone_number",
                {"name": self.env._("Phone number")},
            ),
            (self.MANAGER_PROGRAM, "g2p.program.manager.default", {"name": self.env._("Default")}),
            (self.MANAGER_CYCLE, "g2p.cycle.manager.default", {"name": self.env._("Monthly")}),
            (
                self.MANAGER_ENTITLEMENT,
                "g2p.program.entitlement.manager.default",
                {"name": self.env._("Default")},
            ),
            (self.MANAGER_PAYMENT, "g2p.program.payment.manager.default", {"name": self.env._("Default")}),
        ]

    def _create_default_managers(self):
        """Every program works from its first day: kinds without a manager get the default one."""
        if self.env.context.get("g2p_no_default_managers"):
            return
        wanted = defaultdict(list)
        for program in self:
            for kind, model, values in program._default_managers():
                if not program[constants.MANAGER_FIELDS[kind]]:
                    wanted[model].append({**values, "program_id": program.id})
        for model, vals_list in wanted.items():
            self.env[model].create(vals_list)

    def write(self, vals):
        if not self.env.su and vals:
            # Validators may press buttons on a program, for which they have write access, but not change its settings.
            self._check_can(constants.GROUP_MANAGER)
            if "no_account_policy" in vals:
                self.filtered(
                    lambda program: program.no_account_policy != vals["no_account_policy"]
                )._check_how_it_is_paid_stays()
        if "active" in vals and not vals["active"]:
            self.check_access("write")
            # sudo: a cycle counts whether or not the user may see it; only the refusal is shown
            under_way = self.sudo().cycle_ids.filtered(lambda cycle: cycle.state in ("to_approve", "approved"))
            if under_way:
                raise UserError(
                    self.env._(
                        "%(program)s has a cycle under way: %(cycle)s. End or cancel it before you archive the program.",
                        program=under_way[0].program_id.name,
                        cycle=under_way[0].name,
                    )
                )
            self._approval_drop(self.env._("It was archived."))
        result = super().write(vals)
        # What others were asked to agree to is not what it is now.
        self.filtered(lambda program: program.state == "draft")._approval_recheck()
        return result

    def _check_how_it_is_paid_stays(self):
        """How people are paid is part of what is approved: who prepares does not change it afterwards. An administrator may, for
        those who could not be paid otherwise; it is on record."""
        if self.env.user.has_group(constants.GROUP_ADMIN):
            return
        # sudo: a cycle counts whether or not the user may see it; only the refusal is shown
        under_way = self.sudo().cycle_ids.filtered(lambda cycle: cycle.state in ("to_approve", "approved"))
        if under_way:
            raise UserError(
                self.env._(
                    "%(cycle)s is under way: how people are paid, and in which batches, stays until it is distributed, or an "
                    "administrator changes it.",
                    cycle=under_way[0].display_name,
                )
            )

    def copy_data(self, default=None):
        """The definition is given beforehand, so that nothing of it is copied: it is the same one, lines included."""
        vals_list = []
        for program in self:
            own = {
                "name": self.env._("%s (copy)", program.name),
                "definition_id": program.definition_id.id,
                **(default or {}),
            }
            vals_list += super(Program, program).copy_data(own)
        return vals_list

    def copy(self, default=None):
        """*Duplicate program*: the same definition is run again, with managers of its own."""
        copies = super(Program, self.with_context(g2p_no_default_managers=True)).copy(default)
        for program, copied in zip(self, copies, strict=True):
            program._copy_managers(copied)
        return copies.with_env(self.env)

    def _copy_managers(self, target):
        """Give `target`, a new program, copies of the managers; plug-ins copy first what their managers refer to."""
        for kind in constants.MANAGER_FIELDS:
            for manager in self.get_managers(kind):
                manager.copy({"program_id": target.id})

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        for program in self:
            if program.cycle_ids.filtered(lambda cycle: cycle.state != "draft"):
                raise UserError(
                    self.env._(
                        "%s has cycles that went beyond draft, so its history must stay: archive it instead.",
                        program.name,
                    )
                )
            if program.cycle_ids:
                raise UserError(self.env._("Delete the draft cycles of %s first.", program.name))
            if program.have_members:
                raise UserError(
                    self.env._("%s has members: archive it instead, or remove its members first.", program.name)
                )

    def unlink(self):
        self.check_access("unlink")
        definitions = self.definition_id
        keys = [f"{self._name},{program.id}" for program in self]
        # sudo: who may delete the program was checked above; stages for it are for nothing any more
        self.env["g2p.approval.stage"].sudo().with_context(active_test=False).search([("scope", "in", keys)]).unlink()
        for program in self:
            for kind in constants.MANAGER_FIELDS:
                for manager in program.get_managers(kind):
                    # sudo: who may delete the program was checked above, and its managers go with it, also those whose
                    # approvers an administrator chose: nothing is left to approve
                    manager.sudo().unlink()
        result = super().unlink()
        definitions.filtered(
            lambda definition: not self.env["g2p.program"]
            .with_context(active_test=False)
            .search_count([("definition_id", "=", definition.id)], limit=1)
        ).unlink()
        return result

    def action_archive(self):
        """Archive; cycles that are not paid yet are cancelled with their entitlements first."""
        self._bulk_check("action_archive")
        for cycle in self.cycle_ids.filtered(lambda cycle: cycle.state in ("draft", "to_approve", "approved")):
            cycle.mark_cancelled()
        return super().action_archive()

    @api.private
    def get_manager(self, kind):
        """The concrete manager of a kind of which a program has one.

        :param kind: one of the `MANAGER_…` constants.
        :raise UserError: when the program has none.
        """
        self.ensure_one()
        managers = self.get_managers(kind)
        if not managers:
            field = self._fields[constants.MANAGER_FIELDS[kind]]
            raise UserError(
                self.env._(
                    "%(program)s has no manager under “%(kind)s”: add one on the Managers tab.",
                    program=self.name,
                    kind=field.get_description(self.env)["string"],
                )
            )
        return managers[0]

    @api.private
    def get_managers(self, kind):
        """The concrete managers of a kind, in order: a list, since they may be of several models."""
        self.ensure_one()
        references = self[constants.MANAGER_FIELDS[kind]].sorted("sequence")
        return [reference.manager_ref_id for reference in references if reference.manager_ref_id]

    def _range_sql(self, alias, low=None, high=None):
        """A condition on `alias.partner_id`: within (low, high]."""
        column = SQL.identifier(alias, "partner_id")
        conditions = [SQL("TRUE")]
        if low is not None:
            conditions.append(SQL("%s > %s", column, low))
        if high is not None:
            conditions.append(SQL("%s <= %s", column, high))
        return SQL(" AND ").join(conditions)

    def _base_domain(self):
        """Whom a program may reach: registrants of its target type and company, active and not disabled."""
        self.ensure_one()
        return standing.PRESENT & Domain(
            [
                ("is_registrant", "=", True),
                ("is_group", "=", self.target_type == "group"),
                ("company_id", "in", [self.company_id.id, False]),
            ]
        )

    def _base_registrants(self, low=None, high=None):
        """The base set of a program.

        :return SQL: one column `registrant_id`.
        """
        self.ensure_one()
        return SQL(
            """
            SELECT registrant.id AS registrant_id
              FROM res_partner AS registrant
             WHERE registrant.is_registrant
               AND COALESCE(registrant.is_group, FALSE) = %(is_group)s
               AND %(present)s
               AND (registrant.company_id IS NULL OR registrant.company_id = %(company)s)
               AND %(low)s AND %(high)s
            """,
            is_group=self.target_type == "group",
            present=standing.present("registrant"),
            company=self.company_id.id,
            low=SQL("registrant.id > %s", low) if low is not None else SQL("TRUE"),
            high=SQL("registrant.id <= %s", high) if high is not None else SQL("TRUE"),
        )

    def _refresh_counters(self):
        """Count the members by state again, from the table."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_program AS program
                   SET beneficiaries_count = counted.members,
                       eligible_beneficiaries_count = counted.enrolled,
                       draft_count = counted.draft,
                       not_eligible_count = counted.not_eligible,
                       duplicated_count = counted.duplicated,
                       paused_count = counted.paused,
                       exited_count = counted.exited,
                       unknown_count = counted.unknown,
                       graduated_count = counted.graduated
                  FROM (
                        SELECT this.id,
                               COUNT(membership.id) AS members,
                               COUNT(*) FILTER (WHERE membership.state = 'enrolled') AS enrolled,
                               COUNT(*) FILTER (WHERE membership.state = 'draft') AS draft,
                               COUNT(*) FILTER (WHERE membership.state = 'not_eligible') AS not_eligible,
                               COUNT(*) FILTER (WHERE membership.state = 'duplicated') AS duplicated,
                               COUNT(*) FILTER (WHERE membership.state = 'paused') AS paused,
                               COUNT(*) FILTER (WHERE membership.state = 'exited') AS exited,
                               COUNT(*) FILTER (WHERE membership.eligibility_verdict = 'unknown') AS unknown,
                               COUNT(*) FILTER (WHERE membership.state = 'graduated') AS graduated
                          FROM g2p_program AS this
                          LEFT JOIN g2p_program_membership AS membership ON membership.program_id = this.id
                         WHERE this.id = ANY(%s)
                         GROUP BY this.id
                       ) AS counted
                 WHERE program.id = counted.id
                """,
                self.ids,
            )
        )
        self.invalidate_recordset()

    # Guards

    def _check_can(self, group):
        """Buttons need a role, also when they are called by RPC."""
        roles.check(self.env, group)

    def _in_use(self):
        """Those of these programs that run, or ran: of which a cycle was sent for approval, or went further. One that ended may be
        re-activated."""
        running = self.env["g2p.cycle"]._read_group(
            [("program_id", "in", self.ids), ("state", "not in", ("draft", "cancelled"))], ["program_id"]
        )
        programs = self.browse().union(*(program for [program] in running))
        return programs.filtered(lambda program: program.state != "draft")

    def _check_active(self):
        """Nothing new starts in a program that is not at work: every button that starts something asks this."""
        for program in self:
            program._check_not_paused()
            if program.state != "active" or not program.active:
                raise UserError(
                    self.env._("%s is not active: activate it, or re-activate it when it has ended.", program.name)
                )

    def _check_not_paused(self, only_held=False):
        """Refuse while paused; `only_held`: only where what is under way is held too."""
        for program in self:
            if program.state == "paused" and (not only_held or program.pause_mode == "hold"):
                raise UserError(
                    self.env._(
                        "%(program)s is paused since %(date)s: %(reason)s. Resume the program first.",
                        program=program.name,
                        date=format_datetime(self.env, program.paused_on),
                        reason=(program.pause_reason or "").rstrip("."),
                    )
                )

    def _check_has_members(self):
        if not self.have_members:
            raise UserError(
                self.env._("%s has no members yet: import the eligible registrants, or add some.", self.name)
            )

    # What comes before what, where it is no step

    def _bulk_related(self, model):
        if model == "g2p.cycle":
            return SQL("SELECT id FROM g2p_cycle WHERE program_id = %s", self.id)
        return super()._bulk_related(model)

    @api.model
    def _bulk_relies_on(self):
        return {
            **super()._bulk_relies_on(),
            "action_activate": (),
            "reactivate_program": (),
            # What runs is finished: pausing waits for nothing.
            "pause_program": (),
            "resume_program": (),
            "action_archive": ("g2p.cycle:*",),
            # Acts on single members, and what they rest on
            "edit_members": ("g2p.cycle:copy",),
            "merge_members": ("g2p.cycle:*",),
            "settings": ("g2p.cycle:prepare", "g2p.cycle:verify"),
        }

    @api.model
    def _bulk_acts(self):
        return (*super()._bulk_acts(), "edit_members", "merge_members", "settings")

    # Life cycle

    def action_pause(self):
        """Button: ask for the reason, and what becomes of the cycles under way."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
        self._require_state("active")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Pause %s", self.name),
            "res_model": "g2p.program.pause.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_program_id": self.id},
        }

    def pause_program(self, reason, mode="finish"):
        """active → paused: nothing new starts until it is resumed.

        :param reason: why, in words
        :param mode: "finish": cycles that wait for approval or payment go on; "hold": they are neither approved nor paid
        """
        self._check_can(GROUP_MANAGER)
        self.check_access("write")
        self._require_state("active")
        self._bulk_check("pause_program")
        reason = (reason or "").strip()
        if not reason:
            raise UserError(self.env._("Say why the program is paused."))
        if mode not in dict(self._fields["pause_mode"].selection):
            raise UserError(self.env._("Cycles under way are finished or held."))
        # sudo: role, access and state were checked above; the fields are protected
        self.sudo().write(
            {
                "pause_mode": mode,
                "pause_reason": reason,
                "paused_on": fields.Datetime.now(),
                "paused_by": self.env.uid,
            }
        )
        self._transition("paused", reason=reason)
        return True

    def resume_program(self):
        """paused → active: everything goes on where it stopped."""
        self._check_can(GROUP_MANAGER)
        self.check_access("write")
        self._require_state("paused")
        self._bulk_check("resume_program")
        # sudo: role, access and state were checked above; the fields are protected
        self.sudo().write({"pause_mode": False, "pause_reason": False, "paused_on": False, "paused_by": False})
        self._transition("active")
        return True

    def action_activate(self):
        """draft → active, once somebody agrees who did not set it up. Whoever did asks by this."""
        self._check_can(GROUP_MANAGER)
        self.check_access("write")
        self._require_state("draft")
        self._bulk_check("action_activate")
        # What was changed since is asked for anew.
        self._approval_recheck()
        answers = [program._approval_submit(ACTIVATION) for program in self]
        return next(filter(None, answers), True)

    def _activate_and_import(self):
        """What *Create a program* promises: active, with the eligible registrants as its members; once somebody agreed, where that
        is asked for."""
        # sudo: the field is protected; the caller may make the program
        self.sudo().import_when_active = True
        return self.action_activate()

    def end_program(self):
        """active or paused → ended: no enrolment, no new cycle; nothing is lost and the program can be re-activated."""
        self._check_can(GROUP_MANAGER)
        self.check_access("write")
        self._require_state("active", "paused")
        self._bulk_check("end_program")
        for program in self:
            unfinished = program.cycle_ids.filtered(lambda cycle: cycle.state in ("to_approve", "approved"))
            if unfinished:
                raise UserError(
                    self.env._(
                        "%(program)s can't end while a cycle waits for approval or payment: %(cycles)s. "
                        "Finish or cancel it first.",
                        program=program.name,
                        cycles=", ".join(unfinished.mapped("name")),
                    )
                )
        # sudo: role, access and state were checked above; the date is protected
        self.sudo().write(
            {
                "date_ended": fields.Date.context_today(self),
                **dict.fromkeys(("pause_mode", "pause_reason", "paused_on", "paused_by"), False),
            }
        )
        self._transition("ended")
        return True

    def reactivate_program(self):
        """ended → active."""
        self._check_can(GROUP_MANAGER)
        self.check_access("write")
        self._require_state("ended")
        self._bulk_check("reactivate_program")
        # sudo: role, access and state were checked above; the date is protected
        self.sudo().write({"date_ended": False})
        self._transition("active")
        return True

    # Approval of the activation

    def _approval_kind(self):
        return ACTIVATION

    def _approval_shown(self):
        """As it is: what was changed since it was asked for is asked for anew by the same press."""
        # sudo: a digest tells nothing of it
        return self.sudo()._approval_digest(ACTIVATION) if self.state == "draft" else ""

    def _approval_name(self, kind):
        return self.env._("Start of program %s", self.name)

    def _approval_scope(self):
        return self

    def _approval_digest(self, kind):
        """Of the program, its definition with what it gives, and each manager with its lines."""
        self.env.flush_all()
        records = [self, self.definition_id]
        for record in records:
            record.invalidate_recordset(flush=False)
        own = [
            {name: record._fields[name].convert_to_read(record[name], record, False) for name in settings(record)}
            for record in records
        ]
        gives = [
            [line.id, line.benefit_code_id.id, line.max_quantity] for line in self.benefit_code_line_ids.sorted("id")
        ]
        managers = [
            [manager._name, manager.id, manager._proposal_snapshot()]
            for of in constants.MANAGER_FIELDS
            for manager in self.get_managers(of)
        ]
        return digest.of_values([self._name, self.id, kind, own, gives, managers, *self._start_values()])

    def _start_values(self):
        """What addons add to what is agreed to with the start, as values that can be compared."""
        return []

    def _start_figures(self):
        """The same in words, as lines of figures."""
        return []

    def _approval_parts(self, kind):
        return self._change_records()

    def _approval_figures(self, kind):
        _ = self.env._

        def said(of):
            return [manager._said() or manager.display_name for manager in self.get_managers(of)]

        def chosen(record, name):
            return dict(record._fields[name]._description_selection(self.env))[record[name]]

        joint = _("or") if self.eligibility_mode == "any" else _("and")
        conditions, duplicates = said(self.MANAGER_ELIGIBILITY), said(self.MANAGER_DEDUPLICATION)
        gives = ", ".join(self.benefit_code_line_ids.benefit_code_id.mapped("display_name"))
        return [
            {"label": _("For"), "value": chosen(self.definition_id, "target_type")},
            {"label": _("Who gets it"), "value": f" {joint} ".join(conditions) or None},
            *self._start_counts(),
            *([{"label": _("Benefits"), "value": gives}] if gives else []),
            {"label": _("What each gets"), "value": "; ".join(said(self.MANAGER_ENTITLEMENT)) or None},
            *self._start_cost(),
            {"label": _("Cycles"), "value": "; ".join(said(self.MANAGER_CYCLE)) or None},
            {"label": _("Duplicates are looked for by"), "value": ", ".join(duplicates) or None},
            {"label": _("Payment"), "value": "; ".join(said(self.MANAGER_PAYMENT)) or None},
            {
                "label": self._fields["no_account_policy"]._description_string(self.env),
                "value": chosen(self, "no_account_policy"),
            },
            *self._start_figures(),
        ]

    def _start_counts(self):
        """How many it reaches, as far as who asks may see them: two counts, as in the preview of eligibility."""
        _, asker = self.env._, self.env.user
        if not self.eligibility_managers:
            return []
        lines = []
        try:
            sets = (self._eligible_registrants(), self._unknown_registrants())
        except UserError:
            # A manager that is not set up yet says so when it works.
            return []
        for label, registrants in zip((_("Match now"), _("Can't be decided: data is missing")), sets, strict=True):
            count, words = asker._g2p_told(asker._g2p_count(registrants))
            lines.append({"label": label, "value": count or words})
        return lines

    def _start_cost(self):
        """What a cycle would cost if all who match now were members; nothing where who asks sees some areas only, or where it
        can't be computed yet."""
        asker = self.env.user
        managers = [manager for manager in self.get_managers(self.MANAGER_ENTITLEMENT) if manager._charges_fund()]
        # sudo: the asker's own areas
        if not managers or not self.eligibility_managers or asker.sudo().g2p_area_ids:
            return []
        total = decimal(0)
        for manager in managers:
            try:
                manager._check_ready()
                lines = manager._entitlement_lines(self._eligible_registrants(), None, None)
            except UserError:
                return []
            [[amount]] = self.env.execute_query(
                SQL(
                    """
                    SELECT COALESCE(SUM(line.amount), 0)::text
                      FROM (%s) AS line
                     WHERE line.missing IS NULL AND line.amount > 0 AND line.fee <= line.amount
                    """,
                    lines,
                )
            )
            total += decimal(amount)
        return [{"label": self.env._("A cycle costs about"), "value": str(total), "money": self.currency_id.id}]

    def _approval_check(self, kind):
        self._require_state("draft")
        if not self.active:
            raise UserError(self.env._("%s is archived: take it out of the archive first.", self.name))

    def _approval_granted(self, request):
        self._approval_check(ACTIVATION)
        self._bulk_check("action_activate")
        self._transition("active")
        if not self.import_when_active:
            return True
        # The import commits when it starts: what was agreed to is over with it, or neither is.
        if request:
            request._end("done")
        self.import_when_active = False
        # sudo: who made the program might import when they asked for it; others agreed to the program
        maker = self.with_user(self.create_uid).sudo()
        told = maker.import_eligible_registrants("enrolled")["params"]
        # The answer of the button is about the program: what the import did stands in its history.
        summary = f"{told['title']}: {told['text']}"
        maker.message_post(body=summary)
        return False

    def _approval_refused(self, request):
        # What was changed is asked for again, and what was chosen is done then.
        if request.state != "void":
            self.import_when_active = False

    # Settings of its own that change by proposals while it runs; its managers have theirs

    @api.model
    def _proposal_kinds(self):
        """{field: the kind of approval of its change}: plug-ins add theirs."""
        return {
            "eligibility_mode": "program_rules",
            "no_account_policy": "program_payment",
            "benefit_code_line_ids": "program_amounts",
        }

    def _proposal_terms(self):
        return list(self._proposal_kinds())

    def _proposal_kind_of(self, names):
        """The strictest of those that are changed at once: how people are paid, then how much."""
        kinds = {self._proposal_kinds()[name] for name in names}
        return next((kind for kind in ("program_payment", "program_amounts") if kind in kinds), self._proposal_kind)

    def _proposal_asks(self):
        """Which kinds the company does without is asked of the fields that change."""
        return self.browse() if self.env.su else self.filtered(lambda program: not program._proposal_is_open())

    def _proposal_is_open(self):
        """A payment manager shows and sets how its program pays those without an account: what is agreed to there holds here."""
        changed = Pass.of(self.env)
        return super()._proposal_is_open() or (
            changed is not None
            and {"no_account_policy", "program_id"} <= changed._fields.keys()
            and changed.program_id == self._origin
        )

    def _proposal_differs(self, vals):
        kinds = self.env["g2p.approval.kind"]
        # sudo: the company of it, compared
        company = self.sudo().company_id
        return [
            name
            for name in super()._proposal_differs(vals)
            if not kinds._of(self._proposal_kinds()[name])._is_off(company)
        ]

    def _proposal_in_use(self):
        return self._in_use()

    def _proposal_scope(self):
        return self

    @api.depends_context("uid", "allowed_company_ids", "lang")
    def _compute_proposal_text(self):
        result = super()._compute_proposal_text()
        # It is ended or archived: its history keeps it.
        self.proposal_can_remove = False
        return result

    def _proposals_waiting(self):
        """Also those about its managers: the page of the program says so."""
        found = super()._proposals_waiting()
        for proposals, programs in self._of_managers([("state", "=", "proposed")]):
            for proposal in proposals:
                program_id = programs[proposal.res_id]
                found[program_id] = found.get(program_id, proposals.browse()) | proposal
        return found

    def _proposal_domain(self):
        managers = Domain.OR(Domain("id", "in", proposals.ids) for proposals, _programs in self._of_managers([]))
        return list(Domain(super()._proposal_domain()) | managers)

    def _of_managers(self, domain):
        """[(proposals about managers of one type of these programs, {id of the manager: id of its program})]"""
        proposals = self.env["g2p.approval.proposal"]
        told = []
        for [name] in proposals._read_group(domain, ["res_model"]):
            if name not in self.env or not isinstance(self.env[name], self.env.registry["g2p.manager.source.mixin"]):
                continue
            managers = self.env[name].search([("program_id", "in", self.ids)])
            programs = {manager.id: manager.program_id.id for manager in managers}
            told.append(
                (proposals.search([*domain, ("res_model", "=", name), ("res_id", "in", managers.ids)]), programs)
            )
        return told

    def _unlink_except_proposed(self):
        """Nothing is proposed: see `_unlink_except_used`."""

    # Buttons of steps

    def import_eligible_registrants(self, state="enrolled"):
        """Make every eligible registrant who is not a member yet one, in the given state ("enrolled" or "draft")."""
        if state not in ("draft", "enrolled"):
            raise UserError(self.env._("Registrants are imported as draft or as enrolled members."))
        return self._press("import_eligible", {"state": state})

    def enroll_eligible_registrants(self):
        """Candidates (draft, not eligible, enrolled) become enrolled or not eligible.
        Exited, paused and duplicated members stay as they are."""
        return self._press("enroll", {"states": list(ENROLLMENT_CANDIDATES)})

    def verify_eligibility(self):
        """Enrolled members who no longer match become not eligible, and the other way round; drafts stay."""
        return self._press("verify", {"states": ["enrolled", "not_eligible"]})

    def deduplicate_beneficiaries(self):
        """Find the sets of duplicates among the members, keep one of each set and mark the others."""
        return self._press("deduplicate", chunk_size=ONE_CHUNK)

    def action_auto_enrol(self):
        """Button: do not wait for the schedule."""
        return self._press("auto_enrol")

    def create_new_cycle(self):
        """The next cycle, with the enrolled members in it when the program manager says so."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
        self.check_access("write")
        self._check_active()
        self._bulk_check("create_new_cycle")
        if not self.eligible_beneficiaries_count:
            raise UserError(self.env._("%s has no enrolled members: enrol the eligible ones first.", self.name))
        manager = self.get_manager(self.MANAGER_PROGRAM)
        cycle = manager.new_cycle()
        action = {
            "type": "ir.actions.act_window",
            "res_model": "g2p.cycle",
            "res_id": cycle.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }
        if manager.copy_last_cycle_on_new_cycle:
            cycle.copy_beneficiaries_from_program()
        return action

    # What OpenG2P's clients call

    def toggle_active(self):
        """Archive the active ones, take the others out of the archive; XML-RPC can't carry Odoo's own answer, nothing."""
        archived = self.filtered(lambda program: not program.active)
        (self - archived).action_archive()
        archived.action_unarchive()
        return True

    @api.readonly
    def get_beneficiaries(self, state=None, offset=0, limit=None, order=None, count=False):
        """The members of this program whom the user may see.

        :param state: a state, a list of them, or None for all
        :param limit: None means the first 10,000: whoever wants more pages through them
        :return: memberships (ids over RPC); their number with `count`
        """
        self.ensure_one()
        domain = [("program_id", "=", self.id)]
        if state:
            domain.append(("state", "in", [state] if isinstance(state, str) else list(state)))
        members = self.env["g2p.program_membership"]
        if count:
            return members.search_count(domain)
        return members.search(domain, offset=offset, limit=min(limit or MOST_AT_ONCE, MOST_AT_ONCE), order=order)

    def notify_eligible_beneficiaries(self):
        """Refused with a sentence while nothing is installed that could tell anybody."""
        self.ensure_one()
        self._check_can(GROUP_VALIDATOR)
        self._check_active()
        raise UserError(
            self.env._(
                "Nobody is told: %s has no notification manager, and no module that brings one is installed.", self.name
            )
        )

    # Duplicates

    def _bulk_notification(self, operation):
        action = super()._bulk_notification(operation)
        if operation.step == "deduplicate" and operation.state == "done":
            action["params"]["text"] = self._bulk_step("deduplicate")._in_words(operation)
            action["params"]["message"] = action["params"]["text"].replace("%", "%%") + " %s"
        return action

    def _survivor_order(self):
        """:return SQL: an ORDER BY over `member`, see `_survivor_source`: of each set the first one stays."""
        duplicates = self.env["g2p.program.membership.duplicate"]
        return SQL(
            """
            %s
            CASE member.state WHEN 'enrolled' THEN 0 WHEN 'paused' THEN 1 WHEN 'draft' THEN 2 ELSE 3 END,
            member.enrollment_date NULLS LAST, member.id
            """,
            SQL("%s DESC,", duplicates._completeness()) if self.survivor_policy == "complete" else SQL(),
        )

    # Registrants who are registered from now on

    def _last_auto_enrol(self):
        # sudo: the program's own operation
        return (
            self.env["g2p.bulk.operation"]
            .sudo()
            .search(
                [("res_model", "=", self._name), ("res_id", "=", self.id), ("step", "=", "auto_enrol")],
                order="id DESC",
                limit=1,
            )
        )

    def _condition_fields(self):
        return {**super()._condition_fields(), "auto_enrol_domain": "res.partner"}

    @api.model
    def _cron_auto_enrol(self):
        """Enrol who was noted, program by program. One that fails keeps its notes, says why on its form, and waits for
        somebody to resume or cancel it; the others go on."""
        waiting = self.browse(
            row[0]
            for row in self.env.execute_query(
                SQL(
                    """
                    SELECT program.id
                      FROM g2p_program AS program
                     WHERE program.state = 'active' AND program.active AND program.auto_enrol
                       AND EXISTS (SELECT FROM g2p_auto_enrol_queue AS noted WHERE noted.program_id = program.id)
                     ORDER BY program.id
                    """
                )
            )
        )
        for program in waiting:
            if program._last_auto_enrol().state in ("pending", "running", "failed") or program._bulk_refusal(
                "auto_enrol"
            ):
                continue
            try:
                program._bulk_start("auto_enrol")
            except Exception:  # one program's trouble is not the others'
                _logger.exception("New registrants could not be enrolled into program %s", program.id)

    @api.model
    def _auto_enrol_soon(self):
        """Called where registrants are registered: have the noted ones enrolled once this transaction is saved."""
        # sudo: whoever registers somebody makes the schedule look; it decides nothing for them
        if self.sudo().search_count([("auto_enrol", "=", True), ("state", "=", "active")], limit=1):
            self.env.ref(AUTO_ENROL_CRON).sudo()._trigger()

    # What the form says

    @api.depends("state", "beneficiaries_count", "eligible_beneficiaries_count", "draft_count", "open_cycle_id.state")
    def _compute_next_step(self):
        return super()._compute_next_step()

    def _next_step(self):
        """One sentence for the person who opens the program. First comes what is unfinished."""
        _ = self.env._
        # sudo: what is unfinished is told to whoever may read the program
        if unfinished := self.env["g2p.bulk.operation"].sudo()._unfinished([(self._name, self.ids, None, OPEN_STATES)]):
            return unfinished[-1]._why_wait()
        if self.state == "ended":
            return _("This program has ended. Re-activate it to change anything.")
        if self.state == "paused":
            if self.pause_mode == "hold":
                return _("This program is paused: nothing starts, and nothing is approved or paid. Resume it to go on.")
            return _("This program is paused: nothing new starts, cycles under way are finished. Resume it to go on.")
        # sudo: for whom it waits is told to whoever may read the program
        if self.state == "draft" and (waiting := self._approval_open(ACTIVATION).sudo()):
            if waiting.is_changed:
                return roles.for_role(
                    self.env,
                    _("The program was changed since somebody was asked to agree to it: press Activate to ask again."),
                    GROUP_MANAGER,
                )
            return _(
                "The program starts when somebody else agrees, who did not set it up: %s.", waiting.waits_for or ""
            )
        if self.state == "draft":
            return roles.for_role(self.env, _("Activate the program to enrol people."), constants.GROUP_MANAGER)
        if not self.beneficiaries_count:
            return roles.for_role(
                self.env,
                _("Import the registrants who are eligible, or add some from the registry."),
                constants.GROUP_VALIDATOR,
            )
        if not self.eligible_beneficiaries_count:
            return roles.for_role(self.env, _("Enrol the eligible members."), constants.GROUP_VALIDATOR)
        if not self.open_cycle_id:
            return roles.for_role(
                self.env, _("Create a new cycle to pay the enrolled members."), constants.GROUP_MANAGER
            )
        return self.open_cycle_id.next_step

    def _told(self):
        """What questions tell of the program, in words."""
        members = self.beneficiaries_count - self.exited_count - self.graduated_count - self.not_eligible_count
        return {
            "program": self.name,
            "members": self._number(members),
            "enrolled": self._number(self.eligible_beneficiaries_count),
            "draft": self._number(self.draft_count),
            "not_eligible": self._number(self.not_eligible_count),
        }

    def _waiting_duplicates_text(self):
        """What the user should know before members are paid: sets of duplicates of whom several can be paid, else who was
        taken out and why."""
        _ = self.env._
        self.env.flush_all()
        [[waiting, taken_out, reasons]] = self.env.execute_query(
            SQL(
                """
                WITH found AS (
                    SELECT record.id, record.reason,
                           COUNT(*) FILTER (WHERE membership.state = 'enrolled') AS enrolled,
                           COUNT(*) FILTER (WHERE membership.state = 'duplicated') AS taken_out
                      FROM g2p_program_membership_duplicate AS record
                      JOIN g2p_program_membership_duplicate_rel AS link ON link.duplicate_id = record.id
                      JOIN g2p_program_membership AS membership ON membership.id = link.membership_id
                     WHERE record.program_id = %s AND record.state = 'duplicate'
                     GROUP BY record.id
                )
                SELECT COUNT(*) FILTER (WHERE enrolled > 1),
                       (SELECT COUNT(*) FROM g2p_program_membership WHERE program_id = %s AND state = 'duplicated'),
                       STRING_AGG(DISTINCT reason, '; ') FILTER (WHERE enrolled < 2 AND taken_out > 0)
                  FROM found
                """,
                self.id,
                self.id,
            )
        )
        told = {"count": self._number(waiting), "program": self.name}
        if waiting == 1:
            return _(
                "1 set of duplicates of %(program)s waits for a decision (stat button Duplicates): until then those of its "
                "members who are enrolled stay in, and may be paid twice.",
                **told,
            )
        if waiting:
            return _(
                "%(count)s sets of duplicates of %(program)s wait for a decision (stat button Duplicates): until then those of "
                "their members who are enrolled stay in, and may be paid twice.",
                **told,
            )
        if not reasons:
            return ""
        if taken_out == 1:
            return _("1 duplicate was taken out: %s.", reasons)
        return _("%(count)s duplicates were taken out: %(reasons)s.", count=self._number(taken_out), reasons=reasons)

    def _number(self, value):
        return formatLang(self.env, value, digits=0)

    # Links

    def open_eligible_beneficiaries_form(self):
        """Stat button: the members, enrolled first."""
        return self._open(
            "g2p.program_membership",
            self.env._("Beneficiaries of %s", self.name),
            {"search_default_enrolled": 1, "default_program_id": self.id},
        )

    def open_duplicate_membership_form(self):
        """Stat button: sets of duplicates."""
        return self._open(
            "g2p.program.membership.duplicate",
            self.env._("Duplicates of %s", self.name),
            {"search_default_open": 1, "default_program_id": self.id},
        )

    def open_cycles_form(self):
        """Stat button: the cycles."""
        return self._open("g2p.cycle", self.env._("Cycles of %s", self.name), {"default_program_id": self.id})

    def action_open_members(self):
        """Link of a count: the members in the state that the context names."""
        state = self.env.context.get("members_state")
        if state not in dict(self.env["g2p.program_membership"]._fields["state"].selection):
            raise UserError(self.env._("There is no such list of members."))
        return self._open(
            "g2p.program_membership",
            self.env._("Beneficiaries of %s", self.name),
            {f"search_default_{state}": 1, "default_program_id": self.id},
        )

    def action_open_funds(self):
        """Stat button: deposits and withdrawals of the program."""
        return self._open("g2p.program.fund", self.env._("Funds of %s", self.name), {"default_program_id": self.id})

    def action_open_current_cycle(self):
        """Link: the cycle that is not over yet."""
        self.ensure_one()
        if not self.open_cycle_id:
            raise UserError(self.env._("%s has no open cycle.", self.name))
        return {
            "type": "ir.actions.act_window",
            "res_model": "g2p.cycle",
            "res_id": self.open_cycle_id.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def action_duplicate_program(self):
        """Action menu: run the same definition again, as a draft program with managers of its own."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
        copied = self.copy()
        return {
            "type": "ir.actions.act_window",
            "name": copied.name,
            "res_model": self._name,
            "res_id": copied.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def action_preview_eligibility(self):
        """Button: count who is eligible, who is not and why, and who lacks data, by today's registry."""
        self.ensure_one()
        self._check_can(GROUP_VALIDATOR)
        self.check_access("read")
        # sudo: role and access were checked above; a preview is counts, and belongs to who asked for it
        preview = self.env["g2p.eligibility.preview"].sudo().create({"program_id": self.id})
        preview._count()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Preview of eligibility: %s", self.name),
            "res_model": preview._name,
            "res_id": preview.id,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
        }

    def _open(self, model, name, context=None):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": model,
            "view_mode": "list,form",
            "views": [(False, "list"), (False, "form")],
            "domain": [("program_id", "=", self.id)],
            "context": context or {},
        }
