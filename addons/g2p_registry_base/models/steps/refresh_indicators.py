from odoo import models
from odoo.tools import SQL


class RefreshIndicators(models.AbstractModel):
    """The figures of all groups are computed anew; those that are right already are not written."""

    _name = "g2p.registry.step.refresh_indicators"
    _inherit = "g2p.bulk.step"
    _description = "Refresh of Household Figures"

    _target = "g2p.registry"
    _step = "refresh_indicators"
    _place = 10
    _moves = ("g2p.group.indicator",)

    def _label(self):
        return self.env._("Refresh household figures")

    def _outcomes(self):
        return {
            "refreshed": (self.env._("Brought up to date"), "done"),
            "unchanged": (self.env._("Right already"), "done"),
        }

    def _rows(self, registry, operation, outcome):
        refreshed = operation._noted_rows("refreshed")
        if outcome == "refreshed":
            return "res.partner", refreshed
        if outcome == "unchanged":
            return "res.partner", SQL(
                "t.is_registrant AND t.is_group AND %s AND NOT %s",
                operation._in_chunks_with(outcome, SQL("t.id")),
                refreshed,
            )
        return super()._rows(registry, operation, outcome)

    def _source(self, registry, operation):
        return SQL("SELECT id AS key FROM res_partner WHERE is_registrant AND is_group")

    def _chunk(self, registry, operation, low, high):
        # Where each row of figures lies: one that was written lies elsewhere afterwards.
        self.env.flush_all()
        self.env.cr.execute("DROP TABLE IF EXISTS g2p_indicator_before")
        self.env.cr.execute(
            SQL(
                """
                CREATE TEMP TABLE g2p_indicator_before ON COMMIT DROP AS
                SELECT group_id, ctid::text AS place FROM g2p_group_indicator WHERE group_id > %s AND group_id <= %s
                """,
                low,
                high,
            )
        )
        [[groups, refreshed]] = self.env.execute_query(
            SQL(
                """
                SELECT cardinality(given.groups), g2p_group_refresh_indicators(given.groups)
                FROM (
                    SELECT ARRAY(
                        SELECT id FROM res_partner WHERE is_registrant AND is_group AND id > %s AND id <= %s
                    ) AS groups
                ) AS given
                """,
                low,
                high,
            )
        )
        self.env.cr.execute(
            operation._note_sql(
                SQL(
                    """
                    SELECT 'refreshed', indicator.group_id
                    FROM g2p_group_indicator AS indicator
                    LEFT JOIN g2p_indicator_before AS before USING (group_id)
                    WHERE indicator.group_id > %s AND indicator.group_id <= %s
                        AND before.place IS DISTINCT FROM indicator.ctid::text
                    """,
                    low,
                    high,
                )
            )
        )
        self.env["res.partner"]._forget_indicators()
        return {"refreshed": refreshed, "unchanged": groups - refreshed}
