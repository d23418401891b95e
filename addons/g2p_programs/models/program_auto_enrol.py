"""Registrants who are registered while a program enrols by itself become its members after the registration is saved.

The database notes them: a trigger on the registrants' table writes one row for each program that wants to know, whatever
the channel (form, import, API). So registration never waits for eligibility and never fails because of it. A step of the
engine takes the rows away as it enrols; what it has not done yet stays noted.
"""

import logging

from odoo import api, fields, models
from odoo.tools import SQL

from ..tools.constants import GROUP_VALIDATOR
from ..tools.kleene import three_valued
from .program_eligibility import NOT_ELIGIBLE

_logger = logging.getLogger(__name__)

CRON = "g2p_programs.cron_auto_enrol"


class Program(models.Model):
    _name = "g2p.program"
    _inherit = ["g2p.program", "g2p.condition.mixin"]

    auto_enrol = fields.Boolean(
        "Enrol new registrants",
        tracking=True,
        copy=False,
        help="Registrants of the program's target type who are registered from now on become members by themselves.",
    )
    auto_enrol_domain = fields.Char(
        "New registrants matching", default="[]", help="Only these are looked at; empty means everybody."
    )
    auto_enrol_delete_ineligible = fields.Boolean(
        "Leave no trace of who is not eligible",
        help="New registrants who are not eligible do not become members at all, instead of not eligible ones.",
    )
    # The names by which OpenG2P's clients know the three settings
    auto_enrol_partners = fields.Boolean(related="auto_enrol", readonly=False, string="Auto-enrol")
    auto_enrol_partners_domain = fields.Char(
        related="auto_enrol_domain", readonly=False, string="Conditions of auto-enrolment"
    )
    auto_enrol_partners_delete_not_eligible = fields.Boolean(
        related="auto_enrol_delete_ineligible", readonly=False, string="Auto-enrolment removes who is not eligible"
    )
    auto_enrol_waiting = fields.Integer("New registrants waiting", compute="_compute_auto_enrol")
    auto_enrol_error = fields.Char("Why enrolment of new registrants stopped", compute="_compute_auto_enrol")

    def _compute_auto_enrol(self):
        # sudo: a number, and the message of the program's own operation
        waiting = dict(
            self.env["g2p.auto.enrol.queue"]
            .sudo()
            ._read_group([("program_id", "in", self.ids)], ["program_id"], ["__count"])
        )
        waiting = {program.id: count for program, count in waiting.items()}
        for program in self:
            program.auto_enrol_waiting = waiting.get(program.id, 0)
            last = program._last_auto_enrol()
            program.auto_enrol_error = last.last_error or False if last.state == "failed" else False

    def _last_auto_enrol(self):
        # sudo: the program's own operation
        return (
            self.env["g2p.bulk.operation"]
            .sudo()
            .search(
                [("res_model", "=", self._name), ("res_id", "=", self.id), ("step", "=", "auto_enrol")],
                order="id DESC",
                limit=1,
            )
        )

    def _condition_fields(self):
        return {**super()._condition_fields(), "auto_enrol_domain": "res.partner"}

    # The step

    def _bulk_steps(self):
        return {**super()._bulk_steps(), "auto_enrol": self.env._("Enrol new registrants")}

    def _bulk_outcomes(self):
        _ = self.env._
        return {**super()._bulk_outcomes(), "passed": (_("Not asked for, or members already"), "skipped")}

    def _bulk_rows(self, operation, outcome):
        if operation.step == "auto_enrol":
            if outcome == "passed":
                return "res.partner", operation._noted_rows(outcome)
            state = {"enrolled": "enrolled", "not_eligible": "not_eligible", "unknown": "draft"}.get(outcome)
            if state:
                model = "g2p.program_membership"
                return model, operation._moved_rows(model, state)
        return super()._bulk_rows(operation, outcome)

    @api.model
    def _bulk_relies_on(self):
        return {**super()._bulk_relies_on(), "auto_enrol": ()}

    @api.model
    def _bulk_from_states(self):
        return {**super()._bulk_from_states(), "auto_enrol": ("active",)}

    @api.model
    def _bulk_given_up(self):
        """Whom a cancelled run did not look at stays noted: the next one does."""
        return (*super()._bulk_given_up(), "auto_enrol")

    def action_auto_enrol(self):
        """Button: do not wait for the schedule."""
        self.ensure_one()
        self._check_can(GROUP_VALIDATOR)
        self.check_access("write")
        self._check_active()
        return self._bulk_start("auto_enrol")._notification()

    def _bulk_source_auto_enrol(self, operation):
        return SQL("SELECT partner_id AS key FROM g2p_auto_enrol_queue WHERE program_id = %s", self.id)

    def _bulk_chunk_auto_enrol(self, operation, low, high):
        """Decide for the noted registrants in the range, make them members, and take the notes away."""
        query = self.env["res.partner"].sudo().with_context(active_test=False)  # sudo: as for the managers
        asked = three_valued(self._conditions("auto_enrol_domain"), query).certain & self._base_domain()
        found = query._search(asked & fields.Domain("id", ">", low) & fields.Domain("id", "<=", high))
        candidates = SQL(
            """
            SELECT noted.partner_id AS id, noted.partner_id, 'draft' AS state
              FROM taken AS noted
             WHERE noted.partner_id IN (%(asked)s)
               AND noted.partner_id NOT IN (
                    SELECT partner_id FROM g2p_program_membership AS membership
                     WHERE membership.program_id = %(program)s AND %(range)s
                   )
            """,
            asked=found.select(),
            program=self.id,
            range=self._range_sql("membership", low, high),
        )
        self.env.cr.execute(
            SQL(
                """
                WITH taken AS (
                    DELETE FROM g2p_auto_enrol_queue
                     WHERE program_id = %(program)s AND partner_id > %(low)s AND partner_id <= %(high)s
                 RETURNING partner_id
                ), verdict AS MATERIALIZED (%(verdicts)s
                ), inserted AS (
                    INSERT INTO g2p_program_membership
                           (partner_id, program_id, state, eligibility_verdict, reason, enrollment_date,
                            create_uid, write_uid, create_date, write_date)
                    SELECT partner_id, %(program)s,
                           CASE verdict WHEN 'eligible' THEN 'enrolled' WHEN 'unknown' THEN 'draft' ELSE verdict END,
                           verdict, reason, CASE WHEN verdict = 'eligible' THEN %(now)s END,
                           %(uid)s, %(uid)s, %(now)s, %(now)s
                      FROM verdict
                     WHERE verdict <> %(left_out)s
                     ORDER BY partner_id
                        ON CONFLICT DO NOTHING
                 RETURNING id, state, reason
                ), logged AS (
                    INSERT INTO g2p_state_history
                           (res_model, res_id, from_state, to_state, reason, user_id, operation_id, date)
                    SELECT 'g2p.program_membership', id, NULL, state, reason, %(uid)s, %(operation)s, %(now)s
                      FROM inserted
                ), noted AS (%(noted)s)
                SELECT (SELECT COUNT(*) FROM verdict WHERE verdict = 'eligible'),
                       (SELECT COUNT(*) FROM verdict WHERE verdict = 'not_eligible'),
                       (SELECT COUNT(*) FROM verdict WHERE verdict = 'unknown'),
                       (SELECT COUNT(*) FROM taken) - (SELECT COUNT(*) FROM verdict)
                """,
                program=self.id,
                low=low,
                high=high,
                verdicts=self._eligibility_verdicts(candidates, low, high),
                left_out=NOT_ELIGIBLE if self.auto_enrol_delete_ineligible else "",
                now=self.env.cr.now(),
                uid=operation.user_id.id,
                operation=operation.id,
                noted=operation._note_sql(
                    SQL(
                        "SELECT 'passed', partner_id FROM taken WHERE partner_id NOT IN (SELECT partner_id FROM verdict)"
                    )
                ),
            )
        )
        names = ("enrolled", "not_eligible", "unknown", "passed")
        counts = dict(zip(names, self.env.cr.fetchone(), strict=True))
        self.env["g2p.program_membership"].invalidate_model()
        return counts

    def _bulk_finish_auto_enrol(self, operation):
        self._refresh_counters()

    @api.model
    def _cron_auto_enrol(self):
        """Enrol who was noted, program by program. One that fails keeps its notes, says why on its form, and waits for
        somebody to resume or cancel it; the others go on."""
        waiting = self.browse(
            row[0]
            for row in self.env.execute_query(
                SQL(
                    """
                    SELECT program.id
                      FROM g2p_program AS program
                     WHERE program.state = 'active' AND program.active AND program.auto_enrol
                       AND EXISTS (SELECT FROM g2p_auto_enrol_queue AS noted WHERE noted.program_id = program.id)
                     ORDER BY program.id
                    """
                )
            )
        )
        for program in waiting:
            if program._last_auto_enrol().state in ("pending", "running", "failed") or program._bulk_refusal(
                "auto_enrol"
            ):
                continue
            try:
                program._bulk_start("auto_enrol")
            except Exception:  # one program's trouble is not the others'
                _logger.exception("New registrants could not be enrolled into program %s", program.id)

    @api.model
    def _auto_enrol_soon(self):
        """Called where registrants are registered: have the noted ones enrolled once this transaction is saved."""
        # sudo: whoever registers somebody makes the schedule look; it decides nothing for them
        if self.sudo().search_count([("auto_enrol", "=", True), ("state", "=", "active")], limit=1):
            self.env.ref(CRON).sudo()._trigger()


