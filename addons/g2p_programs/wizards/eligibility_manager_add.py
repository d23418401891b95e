from odoo import api, fields, models

from ..tools.constants import GROUP_MANAGER


class EligibilityManagerAdd(models.TransientModel):
    """Choose what kind of eligibility manager to add; its own form comes next."""

    _name = "g2p.eligibility.manager.add"
    _description = "Add an eligibility manager"

    program_id = fields.Many2one("g2p.program", required=True, readonly=True, ondelete="cascade")
    kind = fields.Selection(selection="_selection_kind", required=True)

    @api.model
    def _selection_kind(self):
        """The kinds in words; a plug-in's kind shows its own label."""
        _ = self.env._
        words = {
            "g2p.program_membership.manager.default": _("Conditions: registrants who match a filter"),
            "g2p.program_membership.manager.id_dedup": _("ID document: registrants who hold a valid one"),
            "g2p.program_membership.manager.phone_number": _("Phone number: registrants who have one in use"),
            "g2p.program_membership.manager.tag": _("Tags: registrants with any, all or none of some tags"),
            "g2p.program_membership.manager.area": _("Areas: registrants who live in some areas, or outside of them"),
            "g2p.program_membership.manager.list": _("List: registrants whom a file names"),
            "g2p.program_membership.manager.rules": _("Rules: sets of registrants, united, intersected or excepted"),
        }
        return [
            (model, words.get(model, label))
            for model, label in self.env["g2p.eligibility.manager"]._selection_manager_ref_id()
        ]

    def action_next(self):
        """Button: the settings of the new manager."""
        self.ensure_one()
        self.program_id._check_can(GROUP_MANAGER)
        label = dict(self._selection_kind())[self.kind]
        return {
            "type": "ir.actions.act_window",
            "name": label,
            "res_model": self.kind,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
            # A name to start from: the kind without what it does.
            "context": {"default_program_id": self.program_id.id, "default_name": label.partition(":")[0]},
        }
