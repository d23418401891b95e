from odoo import models


class IrHttp(models.AbstractModel):
    _inherit = "ir.http"

    def session_info(self):
        """Who chose no home action begins where their role works."""
        info = super().session_info()
        user = self.env.user
        if not info.get("home_action_id") and user._is_internal() and (action := user._g2p_home_action()):
            # sudo: the id of an action that the suite brings
            info["home_action_id"] = self.env["ir.model.data"].sudo()._xmlid_to_res_id(action)
        return info
