from odoo import fields, models
from odoo.tools import SQL

from ....tools.kleene import three_valued
from ...eligibility.verdicts import NOT_ELIGIBLE


class AutoEnrol(models.AbstractModel):
    """Registrants who were registered while the program enrols by itself become its members."""

    _name = "g2p.program.step.auto_enrol"
    _inherit = "g2p.program.step"
    _description = "Enrol new registrants"

    _step = "auto_enrol"
    _place = 50
    _relies_on = ("load_list",)
    #: whom a cancelled run did not look at stays noted: the next one does
    _given_up = True

    def _label(self):
        return self.env._("Enrol new registrants")

    def _outcomes(self):
        _ = self.env._
        return {
            "enrolled": (_("Newly enrolled"), "done"),
            "not_eligible": (_("Not eligible"), "skipped"),
            "unknown": (_("Data missing"), "skipped"),
            "passed": (_("Not asked for, or members already"), "skipped"),
        }

    def _rows(self, program, operation, outcome):
        if outcome == "passed":
            return "res.partner", operation._noted_rows(outcome)
        state = {"enrolled": "enrolled", "not_eligible": "not_eligible", "unknown": "draft"}.get(outcome)
        if state:
            return "g2p.program_membership", operation._moved_rows("g2p.program_membership", state)
        return super()._rows(program, operation, outcome)

    def _source(self, program, operation):
        return SQL("SELECT partner_id AS key FROM g2p_auto_enrol_queue WHERE program_id = %s", program.id)

    def _chunk(self, program, operation, low, high):
        """Decide for the noted registrants in the range, make them members, and take the notes away."""
        query = self.env["res.partner"].sudo().with_context(active_test=False)  # sudo: as for the managers
        asked = three_valued(program._conditions("auto_enrol_domain"), query).certain & program._base_domain()
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
            program=program.id,
            range=program._range_sql("membership", low, high),
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
                ), logged AS (%(history)s), noted AS (%(noted)s)
                SELECT (SELECT COUNT(*) FROM verdict WHERE verdict = 'eligible'),
                       (SELECT COUNT(*) FROM verdict WHERE verdict = 'not_eligible'),
                       (SELECT COUNT(*) FROM verdict WHERE verdict = 'unknown'),
                       (SELECT COUNT(*) FROM taken) - (SELECT COUNT(*) FROM verdict)
                """,
                program=program.id,
                low=low,
                high=high,
                verdicts=program._eligibility_verdicts(candidates, low, high),
                left_out=NOT_ELIGIBLE if program.auto_enrol_delete_ineligible else "",
                now=self.env.cr.now(),
                uid=operation.user_id.id,
                history=self.env["g2p.program_membership"]._history_sql(
                    SQL("SELECT id, NULL::varchar, state, reason FROM inserted"), operation
                ),
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
