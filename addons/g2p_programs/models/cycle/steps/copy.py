from odoo import fields, models
from odoo.tools import SQL


class Copy(models.AbstractModel):
    """Every enrolled member of the program who is not in the cycle yet enters it."""

    _name = "g2p.cycle.step.copy"
    _inherit = "g2p.cycle.step"
    _description = "Copy beneficiaries"

    _step = "copy"
    _place = 10
    _from_states = ("draft",)
    _moves = ("g2p.cycle.membership",)
    _relies_on = (
        "g2p.program:import_eligible",
        "g2p.program:enroll",
        "g2p.program:verify",
        "g2p.program:deduplicate",
        "g2p.program:auto_enrol",
    )
    _completed_by = ("cancel_entitlements",)

    _button = "copy_beneficiaries_from_program"
    _groups = "g2p_programs.g2p_program_manager"
    _visible = "state == 'draft'"
    _stage = 1

    def _label(self):
        return self.env._("Copy beneficiaries from program")

    def _title(self):
        return self.env._("Copy beneficiaries")

    def _help(self):
        return self.env._("Bring the enrolled members of the program into this cycle")

    def _question(self, cycle):
        text = self.env._(
            "%(program)s has %(enrolled)s enrolled members. Those who are not in %(cycle)s yet are copied into it. "
            "While the cycle is a draft you can remove them again.",
            **cycle._told(),
        )
        duplicates = cycle.program_id._waiting_duplicates_text()
        return f"{text} {duplicates}" if duplicates else text

    def _next(self, cycle):
        return cycle.state == "draft" and not cycle.members_count and 10

    def _next_words(self, cycle):
        return self.env._("Copy the enrolled members of the program into the cycle.")

    def _outcomes(self):
        return {"copied": (self.env._("Copied"), "done")}

    def _rows(self, cycle, operation, outcome):
        if outcome == "copied":
            return "g2p.cycle.membership", operation._moved_rows("g2p.cycle.membership")
        return super()._rows(cycle, operation, outcome)

    def _source(self, cycle, operation):
        manager = cycle.program_id.get_manager(cycle.program_id.MANAGER_PROGRAM)
        return SQL(
            """
            SELECT member.registrant_id AS key
              FROM (%(members)s) AS member
             WHERE NOT EXISTS (
                    SELECT FROM g2p_cycle_membership AS known
                     WHERE known.cycle_id = %(cycle)s AND known.partner_id = member.registrant_id
                   )
            """,
            members=manager._next_cycle_members(cycle),
            cycle=cycle.id,
        )

    def _chunk(self, cycle, operation, low, high):
        manager = cycle.program_id.get_manager(cycle.program_id.MANAGER_PROGRAM)
        self.env.cr.execute(
            SQL(
                """
                WITH inserted AS (
                    INSERT INTO g2p_cycle_membership
                           (partner_id, cycle_id, enrollment_date, state, create_uid, write_uid, create_date, write_date)
                    SELECT member.registrant_id, %(cycle)s, %(today)s, 'enrolled', %(uid)s, %(uid)s, %(now)s, %(now)s
                      FROM (%(members)s) AS member
                     WHERE EXISTS (SELECT FROM g2p_cycle WHERE id = %(cycle)s AND state = 'draft')
                     ORDER BY member.registrant_id
                        ON CONFLICT DO NOTHING
                 RETURNING id
                ), logged AS (%(history)s)
                SELECT COUNT(*) FROM inserted
                """,
                members=manager._next_cycle_members(cycle, low, high),
                cycle=cycle.id,
                today=fields.Date.context_today(cycle),
                uid=operation.user_id.id,
                now=self.env.cr.now(),
                history=self.env["g2p.cycle.membership"]._history_sql(
                    SQL("SELECT id, NULL::varchar, 'enrolled', NULL::varchar FROM inserted"), operation
                ),
            )
        )
        [count] = self.env.cr.fetchone()
        self.env["g2p.cycle.membership"].invalidate_model()
        return {"copied": count}
