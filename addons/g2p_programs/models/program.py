from collections import defaultdict

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

from odoo.addons.g2p_bulk.models.bulk_operation import OPEN_STATES

from ..tools import constants
from ..tools.roles import for_role


class Program(models.Model):
    """A program at work: its definition (what, for whom), its managers (how), its members and cycles."""

    _name = "g2p.program"
    _description = "Program"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "g2p.state.mixin",
        "g2p.bulk.mixin",
        "g2p.counters.mixin",
        "g2p.change.mixin",
    ]
    _inherits = {"g2p.program.definition": "definition_id"}
    _order = "id desc"
    _check_company_auto = True

    MANAGER_ELIGIBILITY = constants.MANAGER_ELIGIBILITY
    MANAGER_CYCLE = constants.MANAGER_CYCLE
    MANAGER_PROGRAM = constants.MANAGER_PROGRAM
    MANAGER_ENTITLEMENT = constants.MANAGER_ENTITLEMENT
    MANAGER_DEDUPLICATION = constants.MANAGER_DEDUPLICATION
    MANAGER_NOTIFICATION = constants.MANAGER_NOTIFICATION
    MANAGER_PAYMENT = constants.MANAGER_PAYMENT

    _protected_fields = (
        "state",
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
    next_step = fields.Char(compute="_compute_next_step", help="What to do next, in a sentence.")

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

    @api.depends("state", "beneficiaries_count", "eligible_beneficiaries_count", "draft_count", "open_cycle_id.state")
    @api.depends_context("uid")
    def _compute_next_step(self):
        for program in self:
            program.next_step = program._next_step()

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
        if self.state == "draft":
            return for_role(self.env, _("Activate the program to enrol people."), constants.GROUP_MANAGER)
        if not self.beneficiaries_count:
            return for_role(
                self.env,
                _("Import the registrants who are eligible, or add some from the registry."),
                constants.GROUP_VALIDATOR,
            )
        if not self.eligible_beneficiaries_count:
            return for_role(self.env, _("Enrol the eligible members."), constants.GROUP_VALIDATOR)
        if not self.open_cycle_id:
            return for_role(self.env, _("Create a new cycle to pay the enrolled members."), constants.GROUP_MANAGER)
        return self.open_cycle_id.next_step

    # Constraints

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

    # CRUD

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
        return super().write(vals)

    def _check_how_it_is_paid_stays(self):
        """How people without an account are paid is part of what is approved: who prepares does not change it afterwards. An
        administrator may, for those who could not be paid otherwise; it is on record."""
        if self.env.user.has_group(constants.GROUP_ADMIN):
            return
        # sudo: a cycle counts whether or not the user may see it; only the refusal is shown
        under_way = self.sudo().cycle_ids.filtered(lambda cycle: cycle.state in ("to_approve", "approved"))
        if under_way:
            raise UserError(
                self.env._(
                    "%(cycle)s is under way: how people without an account are paid stays until it is distributed, or an "
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

    # Managers

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

    # Sets

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
        return Domain(
            [
                ("is_registrant", "=", True),
                ("is_group", "=", self.target_type == "group"),
                ("active", "=", True),
                ("disabled", "=", False),
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
               AND registrant.active
               AND registrant.disabled IS NULL
               AND (registrant.company_id IS NULL OR registrant.company_id = %(company)s)
               AND %(low)s AND %(high)s
            """,
            is_group=self.target_type == "group",
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
