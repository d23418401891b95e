from odoo import api, fields, models


class ResPartner(models.Model):
    """What groups have, and what ties individuals to them."""

    # a file is one thing: individuals and groups stand apart from what both share
    _inherit = "res.partner"  # pylint: disable=consider-merging-classes-inherited

    _registrant_kind_idx = models.Index("(kind) WHERE is_group IS TRUE")
    _registrant_partial_idx = models.Index("(id) WHERE is_group IS TRUE AND is_partial_group IS TRUE")
    _registrant_empty_idx = models.Index(
        "(id) WHERE is_group IS TRUE AND (z_ind_grp_num_individuals IN (0) OR z_ind_grp_num_individuals IS NULL)"
    )

    kind = fields.Many2one("g2p.group.kind", string="Group type", ondelete="restrict")
    kind_as_str = fields.Char(related="kind.name", string="Group type name")
    is_partial_group = fields.Boolean(string="Partial group", help="Some members are not registered yet.")
    group_membership_ids = fields.One2many("g2p.group.membership", "group", string="Members")
    individual_membership_ids = fields.One2many("g2p.group.membership", "individual", string="Member of")
    z_ind_grp_num_individuals = fields.Integer(
        string="Members count",
        readonly=True,
        copy=False,
        help="Individuals who are members now and are not disabled; kept by the database.",
    )

    @api.readonly
    def count_individuals(self, kinds=None, domain=None):
        """How many people live in each of these groups now, as far as the user may see them: a call that OpenG2P's clients
        make.

        :param kinds: names of roles; only people with one of them count
        :param domain: conditions on the individuals
        :return: [[group id, count], …] of the groups that have any
        """
        conditions = [
            ("group", "in", self.ids),
            "|",
            ("ended_date", "=", False),
            ("ended_date", ">", fields.Datetime.now()),
            ("individual.disabled", "=", False),
            ("individual.active", "=", True),
        ]
        if kinds:
            conditions.append(("kind.name", "in", list(kinds)))
        if domain:
            conditions.append(("individual", "any", list(domain)))
        counts = self.env["g2p.group.membership"]._read_group(conditions, ["group"], ["individual:count_distinct"])
        return [[group.id, count] for group, count in counts]

    def action_view_members(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Members of %s", self.name),
            "res_model": "g2p.group.membership",
            "view_mode": "list,form",
            "domain": [("group", "=", self.id)],
            "context": {"default_group": self.id, "search_default_active_members": 1},
        }
