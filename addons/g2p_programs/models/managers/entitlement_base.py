"""Entitlement managers answer: what is due to whom, and why? Their answer is a query; the step inserts its rows."""

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from odoo.addons.g2p_registry_base.tools import standing

from ...tools.constants import GROUP_MANAGER
from ...tools.money import decimal, round_sql
from ..benefit_codes import CASH_TYPES

# Who approves, and whom the money reaches when it is short.
APPROVAL_TERMS = ("entitlement_validation_group_id", "shortage_policy", "priority_order", "priority_figure")


class EntitlementManager(models.Model):
    _name = "g2p.program.entitlement.manager"
    _description = "Entitlement manager reference"
    _inherit = "g2p.manager.mixin"

    @api.model
    def _selection_manager_ref_id(self):
        return [
            *super()._selection_manager_ref_id(),
            ("g2p.program.entitlement.manager.default", self.env._("Default")),
        ]


class BaseEntitlementManager(models.AbstractModel):
    """Contract of the kind. A type overrides `_entitlement_lines`; the terms of fee, cap and approval are here."""

    _name = "g2p.base.program.entitlement.manager"
    _description = "Entitlement manager"
    _inherit = ["g2p.manager.source.mixin", "g2p.figure.mixin"]
    _manager_reference = "g2p.program.entitlement.manager"
    _proposal_kind = "program_amounts"
    _approval_fields = ("entitlement_validation_group_id",)

    _one_fee = models.Constraint(
        "CHECK (COALESCE(transfer_fee_pct, 0) = 0 OR COALESCE(transfer_fee_amt, 0) = 0)",
        "Give the transfer fee as a percentage or as an amount, not both.",
    )
    _fee_range = models.Constraint(
        "CHECK (COALESCE(transfer_fee_pct, 0) BETWEEN 0 AND 100 AND COALESCE(transfer_fee_amt, 0) >= 0)",
        "A transfer fee is not negative, and not more than 100 %.",
    )
    _validity = models.Constraint("CHECK (validity_days >= 0)", "The days of validity can't be negative.")

    # How what this type gives is settled: one of `g2p.entitlement._settlements()`.
    _settlement = "payment"

    currency_id = fields.Many2one(related="program_id.currency_id")
    entitlement_validation_group_id = fields.Many2one(
        "res.groups",
        string="Entitlement validation group",
        default=lambda self: self.env.ref("g2p_programs.g2p_finance_validator", raise_if_not_found=False),
        help="Whose members approve entitlements. Who prepared them can't approve them.",
    )
    shortage_policy = fields.Selection(
        [("all", "Approve all or nothing"), ("priority", "Approve in order of priority, as far as the money goes")],
        string="When the fund is short",
        required=True,
        default="all",
    )
    priority_order = fields.Selection(
        [
            ("enrollment_date", "Longest enrolled first"),
            ("amount_asc", "Smallest amount first"),
            ("amount_desc", "Largest amount first"),
            ("household_desc", "Largest household first"),
            ("household_asc", "Smallest household first"),
            ("figure_desc", "Largest number of … first"),
            ("figure_asc", "Smallest number of … first"),
        ],
        string="Priority",
        required=True,
        default="enrollment_date",
    )
    priority_figure = fields.Selection(
        selection="_selection_figure",
        string="Number",
        help="Who comes first, by this; those of whom it is not known come last.",
    )
    transfer_fee_pct = fields.Float("Transfer fee (%)", digits=(5, 2), help="Part of the amount.")
    transfer_fee_amt = fields.Monetary("Transfer fee", help="Part of the amount.")
    benefit_code_id = fields.Many2one(
        "g2p.benefit.codes",
        "Benefit code",
        domain="[('id', 'in', cash_benefit_code_ids)]",
        ondelete="restrict",
        help="Which of the program's cash benefits this is. Empty: the first of them.",
    )
    cash_benefit_code_ids = fields.Many2many("g2p.benefit.codes", compute="_compute_cash_benefit_code_ids")
    id_type_id = fields.Many2one(
        "g2p.id.type",
        "ID type",
        help="The ID by which the beneficiary is known where the money is handed out: shown with the entitlement, to those "
        "who may read IDs.",
    )
    validity_days = fields.Integer(
        "Days of validity after the cycle",
        default=365,
        help="So many days after the end of the cycle the money can still be paid; then the entitlement expires.",
    )

    def write(self, vals):
        for manager in self:
            manager._change_of_approval(
                {
                    name: vals[name]
                    for name in APPROVAL_TERMS
                    if name in vals and vals[name] != self._fields[name].convert_to_write(manager[name], manager)
                }
            )
        return super().write(vals)

    def _change_of_approval(self, changes):
        """Who approves is settled before there is anything to approve; any change, also of what happens when the fund
        is short, is noted on the program."""
        if not changes:
            return
        # sudo: a cycle counts whether or not the user may see it, and the note is written for whoever may write here
        program = self.sudo().program_id
        waiting = program.cycle_ids.filtered(
            lambda cycle: cycle.state == "to_approve" or (cycle.state == "approved" and cycle.pending_count)
        )
        if waiting and "entitlement_validation_group_id" in changes:
            raise UserError(
                self.env._(
                    "Entitlements of %s wait for approval: who approves them can be changed when none do.",
                    waiting[0].display_name,
                )
            )
        after = self.new(changes, origin=self)
        for name in changes:
            field = self._fields[name]
            program.message_post(
                body=self.env._(
                    "%(manager)s: “%(setting)s” was changed from “%(old)s” to “%(new)s”.",
                    manager=self.display_name,
                    setting=field._description_string(self.env),
                    old=field.convert_to_export(self.sudo()[name], self) or "",
                    new=field.convert_to_export(after.sudo()[name], self) or "",
                ),
                author_id=self.env.user.partner_id.id,
            )

    @api.onchange("transfer_fee_pct")
    def _onchange_transfer_fee_pct(self):
        if self.transfer_fee_pct:
            self.transfer_fee_amt = 0

    @api.onchange("transfer_fee_amt")
    def _onchange_transfer_fee_amt(self):
        if self.transfer_fee_amt:
            self.transfer_fee_pct = 0

    def _check_fits_target(self):
        """Refuse settings that mean nothing for whom the program is; extended by types that have such."""

    def _check_ready(self):
        """Refuse to prepare what would be nothing for everybody, or what nobody can compute; extended by each type."""
        for name in self._figure_fields():
            self._figure(name)

    @api.depends("program_id.benefit_code_line_ids.benefit_code_id")
    def _compute_cash_benefit_code_ids(self):
        for manager in self:
            manager.cash_benefit_code_ids = manager._benefit_lines().benefit_code_id

    # The contract

    def _entitlement_lines(self, members, low, high):
        """What is due in one cycle to a set of registrants.

        :param SQL members: a query with one column `registrant_id`: the set, within `low < registrant id <= high`.
        :return SQL: columns `registrant_id`, `benefit_code_id` (may be NULL), `item_id` (0: no item),
            `amount` and `fee` (numeric, in the program's currency, rounded; the fee is a part of the amount) and
            of a type whose `_settlement` charges no fund, `amount` is a quantity of the benefit code and `fee` 0,
            `computation` (jsonb: the terms the amount comes from, see `AmountWords`) and `missing` (text: which data
            the amount can't be told without, or NULL). A line whose amount is 0 or less, or whose data is missing, is
            left out, and the reason is told.
        """
        raise NotImplementedError  # pragma: no cover - abstract contract

    # Terms shared by the types

    def _members(self, cycle, low, high):
        """The cycle's enrolled members: column `registrant_id`."""
        return SQL(
            """
            SELECT membership.partner_id AS registrant_id
              FROM g2p_cycle_membership AS membership
             WHERE membership.cycle_id = %s AND membership.state = 'enrolled' AND %s
            """,
            cycle.id,
            cycle.program_id._range_sql("membership", low, high),
        )

    @api.model
    def _registrant_range(self, low, high):
        """A condition on `registrant.id`, said of the registrants too, so that no more of them are read than a chunk has."""
        return SQL(
            "%s AND %s",
            SQL("registrant.id > %s", low) if low is not None else SQL("TRUE"),
            SQL("registrant.id <= %s", high) if high is not None else SQL("TRUE"),
        )

    def _household_sizes(self, members):
        """Columns `registrant_id`, `members`: how many people live in each group now.

        A person with two roles counts once; who has left, and who is disabled or archived, doesn't.
        """
        return SQL(
            """
            SELECT member.registrant_id, COUNT(DISTINCT link.individual) AS members
              FROM (%(members)s) AS member
              JOIN g2p_group_membership AS link ON link."group" = member.registrant_id
              JOIN res_partner AS person ON person.id = link.individual
             WHERE (link.ended_date IS NULL OR link.ended_date > %(now)s)
               AND %(present)s
             GROUP BY member.registrant_id
            """,
            members=members,
            now=fields.Datetime.now(),
            present=standing.present("person"),
        )

    def _charges_fund(self):
        """Whether this type gives money of the fund."""
        return self._settlement in self.env["g2p.entitlement"]._charged_settlements()

    def _benefit_lines(self):
        """The program's benefits that this type can give, cash or anything else, in the order of its list."""
        lines, cash = self.program_id.benefit_code_line_ids.sorted("id"), self._charges_fund()
        return lines.filtered(lambda line: (line.benefit_code_id.benefit_type in CASH_TYPES) == cash)

    def _benefit_code(self):
        """The code that this manager gives: the one that was chosen, else the first benefit that it can give; may be empty."""
        return self.benefit_code_id or self._benefit_lines()[:1].benefit_code_id

    def _chosen_benefit_codes(self):
        """The codes that the settings name."""
        return self.benefit_code_id

    def _given_benefit_codes(self):
        """The codes of all that it gives. By them the managers of a program know whose an entitlement is."""
        return self._chosen_benefit_codes() | self._benefit_code()

    @api.model
    def _check_apart(self, managers):
        """Refuse managers of one program that give the same benefit: what one of them gives would be taken for the other's.

        :param managers: a list, of several models
        """
        known = {}
        for manager in managers if len(managers) > 1 else ():
            if not manager._given_benefit_codes():
                raise UserError(
                    self.env._(
                        "%(program)s has several entitlement managers, and “%(manager)s” doesn't say which benefit it gives: choose "
                        "its benefit code.",
                        program=manager.program_id.name,
                        manager=manager.display_name,
                    )
                )
            for code in manager._given_benefit_codes():
                if code in known:
                    raise UserError(
                        self.env._(
                            "“%(one)s” and “%(other)s” of %(program)s both give %(code)s: choose another benefit code for one of "
                            "them.",
                            one=known[code].display_name,
                            other=manager.display_name,
                            program=manager.program_id.name,
                            code=code.benefit_mnemonic,
                        )
                    )
                known[code] = manager

    @api.constrains("program_id", "benefit_code_id")
    def _check_benefit_code(self):
        for manager in self:
            foreign = manager._chosen_benefit_codes() - manager._benefit_lines().benefit_code_id
            if foreign:
                raise ValidationError(
                    self.env._(
                        "%(code)s is none of the cash benefits of %(program)s: add it under Benefits on its Definition first.",
                        code=foreign[0].benefit_mnemonic,
                        program=manager.program_id.name,
                    )
                )

    def _priced_lines(self, raw):
        """Cap, round, and take the fee out of raw amounts.

        :param SQL raw: columns `registrant_id`, `benefit_code_id` (may be NULL), `item_id`, `amount` (numeric), `terms`
            (jsonb), `cap` (numeric or NULL), `missing` (text or NULL).
        :return SQL: the columns of `_entitlement_lines`.
        """
        # Of a cycle that is short on purpose the days' part, multiplied first: the division is rounded once, to money.
        days, full_days = self.env.context.get("g2p_part_of_period") or (0, 0)
        part = SQL("NULL::jsonb")
        due = SQL("LEAST(raw.amount, raw.cap, raw.maximum)")
        bounded = SQL("raw.amount > LEAST(raw.cap, raw.maximum)")
        if days:
            due = SQL("%s * %s::numeric / %s::numeric", due, days, full_days)
            part = SQL("jsonb_build_object('days', %s::integer, 'full_days', %s::integer)", days, full_days)
        lines = self._benefit_lines()
        # Each code has a maximum and places of its own.
        maximum, amount = SQL("NULL::numeric"), self.env["g2p.benefit.codes"]._rounded(self.currency_id, due, bounded)
        if lines:
            maximum = SQL(
                "CASE raw.benefit_code_id %s END",
                SQL(" ").join(
                    SQL("WHEN %s THEN %s::numeric", line.benefit_code_id.id, decimal(line.max_quantity) or None)
                    for line in lines
                ),
            )
            amount = SQL(
                "CASE raw.benefit_code_id %s ELSE %s END",
                SQL(" ").join(
                    SQL(
                        "WHEN %s THEN %s",
                        line.benefit_code_id.id,
                        line.benefit_code_id._rounded(self.currency_id, due, bounded),
                    )
                    for line in lines
                ),
                amount,
            )
        if self.transfer_fee_pct:
            fee = round_sql(self.currency_id, SQL("due.amount * %s / 100", decimal(self.transfer_fee_pct)))
            fee_terms = SQL(
                "jsonb_build_object('fee_pct', %s::numeric, 'fee', priced.fee)", decimal(self.transfer_fee_pct)
            )
        else:
            fee = SQL("%s::numeric", decimal(self.transfer_fee_amt))
            fee_terms = SQL("jsonb_build_object('fee', priced.fee)")
        return SQL(
            """
            SELECT priced.registrant_id, priced.benefit_code_id, priced.item_id, priced.amount, priced.fee,
                   jsonb_strip_nulls(priced.terms || jsonb_build_object('cap', priced.cap, 'max_quantity', priced.maximum,
                                                                       'part_of_period', %(part)s))
                   || CASE WHEN priced.fee > 0 THEN %(fee_terms)s ELSE '{}'::jsonb END AS computation,
                   priced.missing
              FROM (
                    SELECT due.*, %(fee)s AS fee
                      FROM (
                            SELECT raw.registrant_id, raw.benefit_code_id, raw.item_id, raw.terms, raw.cap, raw.maximum,
                                   raw.missing, CASE WHEN raw.missing IS NULL THEN %(amount)s END AS amount
                              FROM (SELECT raw.*, %(maximum)s AS maximum FROM (%(raw)s) AS raw) AS raw
                           ) AS due
                   ) AS priced
            """,
            part=part,
            fee_terms=fee_terms,
            fee=fee,
            amount=amount,
            maximum=maximum,
            raw=raw,
        )

    # Preparation

    def _reasons_of_none(self):
        """{outcome of Prepare entitlements: what the reason of a beneficiary without an entitlement begins with}."""
        return {
            "no_amount": self.env._("Nothing is due"),
            "data_missing": self.env._("Data missing: "),
            "fee_too_high": self.env._("The fee is higher than the amount"),
            "disabled": self.env._("Disabled or archived since the list was made"),
        }

    def _own_lines(self, cycle, low, high, others):
        """The lines of one manager for the members who have nothing of it in the cycle, with how and until when they are settled.

        :param others: the benefit codes of the program's other managers; what is of none of them counts as this one's
        """
        self.ensure_one()
        return SQL(
            """
            SELECT line.registrant_id, line.benefit_code_id, line.item_id, line.amount, line.fee, line.computation, line.missing,
                   %(charged)s AS charged, %(settlement)s::varchar AS settlement, %(valid_until)s::date AS valid_until
              FROM (%(lines)s) AS line
             WHERE line.registrant_id NOT IN (SELECT known.partner_id FROM known WHERE %(own)s)
            """,
            charged=self._charges_fund(),
            settlement=self._settlement,
            valid_until=fields.Date.add(cycle.end_date, days=self.validity_days),
            lines=self.with_context(g2p_part_of_period=cycle._part_of_period())._entitlement_lines(
                self._members(cycle, low, high), low, high
            ),
            own=SQL("known.benefit_code_id IS NULL OR known.benefit_code_id <> ALL(%s)", others.ids)
            if others
            else SQL("TRUE"),
        )

    @api.model
    def _prepare_chunk(self, managers, cycle, low, high, operation):
        """Insert the draft entitlements of one range of registrants, by all managers of the program, in one statement.

        Members keep what they have in the cycle of a manager, unless it is cancelled. Members for whom nothing is due, and
        those whose data is missing for one of their lines, keep the reason and the terms on their cycle membership; of
        whom data is missing nothing is prepared, by any manager.

        :param managers: a list, of several models, in order
        :return: {outcome: members}
        """
        entitlement = self.env["g2p.entitlement"]
        codes = {manager: manager._given_benefit_codes() for manager in managers}
        none = self.env["g2p.benefit.codes"]
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH known AS MATERIALIZED (
                    -- Of this range only: asked as EXISTS, the entitlements of all cycles are read for each chunk.
                    SELECT known.partner_id, known.benefit_code_id FROM g2p_entitlement AS known
                     WHERE known.cycle_id = %(cycle)s AND known.partner_id > %(low)s AND known.partner_id <= %(high)s
                       -- What was added by hand is beside what the rule gives.
                       AND known.state <> 'cancelled' AND known.is_manual IS NOT TRUE
                ), member AS MATERIALIZED (
                    SELECT membership.id, membership.partner_id, membership.reason, membership.computation,
                           %(gone)s AS disabled,
                           membership.partner_id IN (SELECT known.partner_id FROM known) AS already
                      FROM g2p_cycle_membership AS membership
                      JOIN res_partner AS registrant
                        ON registrant.id = membership.partner_id AND registrant.id > %(low)s AND registrant.id <= %(high)s
                     WHERE membership.cycle_id = %(cycle)s AND membership.state = 'enrolled' AND %(range)s
                       AND EXISTS (SELECT FROM g2p_cycle WHERE id = %(cycle)s AND state = 'draft')
                ), line AS MATERIALIZED (
                    SELECT line.*,
                           COALESCE(line.amount > 0 AND line.fee <= line.amount, FALSE)
                           AND bool_and(line.missing IS NULL) OVER (PARTITION BY line.registrant_id) AS payable
                      FROM (%(lines)s) AS line
                      JOIN member ON member.partner_id = line.registrant_id
                     WHERE NOT member.disabled
                ), inserted AS (
                    INSERT INTO g2p_entitlement
                           (partner_id, cycle_id, program_id, benefit_code_id, item_id, code, state,
                            settlement, is_cash_entitlement, currency_id, initial_amount, quantity, transfer_fee, computation,
                            valid_from, valid_until, create_uid, write_uid, create_date, write_date)
                    SELECT line.registrant_id, %(cycle)s, %(program)s, line.benefit_code_id, line.item_id,
                           gen_random_uuid(), 'draft', line.settlement, line.settlement = 'payment', %(currency)s,
                           CASE WHEN line.charged THEN line.amount ELSE 0 END,
                           CASE WHEN NOT line.charged THEN line.amount END, line.fee, line.computation,
                           %(valid_from)s, line.valid_until, %(uid)s, %(uid)s, %(now)s, %(now)s
                      FROM line
                     WHERE line.payable
                     ORDER BY line.registrant_id, line.item_id, line.benefit_code_id
                        ON CONFLICT DO NOTHING
                 RETURNING id, partner_id
                ), logged AS (
                    %(history)s
                ), due AS (
                    SELECT registrant_id, bool_or(payable) AS payable, bool_or(amount > 0) AS has_amount,
                           string_agg(DISTINCT missing, ', ') AS missing,
                           (array_agg(computation ORDER BY item_id) FILTER (WHERE NOT payable))[1] AS computation
                      FROM line GROUP BY registrant_id
                ), verdict AS MATERIALIZED (
                    SELECT member.id, member.reason, member.computation IS NOT NULL AS had_terms, due.missing,
                           CASE WHEN prepared.partner_id IS NULL AND due.missing IS NULL THEN due.computation END
                           AS computation,
                           CASE WHEN prepared.partner_id IS NOT NULL THEN 'prepared'
                                WHEN due.missing IS NOT NULL THEN 'data_missing'
                                WHEN member.already THEN 'already_prepared'
                                WHEN member.disabled THEN 'disabled'
                                WHEN due.payable THEN 'already_prepared'
                                WHEN due.has_amount THEN 'fee_too_high'
                                ELSE 'no_amount' END AS outcome
                      FROM member
                      LEFT JOIN (SELECT DISTINCT partner_id FROM inserted) AS prepared
                        ON prepared.partner_id = member.partner_id
                      LEFT JOIN due ON due.registrant_id = member.partner_id
                ), noted AS (
                    UPDATE g2p_cycle_membership AS membership
                       SET computation = verdict.computation,
                           reason = CASE verdict.outcome WHEN 'no_amount' THEN %(no_amount)s
                                                         WHEN 'data_missing' THEN %(data_missing)s || verdict.missing
                                                         WHEN 'fee_too_high' THEN %(fee_too_high)s
                                                         WHEN 'disabled' THEN %(disabled)s END
                      FROM verdict
                     WHERE membership.id = verdict.id AND verdict.outcome <> 'already_prepared'
                       AND (verdict.outcome <> 'prepared' OR verdict.reason IS NOT NULL OR verdict.had_terms)
                )
                SELECT outcome, COUNT(*) FROM verdict GROUP BY outcome
                """,
                cycle=cycle.id,
                low=low,
                high=high,
                gone=standing.gone("registrant"),
                range=cycle.program_id._range_sql("membership", low, high),
                lines=SQL(" UNION ALL ").join(
                    manager._own_lines(
                        cycle,
                        low,
                        high,
                        none.union(*(codes[other] for other in managers if other != manager)),
                    )
                    for manager in managers
                ),
                program=cycle.program_id.id,
                currency=cycle.currency_id.id,
                valid_from=cycle.start_date,
                uid=self.env.uid,
                now=self.env.cr.now(),
                history=entitlement._history_sql(
                    SQL("SELECT id, NULL::varchar, 'draft', NULL::varchar FROM inserted"), operation
                ),
                **self._reasons_of_none(),
            )
        )
        counts = dict(self.env.cr.fetchall())
        entitlement.invalidate_model(flush=False)
        self.env["g2p.cycle.membership"].invalidate_model(["reason", "computation"], flush=False)
        return counts

    # Approval

    def action_approval_settings(self):
        """Button: the stages that are set for the program, which take the place of the validation group."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Approval settings of %s", self.program_id.name),
            "res_model": "g2p.program.approval.mapping",
            "view_mode": "list",
            "domain": [("program_id", "=", self.program_id.id)],
            "context": {"default_program_id": self.program_id.id},
        }

    def _approval_refusal(self):
        """Why the user may not approve entitlements of this program, in words; False when they may."""
        self.ensure_one()
        group = self.entitlement_validation_group_id
        if not group:
            return self.env._("No validation group is set in the entitlement manager of %s.", self.program_id.name)
        # Members by implication are members: `all_user_ids`.
        # sudo: only the answer about the user themself is used
        if self.env.user not in group.sudo().all_user_ids:
            return self.env._("Only members of “%s” may approve entitlements.", group.sudo().display_name)
        if not group.sudo()._holds_approval():
            return self.env._(
                "“%s” holds neither the approver's nor finance's right any more: an administrator has to choose another "
                "group.",
                group.sudo().display_name,
            )
        return False

    def _priority_sql(self):
        """ORDER BY of the entitlements `t`: who comes first when the money doesn't reach everybody. Ties go by id."""
        if self.priority_order in ("figure_desc", "figure_asc"):
            return self._figure_priority_sql(SQL("DESC") if self.priority_order == "figure_desc" else SQL("ASC"))
        return {
            "enrollment_date": SQL(
                """
                (SELECT membership.enrollment_date FROM g2p_program_membership AS membership
                  WHERE membership.program_id = t.program_id AND membership.partner_id = t.partner_id) ASC NULLS LAST, t.id
                """
            ),
            "amount_asc": SQL("t.initial_amount, t.id"),
            "amount_desc": SQL("t.initial_amount DESC, t.id"),
            "household_desc": SQL(
                """
                (SELECT COALESCE(registrant.z_ind_grp_num_individuals, 0) FROM res_partner AS registrant
                  WHERE registrant.id = t.partner_id) DESC, t.id
                """
            ),
            "household_asc": SQL(
                """
                (SELECT COALESCE(registrant.z_ind_grp_num_individuals, 0) FROM res_partner AS registrant
                  WHERE registrant.id = t.partner_id), t.id
                """
            ),
        }[self.priority_order]

    def _figure_priority_sql(self, direction):
        figure = self._figure("priority_figure")
        if not figure:
            raise UserError(self.env._("%s: say by which number the order of priority goes.", self.name))
        return SQL(
            """
            (SELECT %(number)s
               FROM res_partner AS registrant
               %(join)s
              WHERE registrant.id = t.partner_id) %(direction)s NULLS LAST, t.id
            """,
            number=figure.sql,
            join=self.env["g2p.condition.catalogue"]
            .sudo()
            ._figure_joins([figure], self.program_id),  # sudo: as the figure
            direction=direction,
        )

    def _figure_fields(self):
        return (*super()._figure_fields(), "priority_figure")

    @api.constrains("shortage_policy", "priority_order", "priority_figure")
    def _check_priority_figure(self):
        for manager in self:
            by_figure = manager.shortage_policy == "priority" and manager.priority_order in (
                "figure_desc",
                "figure_asc",
            )
            if by_figure and not manager.priority_figure:
                raise ValidationError(
                    self.env._("%s: say by which number the order of priority goes.", manager.display_name)
                )

    @api.constrains("transfer_fee_pct", "transfer_fee_amt")
    def _check_fee(self):
        for manager in self:
            if manager.transfer_fee_pct and manager.transfer_fee_amt:
                raise ValidationError(self.env._("Give the transfer fee as a percentage or as an amount, not both."))

    def action_preview_amounts(self):
        """Button: what the program's enrolled members would get today, and why. Nothing is changed."""
        self.ensure_one()
        if not self.program_id:
            raise UserError(self.env._("Choose the program first: its members are counted."))
        self.program_id._check_can(GROUP_MANAGER)
        self.check_access("read")
        self.program_id.check_access("read")
        if not self._charges_fund():
            raise UserError(self.env._("%s gives no money, so there are no amounts to preview.", self.display_name))
        # sudo: role and access were checked above; a preview belongs to who asked for it
        preview = self.env["g2p.entitlement.preview"].sudo().create({"program_id": self.program_id.id})
        preview._count(self)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("What %s would give", self.display_name),
            "res_model": preview._name,
            "res_id": preview.id,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
        }
