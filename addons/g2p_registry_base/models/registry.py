from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import SQL


class Registry(models.Model):
    """The registry as a whole: the one record that work on all registrants is done on."""

    _name = "g2p.registry"
    _inherit = ["g2p.bulk.mixin", "g2p.change.mixin"]
    _description = "Registry"

    name = fields.Char(required=True, translate=True)

    def action_refresh_indicators(self):
        """Compute the household figures of all groups anew; those that are right already are not written."""
        if not self.env.su and not self.env.user.has_group("g2p_registry_base.group_g2p_admin"):
            raise AccessError(self.env._("Only an administrator may have the household figures computed anew."))
        return self._bulk_start("refresh_indicators")._notification()

    @api.model
    def _cron_refresh_indicators(self):
        """Ages move with the calendar, and memberships end by it."""
        # One that still runs, or was stopped, brings them up to date too.
        registry = self.env.ref("g2p_registry_base.registry")
        if not self.env["g2p.bulk.operation"]._active_operation(registry, "refresh_indicators"):
            registry._bulk_start("refresh_indicators")

    # -- the engine's steps

    @api.model
    def _bulk_steps(self):
        return super()._bulk_steps() | {"refresh_indicators": self.env._("Refresh household figures")}

    @api.model
    def _bulk_outcomes(self):
        return {
            "refreshed": (self.env._("Brought up to date"), "done"),
            "unchanged": (self.env._("Right already"), "done"),
        } | super()._bulk_outcomes()

    @api.model
    def _bulk_tables(self, step):
        return ["g2p_group_indicator"] if step == "refresh_indicators" else super()._bulk_tables(step)

    @api.model
    def _bulk_relies_on(self):
        return {**super()._bulk_relies_on(), "refresh_indicators": ()}

    def _bulk_source_refresh_indicators(self, operation):
        return SQL("SELECT id AS key FROM res_partner WHERE is_registrant AND is_group")

    def _bulk_rows(self, operation, outcome):
        if operation.step == "refresh_indicators" and outcome in ("refreshed", "unchanged"):
            refreshed = operation._noted_rows("refreshed")
            if outcome == "refreshed":
                return "res.partner", refreshed
            return "res.partner", SQL(
                "t.is_registrant AND t.is_group AND %s AND NOT %s",
                operation._in_chunks_with(outcome, SQL("t.id")),
                refreshed,
            )
        return super()._bulk_rows(operation, outcome)

    def _bulk_chunk_refresh_indicators(self, operation, low, high):
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
