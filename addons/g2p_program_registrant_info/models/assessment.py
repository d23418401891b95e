from odoo import api, fields, models
from odoo.exceptions import UserError

TRIGGERS = """
-- An assessment is said once: only the entitlement that it led to may be noted later.
CREATE OR REPLACE FUNCTION g2p_assessment_kept() RETURNS trigger AS $$
BEGIN
    RAISE EXCEPTION 'Assessment %: assessments are never changed or deleted', OLD.id
        USING ERRCODE = 'check_violation', TABLE = 'g2p_program_assessment', CONSTRAINT = 'g2p_program_assessment_kept';
END $$ LANGUAGE plpgsql;
CREATE OR REPLACE TRIGGER g2p_assessment_unchanged BEFORE UPDATE ON g2p_program_assessment
    FOR EACH ROW WHEN (
        (OLD.remarks, OLD.author_id, OLD.assessment_date, OLD.program_membership_id, OLD.registrant_info_id)
        IS DISTINCT FROM
        (NEW.remarks, NEW.author_id, NEW.assessment_date, NEW.program_membership_id, NEW.registrant_info_id)
        OR OLD.entitlement_id IS NOT NULL AND NEW.entitlement_id IS DISTINCT FROM OLD.entitlement_id
           AND NEW.entitlement_id IS NOT NULL
    )
    EXECUTE FUNCTION g2p_assessment_kept();
CREATE OR REPLACE TRIGGER g2p_assessment_kept BEFORE DELETE ON g2p_program_assessment
    FOR EACH ROW EXECUTE FUNCTION g2p_assessment_kept();
"""


class Assessment(models.Model):
    """What an officer found about a member or an application: who, when, what. Only ever added to."""

    _name = "g2p.program.assessment"
    _description = "Assessment"
    _order = "id desc"
    _rec_name = "remarks"
    _fixed_fields = ("entitlement_id",)

    _has_remarks = models.Constraint("CHECK (btrim(remarks) <> '')", "An assessment says something.")

    remarks = fields.Text(required=True)
    author_id = fields.Many2one("res.users", required=True, readonly=True, ondelete="restrict")
    assessment_date = fields.Datetime("Assessed on", required=True, readonly=True)
    program_membership_id = fields.Many2one(
        "g2p.program_membership", "Beneficiary", required=True, index=True, ondelete="restrict"
    )
    program_id = fields.Many2one(related="program_membership_id.program_id")
    registrant_info_id = fields.Many2one(
        "g2p.program.registrant_info", "Application", index="btree_not_null", ondelete="restrict"
    )
    entitlement_id = fields.Many2one(
        "g2p.entitlement", readonly=True, index="btree_not_null", ondelete="set null", help="What it led to."
    )
    is_comment = fields.Boolean("Added later", readonly=True, help="Said about the entitlement, after it was made.")

    def init(self):
        self.env.cr.execute(TRIGGERS)

    @api.model_create_multi
    def create(self, vals_list):
        """Who says it is the user, and when is now: nobody speaks for somebody else."""
        prepared = []
        for vals in vals_list:
            if not self.env.su and vals.keys() & {"author_id", "assessment_date"}:
                raise UserError(self.env._("Author and date of an assessment are set by the system."))
            vals = dict(vals)
            entitlement = self.env["g2p.entitlement"].browse(vals.get("entitlement_id"))
            application = self.env["g2p.program.registrant_info"].browse(vals.get("registrant_info_id"))
            if entitlement:
                vals["program_membership_id"] = self._membership_of(entitlement).id
                if application and application.program_membership_id.id != vals["program_membership_id"]:
                    raise UserError(
                        self.env._(
                            "%(application)s is not of the beneficiary of this entitlement.",
                            application=application.display_name,
                        )
                    )
            elif application:
                vals["program_membership_id"] = application.program_membership_id.id
            prepared.append(vals)
        return super().create(prepared)

    @api.model
    def _guard_own_values(self, vals_list):
        now = fields.Datetime.now()
        return [
            {"author_id": self.env.uid, "assessment_date": now, "is_comment": bool(vals.get("entitlement_id"))}
            for vals in vals_list
        ]

    def _membership_of(self, entitlement):
        membership = self.env["g2p.program_membership"].search(
            [("partner_id", "=", entitlement.partner_id.id), ("program_id", "=", entitlement.program_id.id)], limit=1
        )
        if not membership:
            raise UserError(self.env._("%s is no member of the program any more.", entitlement.partner_id.name))
        return membership

    def write(self, vals):
        if not self.env.su:
            raise UserError(self.env._("An assessment stays as it was written: add another one."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("An assessment is never deleted: add another one that corrects it."))
