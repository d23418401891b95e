import re

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

FREQUENCIES = [
    ("Daily", "Daily"),
    ("Weekly", "Weekly"),
    ("Fortnightly", "Fortnightly"),
    ("Monthly", "Monthly"),
    ("BiMonthly", "Every two months"),
    ("Quarterly", "Quarterly"),
    ("SemiAnnually", "Twice a year"),
    ("Annually", "Annually"),
    ("OnDemand", "On demand"),
]


class ProgramDefinition(models.Model):
    """The static side of a program: what it gives, to whom, how often. One definition can be run again."""

    _name = "g2p.program.definition"
    _inherit = ["g2p.change.mixin"]
    _description = "Program definition"
    _order = "program_mnemonic"
    _rec_name = "program_mnemonic"
    _fixed_fields = ("company_id",)

    _program_mnemonic_uniq = models.Constraint(
        "UNIQUE (program_mnemonic)", "A program with this mnemonic exists already: choose another mnemonic."
    )

    program_mnemonic = fields.Char(
        "Mnemonic", required=True, copy=False, help="Short code of the program in files and messages."
    )
    description = fields.Text()
    target_type = fields.Selection(
        [("group", "Group"), ("individual", "Individual")], required=True, default="group", index=True
    )
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company, ondelete="restrict"
    )
    currency_id = fields.Many2one(
        "res.currency", required=True, default=lambda self: self.env.company.currency_id, ondelete="restrict"
    )
    # Kept for OpenG2P's scripts, and on no screen: people are enrolled when somebody enrols them, or when they are registered.
    enrollment_frequency = fields.Selection(FREQUENCIES, required=True, default="OnDemand")
    disbursement_frequency = fields.Selection(
        FREQUENCIES,
        required=True,
        default="OnDemand",
        help="How long a cycle is. It is the recurrence of the cycle manager in one word: whichever is changed, the other "
        "follows. On demand: the cycle manager says.",
    )
    benefit_code_line_ids = fields.One2many(
        "g2p.program.benefit.codes", "definition_id", string="Benefit codes", copy=True
    )
    benefit_code_ids = fields.Many2many(
        "g2p.benefit.codes",
        "g2p_benefit_codes_g2p_program_definition_rel",
        "g2p_program_definition_id",
        "g2p_benefit_codes_id",
        compute="_compute_benefit_code_ids",
        store=True,
        help="The codes of the lines below, as a plain relation for reports and other systems.",
    )

    @api.depends("benefit_code_line_ids.benefit_code_id")
    def _compute_benefit_code_ids(self):
        for definition in self:
            definition.benefit_code_ids = definition.benefit_code_line_ids.benefit_code_id

    def write(self, vals):
        changed = self.filtered(
            lambda definition: any(
                name in vals and self._fields[name].convert_to_write(definition[name], definition) != vals[name]
                for name in ("target_type", "currency_id", "company_id")
            )
        )
        # sudo: what hangs on a program counts whether or not the user may see it; only the refusal is shown
        used = [
            self.env[model].sudo().search_count([("program_id.definition_id", "in", changed.ids)], limit=1)
            for model in ("g2p.program_membership", "g2p.cycle", "g2p.program.fund")
        ]
        if any(used):
            raise UserError(
                self.env._(
                    "Target type, currency and company of a program can't be changed once it has members, cycles or "
                    "funds: make a new program."
                )
            )
        result = super().write(vals)
        if "currency_id" in vals:
            self.benefit_code_line_ids._check_currency()
        if "disbursement_frequency" in vals and not self.env.context.get("g2p_frequency_known"):
            managers = self.env["g2p.cycle.manager.default"]
            recurrence = managers._recurrence_of(vals["disbursement_frequency"])
            if recurrence:
                # sudo: who may change the frequency was checked by the write above, and this is the same fact
                managers.sudo().search([("program_id.definition_id", "in", self.ids)]).with_context(
                    g2p_frequency_known=True
                ).write(recurrence)
        if "target_type" in vals:
            # sudo: a rule that can't work any more is refused whether or not the user may see it
            for program in self.env["g2p.program"].sudo().search([("definition_id", "in", self.ids)]):
                program._check_managers_fit_target()
        return result

    @api.constrains("program_mnemonic")
    def _check_program_mnemonic(self):
        for definition in self:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", definition.program_mnemonic or ""):
                raise ValidationError(
                    self.env._(
                        "%(mnemonic)s can't be a mnemonic: use letters, digits, dots, dashes and underscores.",
                        mnemonic=definition.program_mnemonic,
                    )
                )

    @api.model
    def _free_mnemonic(self, name):
        """A mnemonic made from a program's name that no definition has yet: "Child Grant" gives CHILD-GRANT."""
        stem = re.sub(r"[^A-Z0-9]+", "-", (name or "").upper()).strip("-")[:40] or "PROGRAM"
        taken = set(
            self.sudo()  # mnemonics are unique across companies, also those the user can't see; none is shown
            .search([("program_mnemonic", "=like", f"{stem}%")])
            .mapped("program_mnemonic")
        )
        if stem not in taken:
            return stem
        number = 2
        while f"{stem}-{number}" in taken:
            number += 1
        return f"{stem}-{number}"