class AutoEnrolQueue(models.Model):
    """A registrant whom a program has yet to look at. Written by the database, taken away by the step."""

    _name = "g2p.auto.enrol.queue"
    _description = "New registrant to enrol"
    _log_access = False
    _order = "id"

    _program_partner_uniq = models.Constraint("UNIQUE (program_id, partner_id)", "The registrant is noted already.")

    program_id = fields.Many2one("g2p.program", required=True, ondelete="cascade")
    partner_id = fields.Many2one("res.partner", "Registrant", required=True, index=True, ondelete="cascade")

    def init(self):
        for name, registrants, trigger in (
            (
                "g2p_note_new_registrants",
                SQL("new_registrants"),
                SQL("AFTER INSERT ON res_partner REFERENCING NEW TABLE AS new_registrants FOR EACH STATEMENT"),
            ),
            (
                "g2p_note_new_registrant",
                SQL("(SELECT NEW.*)"),
                SQL(
                    "AFTER UPDATE OF is_registrant ON res_partner "
                    "FOR EACH ROW WHEN (NEW.is_registrant AND OLD.is_registrant IS NOT TRUE)"
                ),
            ),
        ):
            # Without the tables (the module was removed) the triggers do nothing: they stand on the registry's table.
            self.env.cr.execute(
                SQL(
                    """
                    CREATE OR REPLACE FUNCTION %(name)s() RETURNS trigger AS $$
                    BEGIN
                        IF to_regclass('g2p_auto_enrol_queue') IS NULL THEN
                            RETURN NULL;
                        END IF;
                        IF EXISTS (SELECT FROM g2p_program WHERE auto_enrol AND state = 'active' AND active) THEN
                            INSERT INTO g2p_auto_enrol_queue (program_id, partner_id)
                            SELECT program.id, registrant.id
                              FROM g2p_program AS program
                              JOIN g2p_program_definition AS definition ON definition.id = program.definition_id
                              JOIN %(registrants)s AS registrant
                                ON COALESCE(registrant.is_group, FALSE) = (definition.target_type = 'group')
                               AND COALESCE(registrant.company_id, program.company_id) = program.company_id
                             WHERE program.auto_enrol AND program.state = 'active' AND program.active
                               AND registrant.is_registrant
                                ON CONFLICT DO NOTHING;
                        END IF;
                        RETURN NULL;
                    END $$ LANGUAGE plpgsql;

                    CREATE OR REPLACE TRIGGER %(name)s %(trigger)s EXECUTE FUNCTION %(name)s();
                    """,
                    name=SQL.identifier(name),
                    registrants=registrants,
                    trigger=trigger,
                )
            )


class ResPartner(models.Model):
    _inherit = "res.partner"

    @api.model_create_multi
    def create(self, vals_list):
        partners = super().create(vals_list)
        if any(partner.is_registrant for partner in partners):
            self.env["g2p.program"]._auto_enrol_soon()
        return partners


class RegistrantImport(models.Model):
    _inherit = "g2p.registrant.import"

    def _bulk_finish_import(self, operation):
        result = super()._bulk_finish_import(operation)
        self.env["g2p.program"]._auto_enrol_soon()
        return result

    def _tables_of_registrants(self):
        """Whom no program has looked at yet can be taken back."""
        return super()._tables_of_registrants() | {("g2p_auto_enrol_queue", "partner_id")}
