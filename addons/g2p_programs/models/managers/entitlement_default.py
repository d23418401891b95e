from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from ...tools.money import decimal


class DefaultEntitlementManager(models.Model):
    """An amount per cycle and an amount for each member of a group, or for each of whatever else is counted of the
    registrant (children, goats), up to so many."""

    _name = "g2p.program.entitlement.manager.default"
    _description = "Entitlement manager (default)"
    _inherit = "g2p.base.program.entitlement.manager"

    _terms_not_negative = models.Constraint(
        "CHECK (amount_per_cycle >= 0 AND amount_per_individual_in_group >= 0 AND max_individual_in_group >= 0)",
        "Amounts and the number of members can't be negative.",
    )

    amount_per_cycle = fields.Monetary("Amount per cycle", default=0, help="What each beneficiary gets in a cycle.")
    amount_per_individual_in_group = fields.Monetary(
        "Amount for each",
        default=0,
        help="Added for each person who lives in the group now, or each of what is counted.",
    )
    multiplier = fields.Selection(
        selection="_selection_figure",
        string="What is counted",
        help="Empty: the people who live in the group now. Where the number is not known there is no entitlement until it is.",
    )
    max_individual_in_group = fields.Integer("Most counted", default=0, help="So many count at the most; 0 means all.")

    def _figure_fields(self):
        return (*super()._figure_fields(), "multiplier")

    @api.constrains("amount_per_cycle", "transfer_fee_amt", "amount_per_individual_in_group")
    def _check_fee_is_part(self):
        for manager in self:
            if (
                manager.transfer_fee_amt
                and manager.transfer_fee_amt > manager.amount_per_cycle
                and not (manager.amount_per_individual_in_group)
            ):
                raise ValidationError(
                    self.env._("The fee is a part of the amount: it can't be more than the amount per cycle.")
                )

    @api.constrains("program_id", "amount_per_individual_in_group", "max_individual_in_group", "multiplier")
    def _check_fits_target(self):
        for manager in self:
            if (
                manager.program_id.target_type == "individual"
                and not manager.multiplier
                and (manager.amount_per_individual_in_group or manager.max_individual_in_group)
            ):
                raise ValidationError(
                    self.env._(
                        "%s is for individuals: an amount per member, or a number of members, counts in programs for groups "
                        "only. Set the amount per cycle instead, or say what is counted.",
                        manager.program_id.name,
                    )
                )
        return super()._check_fits_target()

    def _check_ready(self):
        if not (self.amount_per_cycle or self.amount_per_individual_in_group):
            raise UserError(
                self.env._(
                    "%(program)s pays nothing yet: set the amount per cycle in its entitlement manager “%(manager)s”, then "
                    "prepare.",
                    program=self.program_id.name,
                    manager=self.name,
                )
            )
        return super()._check_ready()

    def _entitlement_lines(self, members, low, high):
        self.ensure_one()
        base, each = decimal(self.amount_per_cycle), decimal(self.amount_per_individual_in_group)
        figure = self._figure("multiplier") if each else None
        if figure:
            return self._counted_lines(members, figure, base, each, low, high)
        if self.program_id.target_type != "group" or not each:
            return self._priced_lines(
                SQL(
                    """
                    SELECT member.registrant_id, %(benefit)s::integer AS benefit_code_id, 0 AS item_id,
                           %(base)s::numeric AS amount,
                           jsonb_build_object('base', %(base)s::numeric) AS terms, NULL::numeric AS cap,
                           NULL::text AS missing
                      FROM (%(members)s) AS member
                    """,
                    base=base,
                    benefit=self._benefit_code().id or None,
                    members=members,
                )
            )
        counted = SQL("COALESCE(household.members, 0)")
        if self.max_individual_in_group:
            counted = SQL("LEAST(%s, %s)", counted, self.max_individual_in_group)
        return self._priced_lines(
            SQL(
                """
                SELECT member.registrant_id, %(benefit)s::integer AS benefit_code_id, 0 AS item_id,
                       %(base)s::numeric + %(each)s::numeric * %(counted)s AS amount,
                       jsonb_build_object('base', %(base)s::numeric, 'per_member', %(each)s::numeric,
                                          'members', COALESCE(household.members, 0), 'max_members', %(most)s::integer)
                       AS terms,
                       NULL::numeric AS cap, NULL::text AS missing
                  FROM (%(members)s) AS member
                  LEFT JOIN (%(households)s) AS household ON household.registrant_id = member.registrant_id
                """,
                base=base,
                benefit=self._benefit_code().id or None,
                each=each,
                counted=counted,
                most=self.max_individual_in_group or None,
                members=members,
                households=self._household_sizes(members),
            )
        )

    def _counted_lines(self, members, figure, base, each, low, high):
        """As many times as a figure says; of whom it is not known, nobody can tell the amount."""
        return self._priced_lines(
            SQL(
                """
                SELECT counted.registrant_id, %(benefit)s::integer AS benefit_code_id, 0 AS item_id,
                       %(base)s::numeric + %(each)s::numeric * LEAST(counted.number, %(most)s) AS amount,
                       jsonb_build_object('base', NULLIF(%(base)s::numeric, 0), 'per_member', %(each)s::numeric,
                                          'members', counted.number, 'max_members', %(most)s::integer,
                                          'of', %(key)s::text) AS terms,
                       NULL::numeric AS cap,
                       CASE WHEN counted.number IS NULL THEN %(label)s::text END AS missing
                  FROM (
                        SELECT member.registrant_id, %(number)s AS number
                          FROM (%(members)s) AS member
                          JOIN res_partner AS registrant ON registrant.id = member.registrant_id AND %(range)s
                          %(join)s
                       ) AS counted
                """,
                base=base,
                benefit=self._benefit_code().id or None,
                each=each,
                most=self.max_individual_in_group or None,
                key=figure.key,
                label=figure.label,
                number=self._counted_sql(figure),
                members=members,
                range=self._registrant_range(low, high),
                # sudo: as the figure
                join=self.env["g2p.condition.catalogue"].sudo()._figure_joins([figure], self.program_id, low, high),
            )
        )
