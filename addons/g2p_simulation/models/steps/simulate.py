from odoo import fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from odoo.addons.g2p_programs.tools.constants import ENROLLMENT_CANDIDATES

from ..scenario_result import AGE_BANDS, MEASURES


class SimulateStep(models.AbstractModel):
    """What the settings of a scenario would lead to, counted chunk by chunk; the program stays as it is."""

    _name = "g2p.program.scenario.step.simulate"
    _inherit = "g2p.bulk.step"
    _description = "Simulate"

    _target = "g2p.program.scenario"
    _step = "simulate"
    _place = 10

    def _label(self):
        return self.env._("Simulate")

    def _outcomes(self):
        _ = self.env._
        return {
            "chosen": (_("Would get the benefit"), "done"),
            "nothing_due": (_("Qualify, but nothing is due, or data for the amount is missing"), "skipped"),
            "set_aside": (_("Qualify, but are paused, exited or duplicated"), "skipped"),
            "unknown": (_("Data missing"), "skipped"),
            "others": (_("Would not get it"), "skipped"),
        }

    def _rows(self, record, operation, outcome):
        """Registrants as they were judged: nothing else tells afterwards. The others are whoever was looked at beside."""
        if outcome in ("chosen", "nothing_due", "set_aside", "unknown"):
            return "res.partner", operation._noted_rows(outcome)
        if outcome == "others":
            return "res.partner", SQL(
                """
                t.id IN (SELECT key FROM (%s) AS looked_at)
                AND NOT EXISTS (SELECT FROM g2p_bulk_row AS noted WHERE noted.operation_id = %s AND noted.res_id = t.id)
                """,
                self._source(record, operation),
                operation.id,
            )
        return None

    def _before(self, record, operation):
        """Nothing of an earlier simulation stays. What stands for missing values of a means test is worked out once."""
        if model := record.sandbox_id._active_pmt_model():
            model._check_scorable()
            model.means = model._compute_means()
        record.result_ids.unlink()
        record.write({"simulated_on": False, **dict.fromkeys(self._figures(), 0)})
        if record.state == "simulated":
            record._transition("draft")

    def _source(self, record, operation):
        """Whom the program may reach, and whoever is enrolled in it now."""
        return SQL(
            "SELECT registrant_id AS key FROM (%s) AS base UNION SELECT partner_id FROM (%s) AS member",
            record.sandbox_id._base_registrants(),
            self._members_now(record),
        )

    def _money_managers(self, sandbox):
        """The entitlement managers that give money: what a scenario costs."""
        managers = [one for one in sandbox.get_managers(sandbox.MANAGER_ENTITLEMENT) if one._charges_fund()]
        return managers or [sandbox.get_manager(sandbox.MANAGER_ENTITLEMENT)]

    def _chunk(self, record, operation, low, high):
        program, sandbox = record.program_id, record.sandbox_id.with_context(g2p_scenario_range=(low, high))
        managers = self._money_managers(sandbox)
        self.env.flush_all()
        figures = SQL(", ").join(SQL.identifier(measure) for measure in MEASURES)
        self.env.cr.execute(
            SQL(
                """
                WITH eligible AS MATERIALIZED (%(eligible)s),
                     member AS MATERIALIZED (%(member)s),
                     benchmark AS MATERIALIZED (%(benchmark)s),
                     unknown AS MATERIALIZED (%(unknown)s),
                     -- As in a real run, a member about whom data is missing stays.
                     qualifying AS MATERIALIZED (
                    SELECT registrant_id FROM eligible
                     UNION
                    SELECT partner_id FROM member WHERE partner_id IN (SELECT registrant_id FROM unknown)
                ),
                     set_aside AS MATERIALIZED (
                    SELECT membership.partner_id
                      FROM g2p_program_membership AS membership
                     WHERE membership.program_id = %(program)s AND NOT membership.state = ANY(%(candidates)s)
                       AND %(range)s
                ), due AS MATERIALIZED (
                    SELECT line.registrant_id, SUM(line.amount) AS amount
                      FROM (%(lines)s) AS line
                     WHERE line.amount > 0 AND line.fee <= line.amount
                     GROUP BY line.registrant_id
                ), concerned AS (
                    SELECT registrant_id FROM qualifying
                     UNION SELECT partner_id FROM member
                     UNION SELECT registrant_id FROM benchmark
                     UNION SELECT registrant_id FROM unknown
                ), shown_area AS MATERIALIZED (%(areas)s),
                scored AS MATERIALIZED (%(scored)s),
                judged AS MATERIALIZED (
                    SELECT concerned.registrant_id,
                           concerned.registrant_id IN (SELECT registrant_id FROM qualifying) AS qualifies,
                           concerned.registrant_id IN (SELECT registrant_id FROM unknown) AS unknown,
                           concerned.registrant_id IN (SELECT partner_id FROM set_aside) AS set_aside,
                           concerned.registrant_id IN (SELECT partner_id FROM member) AS enrolled,
                           concerned.registrant_id IN (SELECT registrant_id FROM benchmark) AS poor,
                           due.amount
                      FROM concerned
                      LEFT JOIN due USING (registrant_id)
                ), person AS (
                    SELECT judged.*, qualifies AND NOT set_aside AND amount IS NOT NULL AS chosen
                      FROM judged
                ), counted AS (
                    SELECT facts.dimension, facts.key,
                           COUNT(*) FILTER (WHERE chosen) AS beneficiaries,
                           COALESCE(SUM(amount) FILTER (WHERE chosen), 0) AS amount,
                           COUNT(*) FILTER (WHERE enrolled) AS members_now,
                           COUNT(*) FILTER (WHERE chosen AND NOT enrolled) AS entering,
                           COUNT(*) FILTER (WHERE enrolled AND NOT chosen) AS leaving,
                           COUNT(*) FILTER (WHERE unknown AND NOT qualifies AND NOT set_aside) AS data_missing,
                           COUNT(*) FILTER (WHERE poor) AS benchmark_total,
                           COUNT(*) FILTER (WHERE poor AND chosen) AS benchmark_reached
                      FROM person
                      JOIN res_partner AS registrant ON registrant.id = person.registrant_id
                      LEFT JOIN g2p_group_indicator AS head ON head.group_id = registrant.id
                      LEFT JOIN shown_area AS area ON area.id = registrant.area_id
                      LEFT JOIN scored ON scored.registrant_id = person.registrant_id
                     CROSS JOIN LATERAL (VALUES %(facts)s) AS facts (dimension, key)
                     GROUP BY facts.dimension, facts.key
                ), written AS (
                    INSERT INTO g2p_program_scenario_result AS result (scenario_id, dimension, key, %(figures)s)
                    SELECT %(scenario)s, dimension, key, %(figures)s
                      FROM counted
                     ORDER BY dimension, key
                        ON CONFLICT (scenario_id, dimension, key) DO UPDATE SET %(added)s
                ), noted AS (%(noted)s)
                SELECT COUNT(*) FILTER (WHERE chosen),
                       COUNT(*) FILTER (WHERE qualifies AND set_aside),
                       COUNT(*) FILTER (WHERE qualifies AND NOT set_aside AND amount IS NULL),
                       COUNT(*) FILTER (WHERE unknown AND NOT qualifies AND NOT set_aside)
                  FROM person
                """,
                eligible=sandbox._eligible_registrants(low, high),
                unknown=sandbox._unknown_registrants(low, high),
                member=self._members_now(record, low, high),
                benchmark=self._benchmark(record, low, high),
                program=program.id,
                candidates=list(ENROLLMENT_CANDIDATES),
                range=program._range_sql("membership", low, high),
                lines=SQL(" UNION ALL ").join(
                    SQL(
                        "SELECT registrant_id, amount, fee FROM (%s) AS line",
                        manager._entitlement_lines(SQL("SELECT registrant_id FROM qualifying"), low, high),
                    )
                    for manager in managers
                ),
                areas=self._shown_areas(record),
                scored=self._scored(record, low, high),
                facts=SQL(", ").join(SQL("(%s, %s)", name, key) for name, key in self._dimensions(record).items()),
                figures=figures,
                added=SQL(", ").join(
                    SQL("%(name)s = result.%(name)s + EXCLUDED.%(name)s", name=SQL.identifier(measure))
                    for measure in MEASURES
                ),
                scenario=record.id,
                noted=operation._note_sql(
                    SQL(
                        """
                        SELECT judged.outcome, judged.registrant_id
                          FROM (
                                SELECT registrant_id,
                                       CASE WHEN chosen THEN 'chosen'
                                            WHEN qualifies AND set_aside THEN 'set_aside'
                                            WHEN qualifies THEN 'nothing_due'
                                            WHEN unknown AND NOT set_aside THEN 'unknown' END AS outcome
                                  FROM person
                               ) AS judged
                         WHERE judged.outcome IS NOT NULL
                        """
                    )
                ),
            )
        )
        chosen, set_aside, nothing_due, unknown = self.env.cr.fetchone()
        self.env["g2p.program.scenario.result"].invalidate_model()
        [[keys]] = self.env.execute_query(
            SQL(
                "SELECT COUNT(*) FROM (%s) AS source WHERE key > %s AND key <= %s",
                self._source(record, operation),
                low,
                high,
            )
        )
        return {
            "chosen": chosen,
            "set_aside": set_aside,
            "nothing_due": nothing_due,
            "unknown": unknown,
            "others": keys - chosen - set_aside - nothing_due - unknown,
        }

    def _finish(self, record, operation):
        super()._finish(record, operation)
        if operation.state != "done":
            return
        self.env["g2p.program.scenario.result"]._name_results(record)
        total = record.result_ids.filtered(lambda result: result.dimension == "total")
        record.write(
            {
                "simulated_on": fields.Datetime.now(),
                "simulated_settings": operation.params["settings"],
                **self._figures(total),
            }
        )
        if record.state == "draft":
            record._transition("simulated")

    # What is counted, of whom

    def _members_now(self, record, low=None, high=None):
        """Members of the program who are enrolled: column `partner_id`."""
        return SQL(
            """
            SELECT membership.partner_id
              FROM g2p_program_membership AS membership
             WHERE membership.program_id = %s AND membership.state = 'enrolled' AND %s
            """,
            record.program_id.id,
            record.program_id._range_sql("membership", low, high),
        )

    def _benchmark(self, record, low, high):
        """Who is known to be poor, of the program's base set: column `registrant_id`."""
        domain = Domain.AND(
            [record.sandbox_id._base_domain(), record._benchmark_domain(), [("id", ">", low), ("id", "<=", high)]]
        )
        # sudo: a benchmark counts over all registrants of the program, whatever the user who simulates may see; only
        # counts are shown
        query = self.env["res.partner"].sudo().with_context(active_test=False)._search(domain)
        return query.select(SQL("%s AS registrant_id", SQL.identifier(query.table, "id")))

    def _dimensions(self, record):
        """{dimension: what to count by}: SQL of a text over the aliases `registrant` (res.partner), `head` (the
        indicators of a group) and `area`. Of a group, sex and age are those of its head."""
        if record.target_type == "individual":
            sex = SQL("registrant.gender")
            age = SQL("EXTRACT(YEAR FROM age(%s, registrant.birthdate))::integer", fields.Date.context_today(self))
        else:
            sex, age = SQL("head.head_gender"), SQL("head.head_age")
        bands = list(AGE_BANDS)
        dimensions = {
            "total": SQL("''"),
            "area": SQL("COALESCE(area.shown_id::text, '')"),
            "sex": SQL("COALESCE(%s, '')", sex),
            "age": SQL("COALESCE((%s::integer[])[width_bucket(%s, %s::integer[])]::text, '')", bands, age, bands),
        }
        if record.sandbox_id._active_pmt_model().band_ids:
            dimensions["band"] = SQL("COALESCE(scored.band::text, '')")
        return dimensions

    def _scored(self, record, low, high):
        """Columns `registrant_id`, `band`: the position of each one's band, from the poorest on; nobody has one without a
        proxy means test."""
        model = record.sandbox_id._active_pmt_model()
        if not model.band_ids:
            return SQL("SELECT NULL::integer AS registrant_id, NULL::integer AS band WHERE FALSE")
        return SQL("SELECT registrant_id, band FROM (%s) AS scored", model._scores_sql(low, high))

    def _shown_areas(self, record):
        """Columns `id`, `shown_id`: each area and the one it is counted under."""
        if not record.area_kind_id:
            return SQL("SELECT id, id AS shown_id FROM g2p_area")
        return SQL(
            """
            SELECT area.id, COALESCE(above.id, area.id) AS shown_id
              FROM g2p_area AS area
              LEFT JOIN g2p_area AS above
                ON above.kind_id = %s AND above.id = ANY(string_to_array(trim(area.parent_path, '/'), '/')::integer[])
            """,
            record.area_kind_id.id,
        )

    def _figures(self, total=None):
        """{field of the scenario: its figure}, from the line of the whole."""
        return {
            **{name: total[name] if total else 0 for name in MEASURES if name != "amount"},
            "cost_per_cycle": total.amount if total else 0,
        }
