from odoo import api, fields, models
from odoo.tools import SQL

# What is counted, in the order of the columns; all of them add up over chunks.
MEASURES = (
    "beneficiaries",
    "amount",
    "members_now",
    "entering",
    "leaving",
    "data_missing",
    "benchmark_total",
    "benchmark_reached",
)

# Where an age band begins, in years
AGE_BANDS = (0, 5, 18, 30, 45, 60, 75)


class ProgramScenarioResult(models.Model):
    """One line of a simulation's answer: how many, how much, for one area, sex or age."""

    _name = "g2p.program.scenario.result"
    _description = "Result of a scenario"
    _order = "scenario_id, dimension, sequence, name, id"

    _once = models.Constraint("UNIQUE (scenario_id, dimension, key)", "Each line of a result is counted once.")

    scenario_id = fields.Many2one("g2p.program.scenario", required=True, readonly=True, ondelete="cascade")
    program_id = fields.Many2one(related="scenario_id.program_id", store=False)
    currency_id = fields.Many2one(related="scenario_id.currency_id")
    dimension = fields.Selection(
        [("total", "In all"), ("area", "Area"), ("sex", "Sex"), ("age", "Age"), ("band", "Band")],
        string="By",
        required=True,
        readonly=True,
    )
    # Not required: the key of the whole is empty.
    key = fields.Char(readonly=True)
    name = fields.Char(readonly=True)
    sequence = fields.Integer(readonly=True)
    beneficiaries = fields.Integer(readonly=True)
    amount = fields.Monetary("Cost per cycle", readonly=True)
    members_now = fields.Integer("Enrolled now", readonly=True)
    entering = fields.Integer("Would enter", readonly=True)
    leaving = fields.Integer("Would leave", readonly=True)
    data_missing = fields.Integer(readonly=True, help="Nobody can tell whether they qualify, and they aren't enrolled.")
    benchmark_total = fields.Integer("Known poor", readonly=True)
    benchmark_reached = fields.Integer("Known poor reached", readonly=True)

    @api.model
    def _name_results(self, scenario):
        """Give the lines of a scenario the names that people read: a few statements, whatever the number of lines."""
        unknown = self.env._("Not known")
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_program_scenario_result AS result
                   SET name = COALESCE(
                           (
                               SELECT string_agg(around.name, ', ' ORDER BY length(around.parent_path) DESC)
                               FROM g2p_area AS around
                               WHERE around.id = ANY(string_to_array(rtrim(area.parent_path, '/'), '/')::integer[])
                           ),
                           %(unknown)s
                       ),
                       sequence = CASE WHEN area.id IS NULL THEN 1 ELSE 0 END
                  FROM g2p_program_scenario_result AS line
                  LEFT JOIN g2p_area AS area ON area.id::text = line.key
                 WHERE result.id = line.id AND line.scenario_id = %(scenario)s AND line.dimension = 'area'
                """,
                unknown=unknown,
                scenario=scenario.id,
            )
        )
        self.invalidate_model()
        lines = self.search([("scenario_id", "=", scenario.id), ("dimension", "!=", "area")])
        for line in lines:
            line.name, line.sequence = line._label(unknown)

    def _label(self, unknown):
        """(name, place in the order); of every dimension but the areas there are a handful of lines."""
        dimension, key = self.dimension, self.key
        if dimension == "total":
            return self.env._("In all"), 0
        if not key:
            return unknown, 1000
        if dimension == "sex":
            return dict(self.env["gender.type"]._selection()).get(key, key), 0
        if dimension == "band":
            bands = self.scenario_id.sandbox_id._active_pmt_model().band_ids._poorest_first()
            return bands[int(key) - 1].name, int(key)
        low = int(key)
        above = [band for band in AGE_BANDS if band > low]
        return f"{low}–{above[0] - 1}" if above else self.env._("%s and over", low), low
