"""Registrants who are registered while a program enrols by itself become its members after the registration is saved.

The database notes them: a trigger on the registrants' table writes one row for each program that wants to know, whatever
the channel (form, import, API). So registration never waits for eligibility and never fails because of it. A step of the
engine takes the rows away as it enrols; what it has not done yet stays noted.
"""

from odoo import api, fields, models
from odoo.tools import SQL


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


class Registration(models.AbstractModel):
    _inherit = "g2p.registration"

    @api.model
    def _registered(self, registrants):
        result = super()._registered(registrants)
        self.env["g2p.program"]._auto_enrol_soon()
        return result

    @api.model
    def _own_tables(self):
        """Whom no program has looked at yet can be taken back."""
        return super()._own_tables() | {("g2p_auto_enrol_queue", "partner_id")}
