from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from odoo.addons.g2p_programs.tools.money import decimal


class EntitlementManager(models.Model):
    _inherit = "g2p.program.entitlement.manager"

    @api.model
    def _selection_manager_ref_id(self):
        return [*super()._selection_manager_ref_id(), ("g2p.program.entitlement.manager.cash", self.env._("Cash"))]


class CashEntitlementManager(models.Model):
    """The sum of the items whose condition a beneficiary meets: amount × multiplier, up to a maximum in all."""

    _name = "g2p.program.entitlement.manager.cash"
    _description = "Entitlement manager (cash)"
    _inherit = "g2p.base.program.entitlement.manager"

    _max_amount_not_negative = models.Constraint(
        "CHECK (max_amount >= 0)", "The maximum can't be negative: 0 means no maximum."
    )

    entitlement_item_ids = fields.One2many(
        "g2p.program.entitlement.manager.cash.item", "entitlement_id", string="Items", copy=True
    )
    evaluate_one_item = fields.Boolean(
        "First match only", help="Items are tried in their order; only the first whose condition is met counts."
    )
    max_amount = fields.Monetary("Maximum amount", default=0, help="Nobody gets more in a cycle. 0 means no maximum.")

    def _chosen_benefit_codes(self):
        return super()._chosen_benefit_codes() | self.entitlement_item_ids.benefit_code_id

    @api.constrains("entitlement_item_ids")
    def _check_items(self):
        for manager in self:
            if not manager.entitlement_item_ids:
                raise ValidationError(self.env._("%s needs at least one item: say what is paid.", manager.name))

    def _check_ready(self):
        for item in self.entitlement_item_ids:
            item._figure("multiplier")
            item._conditions("condition")
        return super()._check_ready()

    def _entitlement_lines(self, members, low, high):
        self.ensure_one()
        if not self.entitlement_item_ids:
            raise UserError(self.env._("%s has no items: add one before you prepare entitlements.", self.name))
        items = self.entitlement_item_ids.sorted(lambda item: (item.sequence, item.id))
        judged = self._judged(items, members, low, high)
        if self.evaluate_one_item:
            # The first that may be met decides: if nobody can tell about it, nobody can tell the amount.
            unknown = SQL("judged.possible AND (NOT judged.certain OR judged.number IS NULL)")
            judged = SQL(
                """
                SELECT DISTINCT ON (tried.registrant_id) tried.*
                  FROM (%s) AS tried
                 ORDER BY tried.registrant_id, NOT tried.possible, tried.position
                """,
                judged,
            )
        else:
            # What may be met, but is nothing either way, leaves nothing open.
            unknown = SQL(
                "judged.possible AND (NOT judged.certain OR judged.number IS NULL) AND judged.number IS DISTINCT FROM 0"
            )
        return self._priced_lines(
            SQL(
                """
                SELECT registrant_id, benefit_code_id, 0 AS item_id, amount, terms,
                       -- Nobody gets more in all: what comes first in the list takes first.
                       CASE WHEN %(cap)s::numeric IS NOT NULL
                            THEN GREATEST(%(cap)s::numeric - COALESCE(SUM(amount) OVER (
                                PARTITION BY registrant_id ORDER BY position
                                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                            ), 0), 0) END AS cap,
                       missing
                  FROM (
                        SELECT told.registrant_id, told.benefit_code_id, MIN(told.position) AS position,
                               COALESCE(SUM(told.amount * told.number) FILTER (WHERE told.certain), 0) AS amount,
                               CASE WHEN bool_or(told.certain) THEN
                                    jsonb_build_object('items', jsonb_agg(
                                        jsonb_build_object('item', told.name, 'amount', told.amount,
                                                           'multiplier', told.number, 'of', told.figure)
                                        ORDER BY told.position
                                    ) FILTER (WHERE told.certain))
                                    ELSE jsonb_build_object('not_met', to_jsonb(%(names)s::text[])) END AS terms,
                               string_agg(DISTINCT CASE WHEN told.unknown AND NOT told.certain THEN told.condition_words
                                                        WHEN told.unknown THEN told.number_words END, ', ') AS missing
                          FROM (SELECT judged.*, %(unknown)s AS unknown FROM (%(judged)s) AS judged) AS told
                         GROUP BY told.registrant_id, told.benefit_code_id
                       ) AS by_code
                """,
                names=items.mapped("name"),
                cap=decimal(self.max_amount) or None,
                unknown=unknown,
                judged=judged,
            )
        )

    def _judged(self, items, members, low, high):
        """What each item says of each member.

        :return SQL: columns `registrant_id`, `position`, `name`, `figure` (its key), `amount`, `certain` and `possible`
            (whether the condition is met), `number` (NULL: not known), `condition_words` and `number_words` (which data may
            be missing), `benefit_code_id`.
        """
        catalogue = self.env["g2p.condition.catalogue"].sudo()  # sudo: as the figures of the items
        asked, rows, figures = [], [], []
        for position, item in enumerate(items, 1):
            certain, possible, number = (SQL.identifier(f"{name}_{position}") for name in ("sure", "maybe", "number"))
            sure, maybe = item._verdict(low, high)
            figure = item._figure("multiplier")
            counted = item._counted_sql(figure, item.max_multiplier)
            if figure:
                figures.append(figure)
                if item.if_missing == "nothing":
                    counted = SQL("COALESCE(%s, 0)", counted)
            asked += [SQL("%s AS %s", sure, certain), SQL("%s AS %s", counted, number)]
            if maybe:
                asked.append(SQL("%s AS %s", maybe, possible))
            rows.append(
                SQL(
                    "(%s, %s::text, %s::text, %s::numeric, asked.%s, %s, asked.%s, %s::text, %s::text, %s::integer)",
                    position,
                    item.name,
                    figure.key if figure else None,
                    decimal(item.amount),
                    certain,
                    SQL("asked.%s OR asked.%s", certain, possible) if maybe else SQL("asked.%s", certain),
                    number,
                    *item._missing_words(),
                    (item.benefit_code_id or self._benefit_code()).id or None,
                )
            )
        # OFFSET 0 keeps the planner from asking a set again at each place where its answer is used.
        return SQL(
            """
            SELECT asked.registrant_id, item.*
              FROM (
                    SELECT member.registrant_id, %(asked)s
                      FROM (%(members)s) AS member
                      JOIN res_partner AS registrant ON registrant.id = member.registrant_id AND %(range)s
                      %(joins)s
                    OFFSET 0
                   ) AS asked
             CROSS JOIN LATERAL (VALUES %(rows)s)
                AS item (position, name, figure, amount, certain, possible, number, condition_words, number_words,
                         benefit_code_id)
            """,
            asked=SQL(", ").join(asked),
            members=members,
            range=self._registrant_range(low, high),
            joins=catalogue._figure_joins(figures, self.program_id, low, high),
            rows=SQL(", ").join(rows),
        )
