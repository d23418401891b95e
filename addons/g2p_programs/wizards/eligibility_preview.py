"""What would happen, before it happens: the same queries as the real steps, and nothing is written to members."""

import json

from odoo import api, fields, models
from odoo.tools import SQL

from ..models.eligibility.verdicts import ELIGIBLE, NOT_ELIGIBLE, UNKNOWN
from ..tools.constants import ENROLLMENT_CANDIDATES

SAMPLE = 20


class EligibilityPreview(models.TransientModel):
    _name = "g2p.eligibility.preview"
    _description = "Preview of eligibility"

    program_id = fields.Many2one("g2p.program", required=True, readonly=True, ondelete="cascade")
    is_limited = fields.Boolean(
        "Of some areas only",
        readonly=True,
        help="Counted over the areas that whoever asked may see, not the whole program.",
    )

    # The registry
    registrants = fields.Integer(readonly=True, help="Registrants whom the program may reach.")
    eligible = fields.Integer(readonly=True)
    eligible_new = fields.Integer(
        "Of them new", readonly=True, help="“Import eligible registrants” would bring them in."
    )
    eligible_members = fields.Integer("Of them members already", readonly=True)
    not_eligible = fields.Integer(readonly=True)
    unknown = fields.Integer("Data missing", readonly=True)

    # The members whom “Enroll eligible” decides about
    members_enrolled = fields.Integer("Would be newly enrolled", readonly=True)
    members_already = fields.Integer("Stay enrolled", readonly=True)
    members_not_eligible = fields.Integer("Would be not eligible", readonly=True)
    members_unknown = fields.Integer("Data missing (members)", readonly=True)

    reason_ids = fields.One2many("g2p.eligibility.preview.reason", "preview_id", string="Reasons", readonly=True)
    area_ids = fields.One2many("g2p.eligibility.preview.area", "preview_id", string="Areas", readonly=True)
    top_area_ids = fields.One2many(
        "g2p.eligibility.preview.area",
        "preview_id",
        string="Areas of the widest level",
        domain=[("is_top", "=", True)],
        readonly=True,
    )
    sample_ids = fields.Many2many("res.partner", compute="_compute_sample_ids", string="Sample")

    estimated_cost = fields.Float(readonly=True, digits=(16, 0), help="As PostgreSQL estimates it, in its own units.")
    estimated_rows = fields.Integer(readonly=True, help="As PostgreSQL estimates it.")

    def _count(self):
        """Everything from one query over the base set and the members: groups of verdict, reason, state and area.

        Who is limited to areas gets the counts of those: over the whole program, counts would tell of people whom they
        may not see.
        """
        program, asker = self.program_id, self._asker()
        self.env.flush_all()
        candidates = SQL(
            """
            SELECT asked.registrant_id AS id, asked.registrant_id AS partner_id, COALESCE(membership.state, '') AS state
              FROM (
                    SELECT registrant_id FROM (%(base)s) AS base
                     UNION
                    SELECT partner_id FROM g2p_program_membership WHERE program_id = %(program)s
                   ) AS asked
              LEFT JOIN g2p_program_membership AS membership
                ON membership.program_id = %(program)s AND membership.partner_id = asked.registrant_id
            """,
            base=program._base_registrants(),
            program=program.id,
        )
        groups = self.env.execute_query(
            SQL(
                """
                SELECT verdict.verdict, verdict.reason, verdict.state, partner.area_id,
                       verdict.reason IS DISTINCT FROM %(not_reachable)s AS reachable, COUNT(*)
                  FROM (%(verdicts)s) AS verdict
                  JOIN res_partner AS partner ON partner.id = verdict.partner_id
                 WHERE %(seen)s
                 GROUP BY 1, 2, 3, 4, 5
                """,
                seen=asker._g2p_seen(SQL("verdict.partner_id")),
                verdicts=program._eligibility_verdicts(candidates, None, None, by_condition=True),
                not_reachable=program._not_reachable_detail(),
            )
        )

        def total(test):
            return sum(count for *group, count in groups if test(*group))

        def of_members(verdict, *states):
            return total(lambda given, _reason, state, _area, _reachable: given == verdict and state in states)

        others = [state for state in ENROLLMENT_CANDIDATES if state != "enrolled"]
        cost, rows = (0, 0) if asker.g2p_area_ids else self._plan()
        self.write(
            {
                "is_limited": bool(asker.g2p_area_ids),
                "registrants": total(lambda _v, _r, _s, _a, reachable: reachable),
                "eligible": total(lambda verdict, *_rest: verdict == ELIGIBLE),
                "eligible_new": total(lambda verdict, _r, state, *_rest: verdict == ELIGIBLE and not state),
                "eligible_members": total(lambda verdict, _r, state, *_rest: verdict == ELIGIBLE and bool(state)),
                "not_eligible": total(lambda verdict, _r, _s, _a, reachable: verdict == NOT_ELIGIBLE and reachable),
                "unknown": total(lambda verdict, *_rest: verdict == UNKNOWN),
                "members_enrolled": of_members(ELIGIBLE, *others),
                "members_already": of_members(ELIGIBLE, "enrolled"),
                "members_not_eligible": of_members(NOT_ELIGIBLE, *ENROLLMENT_CANDIDATES),
                "members_unknown": of_members(UNKNOWN, *ENROLLMENT_CANDIDATES),
                "estimated_cost": cost,
                "estimated_rows": rows,
                "reason_ids": [fields.Command.create(values) for values in self._reasons(groups)],
                "area_ids": [fields.Command.create(values) for values in self._areas(groups)],
            }
        )

    def _asker(self):
        return self.env["res.users"].browse(self.create_uid.id).sudo()  # sudo: the asker's own areas

    def _plan(self):
        """(cost, rows) of finding the eligible, as PostgreSQL estimates them; nothing is run."""
        [[plan]] = self.env.execute_query(SQL("EXPLAIN (FORMAT JSON) %s", self.program_id._eligible_registrants()))
        if isinstance(plan, str):
            plan = json.loads(plan)
        root = plan[0]["Plan"]
        return root["Total Cost"], root["Plan Rows"]

    def _reasons(self, groups):
        counts = {}
        for verdict, reason, _state, _area, reachable, count in groups:
            if verdict != ELIGIBLE and reachable:
                counts[verdict, reason] = counts.get((verdict, reason), 0) + count
        return [
            {"verdict": verdict, "reason": reason, "registrants": count}
            for (verdict, reason), count in sorted(counts.items(), key=lambda item: -item[1])
        ]

    def _areas(self, groups):
        """Counts of each area with all areas within it; of the user's own areas only, where they are limited to some."""
        user = self._asker()
        areas = self.env["g2p.area"].sudo().with_context(active_test=False)
        mine = set(user.g2p_allowed_area_ids.ids) if user.g2p_area_ids else None
        of_area = {}
        for verdict, _reason, _state, area_id, reachable, count in groups:
            if area_id and reachable and (mine is None or area_id in mine):
                of_area.setdefault(area_id, dict.fromkeys((ELIGIBLE, NOT_ELIGIBLE, UNKNOWN), 0))[verdict] += count
        totals = {}
        for area in areas.browse(of_area):
            for ancestor_id in map(int, area.parent_path.split("/")[:-1]):
                if mine is None or ancestor_id in mine:
                    sums = totals.setdefault(ancestor_id, dict.fromkeys((ELIGIBLE, NOT_ELIGIBLE, UNKNOWN), 0))
                    for verdict, count in of_area[area.id].items():
                        sums[verdict] += count
        # The widest level that tells areas apart: a country's one bar says nothing.
        depths = [self._depth(area) for area in areas.browse(totals)]
        widest = next((depth for depth in sorted(set(depths)) if depths.count(depth) > 1), min(depths, default=0))
        return [
            {
                "area_id": area.id,
                "kind_id": area.kind_id.id,
                "is_top": self._depth(area) == widest,
                "registrants": sum(totals[area.id].values()),
                "eligible": totals[area.id][ELIGIBLE],
                "not_eligible": totals[area.id][NOT_ELIGIBLE],
                "unknown": totals[area.id][UNKNOWN],
                "share": 100 * totals[area.id][ELIGIBLE] / sum(totals[area.id].values()),
            }
            for area in areas.browse(totals).sorted("complete_name")
        ]

    def _depth(self, area):
        return area.parent_path.count("/")

    @api.depends_context("uid")
    def _compute_sample_ids(self):
        """A few of the new ones, whom the viewer may read."""
        for preview in self:
            query = SQL(
                """
                SELECT registrant_id FROM (%s) AS eligible
                 WHERE registrant_id NOT IN (SELECT partner_id FROM g2p_program_membership WHERE program_id = %s)
                """,
                preview.program_id._eligible_registrants(),
                preview.program_id.id,
            )
            preview.sample_ids = self.env["res.partner"].search([("id", "in", query)], order="id", limit=SAMPLE)

    def action_open_areas(self):
        """Button: all areas, as a list and as bars."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Eligibility by area: %s", self.program_id.name),
            "res_model": "g2p.eligibility.preview.area",
            "view_mode": "list,graph",
            "domain": [("preview_id", "=", self.id)],
            "context": {"search_default_group_kind": 1},
        }


class EligibilityPreviewReason(models.TransientModel):
    _name = "g2p.eligibility.preview.reason"
    _description = "Reason in a preview of eligibility"
    _order = "registrants desc, id"

    preview_id = fields.Many2one("g2p.eligibility.preview", required=True, ondelete="cascade")
    verdict = fields.Selection([(NOT_ELIGIBLE, "Not eligible"), (UNKNOWN, "Data missing")])
    reason = fields.Char("First reason")
    registrants = fields.Integer()


class EligibilityPreviewArea(models.TransientModel):
    _name = "g2p.eligibility.preview.area"
    _description = "Area in a preview of eligibility"
    _order = "id"

    preview_id = fields.Many2one("g2p.eligibility.preview", required=True, ondelete="cascade")
    area_id = fields.Many2one("g2p.area", readonly=True, ondelete="cascade")
    kind_id = fields.Many2one("g2p.area.kind", "Level", readonly=True, ondelete="cascade")
    is_top = fields.Boolean("Of the widest level", readonly=True)
    registrants = fields.Integer(readonly=True)
    eligible = fields.Integer(readonly=True)
    not_eligible = fields.Integer(readonly=True)
    unknown = fields.Integer("Data missing", readonly=True)
    share = fields.Float("Eligible, %", readonly=True, digits=(5, 1), aggregator=None)
