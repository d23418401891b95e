import json

from odoo import models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..tools.numbers import Numbering
from .registrant_info import OPEN_STATES

LEFT = ("exited", "graduated")


def check_program(record):
    """Refuse a file with applications to a program that its registrants can't apply to."""
    program = record.mapping_id.program_id
    if not program:
        raise UserError(record.env._("Choose in the mapping which program the applications are to."))
    if program.state != "active":
        raise UserError(record.env._("%s is not active, so nobody can apply to it.", program.name))
    if program.target_type != record.target_type or program.company_id != record.company_id:
        raise UserError(record.env._("Registrants of this file can't apply to %s.", program.name))


class Read(models.AbstractModel):
    _inherit = "g2p.registrant.import.step.read"

    def _check_layout(self, record, lines):
        result = super()._check_layout(record, lines)
        if "application" in lines.mapped("target"):
            check_program(record)
        return result


class ImportStep(models.AbstractModel):
    _inherit = "g2p.registrant.import.step"

    def _refuse_known_ids(self, record, which, seen):
        """Of who is registered: those who can't apply are refused here, as a person who applies for them would be."""
        result = super()._refuse_known_ids(record, which, seen)
        columns = record._columns("application")
        if columns and record.existing_policy == "update":
            program = record.mapping_id.program_id
            self._refuse(
                SQL(
                    """
                    SELECT line.id AS line_id, %(column)s::text AS column_name,
                           CASE WHEN partner.disabled IS NOT NULL THEN %(disabled)s
                                WHEN membership.state = ANY(%(left)s) THEN %(gone)s
                                ELSE %(already)s END AS reason
                      FROM g2p_registrant_import_line AS line
                      JOIN res_partner AS partner ON partner.id = line.partner_id
                      LEFT JOIN g2p_program_membership AS membership
                        ON membership.partner_id = line.partner_id AND membership.program_id = %(program)s
                     WHERE %(rows)s AND line.state = 'ok' AND line.data ? 'application'
                       AND (partner.disabled IS NOT NULL OR membership.state = ANY(%(left)s)
                            OR NOT %(several)s AND EXISTS (
                                SELECT FROM g2p_program_registrant_info AS application
                                 WHERE application.program_membership_id = membership.id
                                   AND application.state = ANY(%(alive)s)
                               ))
                    """,
                    column=columns[0]["column"],
                    disabled=self.env._("is disabled and can't apply"),
                    gone=self.env._("has left the program and can't apply to it"),
                    already=self.env._("has an application to the program already, which allows one"),
                    left=list(LEFT),
                    program=program.id,
                    rows=which,
                    several=bool(program.multiple_form_submission),
                    alive=[*OPEN_STATES, "completed"],
                )
            )
        return result


class Apply(models.AbstractModel):
    """Rows with answers to a program's questions become applications, and their registrants draft members."""

    _inherit = "g2p.registrant.import.step.import"

    def _before(self, record, operation):
        if record._columns("application"):
            check_program(record)
            user = record.with_user(self.env.uid)
            user.env["g2p.program_membership"].check_access("create")
            user.env["g2p.program.registrant_info"].check_access("create")
            user.mapping_id.program_id.check_access("read")
            record.mapping_id.program_id._bulk_check("edit_members")
        return super()._before(record, operation)

    def _write_more(self, record):
        result = super()._write_more(record)
        if record._columns("application"):
            self._write_applications(record)
        return result

    def _write_applications(self, record):
        """Draft members who are none yet, and an application for each row that answers; a constant number of statements."""
        program = record.mapping_id.program_id
        log = {"uid": self.env.uid, "now": SQL("now() AT TIME ZONE 'UTC'"), "program": program.id}
        self.env.cr.execute(
            SQL(
                """
                WITH inserted AS (
                    INSERT INTO g2p_program_membership
                           (partner_id, program_id, state, create_uid, write_uid, create_date, write_date)
                    SELECT partner_id, %(program)s, 'draft', %(uid)s, %(uid)s, %(now)s, %(now)s
                      FROM g2p_import_chunk WHERE data ? 'application' ORDER BY partner_id
                        ON CONFLICT DO NOTHING
                 RETURNING id
                )
                %(history)s
                """,
                history=self.env["g2p.program_membership"]._history_sql(
                    SQL("SELECT id, NULL::varchar, 'draft', NULL::varchar FROM inserted")
                ),
                **log,
            )
        )
        # applications of one member are made one after the other
        self.env.cr.execute(
            SQL(
                """
                WITH locked AS MATERIALIZED (
                    SELECT membership.id FROM g2p_program_membership AS membership
                      JOIN g2p_import_chunk AS chunk ON chunk.partner_id = membership.partner_id
                     WHERE membership.program_id = %(program)s AND chunk.data ? 'application'
                     ORDER BY membership.id
                       FOR NO KEY UPDATE OF membership
                )
                UPDATE g2p_program_registrant_info AS application SET is_latest = FALSE
                  FROM locked WHERE application.program_membership_id = locked.id AND application.is_latest
                """,
                **log,
            )
        )
        numbering = Numbering(self.env)
        definition = program.definition_id
        defaults = {
            question["name"]: question["default"]
            for question in definition.application_schema or ()
            if question.get("default") not in (None, False)
        }
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_program_registrant_info
                       (application_id, applied_date, program_membership_id, registrant_id, program_id, definition_id, state,
                        is_latest, several, program_registrant_info, create_uid, write_uid, create_date, write_date)
                SELECT %(number)s, %(now)s, drawn.membership_id, drawn.partner_id, %(program)s, %(definition)s, 'active', TRUE,
                       %(several)s, %(defaults)s || drawn.answers, %(uid)s, %(uid)s, %(now)s, %(now)s
                  FROM (
                        SELECT membership.id AS membership_id, chunk.partner_id, chunk.data->'application' AS answers,
                               %(drawn)s AS number
                          FROM g2p_import_chunk AS chunk
                          JOIN g2p_program_membership AS membership
                            ON membership.partner_id = chunk.partner_id AND membership.program_id = %(program)s
                         WHERE chunk.data ? 'application'
                         ORDER BY chunk.row_number
                       ) AS drawn
                """,
                number=numbering.text(SQL("drawn.number")),
                drawn=numbering.drawn,
                definition=definition.id,
                several=bool(program.multiple_form_submission),
                defaults=SQL("%s::jsonb", json.dumps(defaults)),
                **log,
            )
        )
        for model in ("g2p.program_membership", "g2p.program.registrant_info"):
            self.env[model].invalidate_model(flush=False)

    def _analyzed(self, record):
        return [*super()._analyzed(record), "g2p_program_membership", "g2p_program_registrant_info"]

    def _finish(self, record, operation):
        result = super()._finish(record, operation)
        if record._columns("application"):
            record.mapping_id.program_id._refresh_counters()
        return result
