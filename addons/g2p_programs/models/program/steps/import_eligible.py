from odoo import models
from odoo.tools import SQL


class ImportEligible(models.AbstractModel):
    """Every eligible registrant who is not a member yet becomes one."""

    _name = "g2p.program.step.import_eligible"
    _inherit = "g2p.program.step"
    _description = "Import eligible registrants"

    _step = "import_eligible"
    _place = 10
    _relies_on = ("load_list",)

    _button = "import_eligible_registrants"
    _asked_as = "import"
    _groups = "g2p_programs.g2p_program_validator"
    _visible = "state == 'active' and active"

    def _label(self):
        return self.env._("Import eligible registrants")

    def _question(self, program):
        [[eligible]] = self.env.execute_query(SQL("SELECT COUNT(*) FROM (%s) AS eligible", self._source(program, None)))
        return self.env._(
            "%(eligible)s registrants meet the conditions and are not members yet. They become enrolled members of "
            "%(program)s.",
            eligible=program._number(eligible),
            program=program.name,
        )

    def _next(self, program):
        return program.state == "active" and not program.have_members and 10

    def _outcomes(self):
        return {"imported": (self.env._("Imported"), "done")}

    def _rows(self, program, operation, outcome):
        if outcome == "imported":
            return "g2p.program_membership", operation._moved_rows("g2p.program_membership")
        return super()._rows(program, operation, outcome)

    def _source(self, program, operation):
        return SQL(
            """
            SELECT eligible.registrant_id AS key
              FROM (%(eligible)s) AS eligible
             WHERE NOT EXISTS (
                    SELECT FROM g2p_program_membership AS membership
                     WHERE membership.program_id = %(program)s AND membership.partner_id = eligible.registrant_id
                   )
            """,
            eligible=program._eligible_registrants(),
            program=program.id,
        )

    def _chunk(self, program, operation, low, high):
        state = operation.params["state"]
        self.env.cr.execute(
            SQL(
                """
                WITH inserted AS (
                    INSERT INTO g2p_program_membership
                           (partner_id, program_id, state, eligibility_verdict, enrollment_date,
                            create_uid, write_uid, create_date, write_date)
                    SELECT eligible.registrant_id, %(program)s, %(state)s, 'eligible', %(enrollment_date)s,
                           %(uid)s, %(uid)s, %(now)s, %(now)s
                      FROM (%(eligible)s) AS eligible
                     ORDER BY eligible.registrant_id
                        ON CONFLICT DO NOTHING
                 RETURNING id
                ), logged AS (%(history)s)
                SELECT COUNT(*) FROM inserted
                """,
                eligible=program._eligible_registrants(low, high),
                program=program.id,
                state=state,
                enrollment_date=self.env.cr.now() if state == "enrolled" else None,
                uid=operation.user_id.id,
                now=self.env.cr.now(),
                history=self.env["g2p.program_membership"]._history_sql(
                    SQL("SELECT id, NULL::varchar, %s, NULL::varchar FROM inserted", state), operation
                ),
            )
        )
        [count] = self.env.cr.fetchone()
        return {"imported": count}
