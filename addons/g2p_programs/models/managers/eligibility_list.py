from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.g2p_approval.tools import digest

from ...tools.explain import fact


class ListEligibilityManager(models.Model):
    """Registrants that a file names, by an ID or by their reference in the registry."""

    _name = "g2p.program_membership.manager.list"
    _description = "Eligibility by a list from a file"
    _inherit = "g2p.program_membership.manager"

    _reason_code = "not_in_list"

    file_name = fields.Char("File", readonly=True, copy=False)
    loaded_on = fields.Datetime(readonly=True, copy=False)
    loaded_by = fields.Many2one("res.users", readonly=True, copy=False)
    lines_count = fields.Integer("Lines", compute="_compute_lines", help="Lines of the file.")
    matched_count = fields.Integer("Found in the registry", compute="_compute_lines")
    unmatched_count = fields.Integer("Not found", compute="_compute_lines")

    def _compute_lines(self):
        counts = {
            (manager, problem): count
            for manager, problem, count in self.env["g2p.eligibility.list.line"]._read_group(
                [("manager_id", "in", self.ids)], ["manager_id", "problem"], ["__count"]
            )
        }
        for manager in self:
            mine = {problem: count for (owner, problem), count in counts.items() if owner == manager}
            manager.lines_count = sum(mine.values())
            manager.matched_count = mine.get(False, 0)
            manager.unmatched_count = manager.lines_count - manager.matched_count

    @api.model_create_multi
    def create(self, vals_list):
        # Who loaded which file is written by the load itself.
        for vals in vals_list:
            if not self.env.su:
                for name in ("file_name", "loaded_on", "loaded_by"):
                    vals.pop(name, None)
        return super().create(vals_list)

    def copy(self, default=None):
        """A copy of the manager names the same registrants."""
        copies = super().copy(default)
        for manager, copied in zip(self, copies, strict=True):
            self.env.flush_all()
            self.env.cr.execute(
                SQL(
                    """
                    INSERT INTO g2p_eligibility_list_line (manager_id, row_number, id_type, value, partner_id, problem)
                    SELECT %s, row_number, id_type, value, partner_id, problem
                      FROM g2p_eligibility_list_line WHERE manager_id = %s
                    """,
                    copied.id,
                    manager.id,
                )
            )
        return copies

    # Whom a list names in a program that runs is agreed to: with the list, when it is added

    def _check_loadable(self):
        if self._proposal_waits():
            raise UserError(
                self.env._(
                    "“%s” is in use, so somebody else has to agree to whom it names: add another list, load the file into that, and "
                    "propose to remove this one. The new one serves when it is agreed to.",
                    self.display_name,
                )
            )

    def _proposal_snapshot(self):
        rows = SQL(
            "SELECT id, concat_ws('|', row_number, id_type, value, partner_id) FROM g2p_eligibility_list_line"
            " WHERE manager_id = %s",
            self.id,
        )
        self.env.flush_all()
        return {**super()._proposal_snapshot(), "lines": self.env.execute_query(digest.of_rows(rows))[0]}

    def _proposal_make(self, act, values, lines, follows=()):
        if act == "add":
            count = self.env._(
                "%(lines)s, of whom %(found)s are found", lines=self.lines_count, found=self.matched_count
            )
            lines = [*lines, {"label": self.env._("Lines"), "before": "–", "after": count}]
        return super()._proposal_make(act, values, lines, follows)

    def action_load_file(self):
        """Button: choose the file."""
        self.ensure_one()
        self._check_loadable()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Load a list"),
            "res_model": "g2p.eligibility.list.load",
            "view_mode": "form",
            "target": "new",
            "context": {"default_manager_id": self.id},
        }

    def action_open_unmatched(self):
        """Button: the lines whose registrant was not found."""
        return self._open_lines(self.env._("Lines not found"), [("problem", "!=", False)])

    def action_open_lines(self):
        """Button: all lines."""
        return self._open_lines(self.env._("Lines of the list"), [])

    def _open_lines(self, name, domain):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": "g2p.eligibility.list.line",
            "view_mode": "list",
            "views": [(False, "list")],
            "domain": [("manager_id", "=", self.id), *domain],
        }

    def _criterion(self):
        return SQL(
            """
            base.registrant_id IN (
                    SELECT line.partner_id
                      FROM g2p_eligibility_list_line AS line
                     WHERE line.manager_id = %s AND line.partner_id IS NOT NULL
                   )
            """,
            self.id,
        )

    def _reason_detail(self):
        return self._or_conditions(self.env._("Is not in the list “%s”", self.name))

    def _criterion_facts(self, registrant_ids):
        # sudo: only whether a registrant whom the caller may read is in the list
        lines = self.env["g2p.eligibility.list.line"].sudo()
        listed = dict(
            lines._read_group(
                [("manager_id", "=", self.id), ("partner_id", "in", list(registrant_ids))],
                ["partner_id"],
                ["row_number:min"],
            )
        )
        rows = {partner.id: row for partner, row in listed.items()}
        return {
            registrant_id: fact(
                self.env,
                code="list",
                label=self.env._("List “%s”", self.name),
                operator="=",
                wanted=self.env._("in the list"),
                actual=self.env._("in row %s", rows[registrant_id])
                if registrant_id in rows
                else self.env._("not in the list"),
                verdict="yes" if registrant_id in rows else "no",
            )
            for registrant_id in registrant_ids
        }


class EligibilityListLine(models.Model):
    """A line of the file: whom it names, or why nobody was found. Written by the load only."""

    _name = "g2p.eligibility.list.line"
    _inherit = ["g2p.bulk.row.mixin"]
    _personal_fields = {"value": "identity"}
    _description = "Line of an eligibility list"
    _rec_name = "partner_id"
    _order = "manager_id, row_number, id"
    _log_access = False

    _manager_partner = models.Index("(manager_id, partner_id)")
    _manager_problem = models.Index("(manager_id, row_number) WHERE problem IS NOT NULL")

    manager_id = fields.Many2one("g2p.program_membership.manager.list", required=True, ondelete="cascade")
    row_number = fields.Integer("Row", aggregator=None)
    id_type = fields.Char("ID type", help="As the file has it; empty when the line names a registrant by reference.")
    value = fields.Char("ID or reference")
    partner_id = fields.Many2one("res.partner", "Registrant", index="btree_not_null", ondelete="set null")
    problem = fields.Selection(
        [
            ("empty", "The line has no value"),
            ("shortened", "The spreadsheet has shortened the number, or holds a formula: type it as text"),
            ("type", "No such ID type"),
            ("not_found", "No registrant has it"),
            ("several", "Several registrants have it"),
            ("not_reachable", "Not of the program: disabled, or of another target type or company"),
        ],
        "Why not found",
    )
