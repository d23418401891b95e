from odoo import models
from odoo.tools import SQL


class Enroll(models.AbstractModel):
    """Candidates become enrolled or not eligible. Exited, paused and duplicated members stay as they are."""

    _name = "g2p.program.step.enroll"
    _inherit = "g2p.program.step"
    _description = "Enroll eligible registrants"

    _step = "enroll"
    _place = 20
    _relies_on = (
        "load_list",
        "import_eligible",
        "deduplicate",
    )

    _button = "enroll_eligible_registrants"
    _groups = "g2p_programs.g2p_program_validator"
    _visible = "state == 'active' and active and have_members"

    def _label(self):
        return self.env._("Enroll eligible registrants")

    def _title(self):
        return self.env._("Enroll eligible")

    def _question(self, program):
        return self.env._(
            "%(draft)s draft, %(not_eligible)s not eligible and %(enrolled)s enrolled members are decided on: who "
            "meets the conditions is enrolled, the others become not eligible. Paused, exited and duplicated "
            "members stay as they are.",
            **program._told(),
        )

    def _next(self, program):
        return program.state == "active" and program.draft_count and 20

    def _outcomes(self):
        _ = self.env._
        return {
            "enrolled": (_("Newly enrolled"), "done"),
            "already": (_("Already enrolled"), "done"),
            "not_eligible": (_("Not eligible"), "skipped"),
            "unknown": (_("Data missing"), "skipped"),
        }

    def _rows(self, program, operation, outcome):
        """Members: those who moved by the history; of the others, by the verdict they were given and did not lose since."""
        model = "g2p.program_membership"
        mine = self._mine(program, operation, outcome)
        enrolled = operation._moved_rows(model, "enrolled")
        rows = {
            "enrolled": enrolled,
            "exited": operation._moved_rows(model, "exited"),
            "already": SQL(
                "%s AND t.state = 'enrolled' AND t.eligibility_verdict = 'eligible' AND NOT %s", mine, enrolled
            ),
            "not_eligible": SQL("%s AND t.state = 'not_eligible' AND t.eligibility_verdict = 'not_eligible'", mine),
            "unknown": SQL("%s AND t.state IN ('draft', 'enrolled') AND t.eligibility_verdict = 'unknown'", mine),
        }
        return (model, rows[outcome]) if outcome in rows else super()._rows(program, operation, outcome)

    def _check_may(self, program):
        result = super()._check_may(program)
        program._check_has_members()
        return result

    def _source(self, program, operation):
        return SQL(
            "SELECT partner_id AS key FROM g2p_program_membership WHERE program_id = %s AND state = ANY(%s)",
            program.id,
            operation.params["states"],
        )

    def _chunk(self, program, operation, low, high):
        return program._apply_eligibility(low, high, operation.params["states"], operation)


class Verify(models.AbstractModel):
    """Enrolled members who no longer match become not eligible, and the other way round; drafts stay."""

    _name = "g2p.program.step.verify"
    _inherit = "g2p.program.step.enroll"
    _description = "Verify eligibility"

    _step = "verify"
    _place = 30

    _button = "verify_eligibility"

    def _label(self):
        return self.env._("Verify eligibility")

    def _title(self):
        return self._label()

    def _question(self, program):
        return self.env._(
            "%(enrolled)s enrolled and %(not_eligible)s not eligible members are checked again: who no longer meets "
            "the conditions becomes not eligible, and the other way round. Drafts stay drafts.",
            **program._told(),
        )

    def _next(self, program):
        return False

    def _outcomes(self):
        return {**super()._outcomes(), "exited": (self.env._("Not eligible any more, exited"), "done")}

    def _chunk(self, program, operation, low, high):
        return program._apply_eligibility(low, high, operation.params["states"], operation, exits=program.auto_exit)
