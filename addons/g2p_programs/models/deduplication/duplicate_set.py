"""What sets of duplicates have in common, in a program and in the registry: fields, decisions, the pairs' evidence."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import roles

from ...tools.constants import GROUP_VALIDATOR


class DuplicateSet(models.AbstractModel):
    _name = "g2p.duplicate.set"
    _description = "Set of duplicates"
    _inherit = ["g2p.state.mixin", "g2p.duplicate.engine", "g2p.duplicate.comparison"]
    _order = "id desc"

    # The role that decides
    _decider = GROUP_VALIDATOR

    members_count = fields.Integer(readonly=True)
    state = fields.Selection(
        [("duplicate", "Duplicate"), ("not_duplicate", "Not duplicate"), ("resolved", "Resolved")],
        default="duplicate",
        required=True,
        readonly=True,
        copy=False,
        help="Resolved: nothing speaks for it any longer, because data were corrected, members left or were merged.",
    )
    decided_by_id = fields.Many2one("res.users", "Decided by", readonly=True, copy=False)
    decided_on = fields.Datetime(readonly=True, copy=False)
    reason = fields.Char(readonly=True)
    evidence = fields.Char(readonly=True, help="What they share: names of people, types of documents, never a number.")
    comment = fields.Text()
    member_names = fields.Char("Duplicates", compute="_compute_member_names")

    def _compute_display_name(self):
        for duplicate in self:
            duplicate.display_name = self.env._(
                "%(reason)s (%(count)s members)", reason=duplicate.reason or "", count=duplicate.members_count
            )

    def _compute_member_names(self):
        """Names of the members, as far as the user may see them."""
        for duplicate in self:
            members = duplicate[duplicate._members_field]
            duplicate.member_names = " / ".join(duplicate._partners_of(members).mapped("name"))

    # Decisions

    def action_not_duplicate(self):
        """Button: these are different people. The decision is remembered until a new member joins the set."""
        self._check_decision("duplicate")
        # sudo: role, access and state were checked above; who decided is protected
        self.sudo().write({"decided_by_id": self.env.uid, "decided_on": fields.Datetime.now()})
        self._transition("not_duplicate")
        self._apply_decision()
        return True

    def action_duplicate(self):
        """Button: they are duplicates after all; the next *Deduplicate* looks at them again."""
        self._check_decision("not_duplicate")
        # sudo: role, access and state were checked above; who decided is protected
        self.sudo().write({"decided_by_id": False, "decided_on": False})
        self._transition("duplicate")
        return True

    def action_keep(self, member_id):
        """Button: of this set, this member stays and the others are duplicates."""
        self.ensure_one()
        self._check_decision("duplicate")
        members = self[self._members_field]
        if member_id not in members._filtered_access("read").ids:
            raise UserError(self.env._("Choose one of the members of the set: reload the page."))
        # sudo: role, access and state were checked above; the survivor is protected
        self.sudo().write(
            {"survivor_id": member_id, "decided_by_id": self.env.uid, "decided_on": fields.Datetime.now()}
        )
        self._apply_decision()
        return True

    def action_accept(self):
        """Button: the suggested members stay, the others of their sets are duplicates."""
        self._check_decision("duplicate")
        unclear = self.filtered(lambda duplicate: not duplicate.survivor_id)
        if unclear:
            raise UserError(
                self.env._(
                    "Nobody is suggested to stay in %(count)s of these sets: open them and choose.", count=len(unclear)
                )
            )
        # sudo: role, access and state were checked above; who decided is protected
        self.sudo().write({"decided_by_id": self.env.uid, "decided_on": fields.Datetime.now()})
        self._apply_decision()
        return True

    def action_next(self):
        """Button: the next set of the same kind that waits for a decision; it changes nothing."""
        self.ensure_one()
        waiting = [("state", "=", "duplicate"), ("decided_by_id", "=", False)]
        scope = [(self._scope_field, "=", self[self._scope_field].id), ("id", "!=", self.id)]
        following = self.search([*waiting, *scope, ("id", "<", self.id)], limit=1) or self.search(
            [*waiting, *scope], limit=1
        )
        if not following:
            return {
                "type": "ir.actions.client",
                "tag": "display_notification",
                "params": {"type": "success", "message": self.env._("No other set waits for a decision.")},
            }
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": following.id,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "current",
        }

    def _check_decision(self, state):
        """Role, access and state; the rows are locked, so that of two officers one decides."""
        roles.check(self.env, self._decider)
        self.check_access("write")
        self.lock_for_update()
        self.invalidate_recordset(["state"])
        if any(duplicate.state != state for duplicate in self):
            raise UserError(self.env._("That was decided already: reload the page."))

    def _apply_decision(self, members=None):
        """Bring members in line with what was decided for the sets of `self`; by default all of their members."""

    def _leave(self):
        """Members whom no pair holds in their set any longer leave it; a set of fewer than two is closed."""
        links, set_column, member_column = self._links()
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                DELETE FROM %(links)s AS link
                 WHERE link.%(set_column)s = ANY(%(sets)s)
                   AND NOT EXISTS (
                        SELECT FROM %(pairs)s AS pair
                         WHERE pair.duplicate_id = link.%(set_column)s AND pair.state = 'alike'
                           AND link.%(member_column)s IN (pair.member_a_id, pair.member_b_id)
                       )
                """,
                links=links,
                set_column=set_column,
                member_column=member_column,
                sets=self.ids,
                pairs=SQL.identifier(self.env[self._pair_model]._table),
            )
        )
        self.invalidate_model(flush=False)
        for duplicate in self.sudo():  # sudo: the pair's button has checked role and access
            duplicate.members_count = len(duplicate[self._members_field])
            if duplicate.survivor_id not in duplicate[self._members_field]:
                duplicate.survivor_id = False
        self.filtered(lambda duplicate: duplicate.members_count < 2)._transition(
            "not_duplicate", self.env._("All pairs were told apart")
        )


class DuplicatePair(models.AbstractModel):
    """Two members of a set, what speaks for their being the same, and what an officer says to that."""

    _name = "g2p.duplicate.pair"
    _description = "Pair of duplicates"
    _order = "score desc, id"

    _scope_field = None

    state = fields.Selection(
        [("alike", "Alike"), ("different", "Different people")], default="alike", required=True, readonly=True
    )
    evidence = fields.Char("What speaks for it", readonly=True)
    score = fields.Float(digits=(5, 1), readonly=True, aggregator=None, help="100 means certain.")

    @api.depends("evidence")
    def _compute_display_name(self):
        for pair in self:
            pair.display_name = pair.evidence or ""

    def action_different(self):
        """Button: these two are different people, for good, whatever else makes them members of one set."""
        self.check_access("read")
        duplicates = self.duplicate_id
        duplicates._check_decision("duplicate")
        # sudo: role and access were checked by the set
        self.sudo().write({"state": "different"})
        # sudo: who leaves a set is freed whether or not the officer may see them
        members = duplicates.sudo()[duplicates._members_field]
        duplicates._leave()
        duplicates._apply_decision(members)
        return True
