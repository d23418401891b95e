from odoo import api, models


class Registration(models.AbstractModel):
    """Who is registered, and what is kept about them, told and asked as sets.

    An addon that wants to know of new registrants, or keeps rows about them, inherits this model; whoever registers, takes
    back, merges or erases people asks it, and knows no other addon::

        class Registration(models.AbstractModel):
            _inherit = "g2p.registration"

            @api.model
            def _registered(self, registrants):
                super()._registered(registrants)
                self.env.cr.execute(SQL("INSERT INTO my_queue (partner_id) %s ON CONFLICT DO NOTHING", registrants))

            @api.model
            def _own_tables(self):
                return super()._own_tables() | {("my_queue", "partner_id")}
    """

    _name = "g2p.registration"
    _description = "Registration"

    @api.model
    def _registered(self, registrants):
        """Registrants were made or changed by a form, a file or an API, in this transaction. What takes long, or may fail, is
        queued from here: it must not hold up a registration.

        :param SQL registrants: a query of their ids, column ``id``
        """

    @api.model
    def _own_tables(self):
        """{(table, column)}: rows that belong to the registrant in the column, or are worked out of them. They go when a
        registration is taken back, and are no reason not to; any other row that refers to a registrant is one."""
        return {
            ("g2p_reg_id", "partner_id"),
            ("g2p_phone_number", "partner_id"),
            ("res_partner_bank", "partner_id"),
            ("res_partner", "commercial_partner_id"),
            ("g2p_registrant_tags_res_partner_rel", "res_partner_id"),
            ("g2p_group_membership", "group"),
            ("g2p_group_membership", "individual"),
            ("g2p_group_indicator", "group_id"),
            ("g2p_reg_rel", "source"),
        }

    @api.model
    def _record_tables(self):
        """{table}: rows that tell what happened to this very record; they stay with it when it is merged into another."""
        return {"res_partner", "res_users", "res_company", "res_users_settings_volumes"}
