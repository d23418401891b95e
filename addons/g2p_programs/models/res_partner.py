from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL
from odoo.tools.misc import formatLang

from ..tools import blocks
from .entitlement import RESERVED_STATES

# Of payments: money that arrived.
RECEIVED = [("status", "=", "paid")]


class ResPartner(models.Model):
    _inherit = "res.partner"

    program_membership_ids = fields.One2many("g2p.program_membership", "partner_id", string="Programs")
    cycle_ids = fields.One2many("g2p.cycle.membership", "partner_id", string="Cycles")
    entitlement_ids = fields.One2many("g2p.entitlement", "partner_id", string="Entitlements")
    program_membership_count = fields.Integer("Number of programs", compute="_compute_program_counts")
    cycles_count = fields.Integer("Number of cycles", compute="_compute_program_counts")
    entitlements_count = fields.Integer("Number of entitlements", compute="_compute_program_counts")
    benefits_due_count = fields.Integer(
        "Benefits due", compute="_compute_benefits", help="Approved and not paid yet, in all programs."
    )
    benefits_due = fields.Char(
        "Due", compute="_compute_benefits", help="What is approved and not paid yet, less fees, in each currency."
    )
    benefits_received_count = fields.Integer(
        "Benefits received", compute="_compute_benefits", help="Payments that the payer says were paid."
    )
    benefits_received = fields.Char(
        "Received", compute="_compute_benefits", help="What the payer says was paid out, in each currency."
    )

    household_benefits = fields.Char(
        "Through households",
        compute="_compute_household_benefits",
        help="What a person's households get, of those that are in programs and that the user may see.",
    )

    def _compute_program_counts(self):
        """Three grouped counts, by index, whatever the number of registrants shown."""
        for model, field in (
            ("g2p.program_membership", "program_membership_count"),
            ("g2p.cycle.membership", "cycles_count"),
            ("g2p.entitlement", "entitlements_count"),
        ):
            counts = {}
            if self.env[model].has_access("read"):
                counts = dict(
                    self.env[model]._read_group([("partner_id", "in", self.ids)], ["partner_id"], ["__count"])
                )
            for partner in self:
                partner[field] = counts.get(partner, 0)

    @api.depends_context("uid", "lang")
    def _compute_benefits(self):
        """Two grouped sums, by index, whatever the number of registrants shown; of what the user may see."""
        self.benefits_due_count = self.benefits_received_count = 0
        self.benefits_due = self.benefits_received = False
        if self.env["g2p.entitlement"].has_access("read"):
            rows = self.env["g2p.entitlement"]._read_group(
                [("partner_id", "in", self.ids), *self._due_domain()],
                ["partner_id", "currency_id"],
                ["__count", "initial_amount:sum", "transfer_fee:sum"],
            )
            self._tell_benefits("benefits_due", [(*row[:3], row[3] - row[4]) for row in rows])
        if self.env["g2p.payment"].has_access("read"):
            rows = self.env["g2p.payment"]._read_group(
                [("partner_id", "in", self.ids), *RECEIVED],
                ["partner_id", "currency_id"],
                ["__count", "amount_paid:sum"],
            )
            self._tell_benefits("benefits_received", rows)

    @api.depends_context("uid", "lang")
    def _compute_household_benefits(self):
        """One question for the households of all of them, and their own counts and sums as of any registrant."""
        self.household_benefits = False
        if not self.env["g2p.program_membership"].has_access("read"):
            return
        households = self._households([("program_membership_ids", "any", [])])
        groups = self.browse().union(*households.values())
        told = {group: group._benefits_text() for group in groups}
        for partner, of_partner in households.items():
            partner.household_benefits = "; ".join(told[group] for group in of_partner)

    def _households(self, domain=()):
        """{individual: the households that they belong to now}, of those in the domain that the user may see."""
        membership = self.env["g2p.group.membership"]
        if not membership.has_access("read"):
            return {}
        return dict(
            membership._read_group(
                [
                    ("individual", "in", self.ids),
                    ("is_ended", "=", False),
                    ("group", "any", [("is_registrant", "=", True), *domain]),
                ],
                ["individual"],
                ["group:recordset"],
            )
        )

    def _benefits_text(self):
        self.ensure_one()
        _ = self.env._
        count = self.program_membership_count
        told = [_("1 program") if count == 1 else _("%s programs", count)]
        if self.benefits_received:
            told.append(_("received %s", self.benefits_received))
        told.append(_("due %s", self.benefits_due) if self.benefits_due else _("nothing due"))
        return _("Through %(household)s: %(told)s", household=self.display_name, told=", ".join(told))

    @api.model
    def _due_domain(self):
        """Of entitlements: money that is promised and has not arrived."""
        charged = self.env["g2p.entitlement"]._charged_settlements()
        return [("state", "in", RESERVED_STATES), ("settlement", "in", charged)]

    def _tell_benefits(self, field, rows):
        """Counts, and amounts in words: currencies are never added up.

        :param rows: [(registrant, currency, count, amount)]
        """
        words = {}
        counts = {}
        for partner, currency, count, amount in rows:
            counts[partner] = counts.get(partner, 0) + count
            words.setdefault(partner, []).append(formatLang(self.env, amount, currency_obj=currency))
        for partner in self:
            partner[f"{field}_count"] = counts.get(partner, 0)
            partner[field] = ", ".join(words.get(partner, [])) or False

    def write(self, vals):
        if vals.get("active") is False:
            self._check_may_archive()
        return super().write(vals)

    def _check_may_archive(self):
        """Who is to be paid is not archived: that would stop the money without a word. Disabling asks for the reason."""
        # sudo: an entitlement counts whether or not the user may see it; only the refusal is shown
        waiting = self.env["g2p.entitlement"].sudo()
        live = ("pending_validation", "approved", "trans2FSP")
        stopped = [
            partner
            for [partner] in waiting._read_group(
                [
                    ("partner_id", "in", self.filtered(lambda one: one.active and not one.disabled).ids),
                    ("state", "in", live),
                ],
                ["partner_id"],
            )
        ]
        if stopped:
            raise UserError(
                self.env._(
                    "%(name)s and %(others)s others have entitlements that are not paid yet, so they can't be archived: "
                    "disable them, with the reason, or reject the entitlements first.",
                    name=stopped[0].display_name,
                    others=len(stopped) - 1,
                )
                if len(stopped) > 1
                else self.env._(
                    "%s has entitlements that are not paid yet and can't be archived: disable the registrant, with the "
                    "reason, or reject the entitlements first.",
                    stopped[0].display_name,
                )
            )

    def _after_disable_change(self, bodies):
        """Who is disabled is not paid: the cycles' counts of what is still to be paid follow, without counting all again."""
        result = super()._after_disable_change(bodies)
        if self:
            self.env.flush_all()
            entitlement = self.env["g2p.entitlement"]
            self.env.cr.execute(
                SQL(
                    """
                    WITH due AS (
                        SELECT t.id, t.cycle_id, partner.disabled IS NULL AS enabled, t.left_out_reason AS reason
                          FROM g2p_entitlement AS t
                          JOIN res_partner AS partner ON partner.id = t.partner_id AND partner.active
                         WHERE t.partner_id = ANY(%(partners)s) AND %(payable)s AND NOT %(otherwise_blocked)s
                    ), cleared AS (
                        UPDATE g2p_entitlement AS t
                           SET left_out_reason = NULL
                          FROM due
                         WHERE t.id = due.id AND due.enabled AND due.reason = 'disabled'
                    )
                    UPDATE g2p_cycle AS cycle
                       SET unpaid_count = cycle.unpaid_count + counted.change,
                           exceptions_count = cycle.exceptions_count - counted.cleared
                      FROM (
                            SELECT cycle_id,
                                   COUNT(*) FILTER (WHERE enabled AND (reason IS NULL OR reason = 'disabled'))
                                   - COUNT(*) FILTER (WHERE NOT enabled AND reason IS NULL) AS change,
                                   COUNT(*) FILTER (WHERE enabled AND reason = 'disabled') AS cleared
                              FROM due
                             GROUP BY cycle_id
                           ) AS counted
                     WHERE cycle.id = counted.cycle_id
                    """,
                    partners=self.ids,
                    payable=self.env["g2p.cycle"]._payable(),
                    otherwise_blocked=entitlement._blocked_sql(blocks.APPROVE, but=("disabled",)),
                )
            )
            self.env["g2p.cycle"].invalidate_model(["unpaid_count", "exceptions_count"])
            entitlement.invalidate_model(["left_out_reason"])
        return result

    def action_open_programs(self):
        """Stat button: the programs of a registrant."""
        return self._open_of_registrant("g2p.program_membership", self.env._("Programs of %s", self.name))

    def action_open_entitlements(self):
        """Stat button: the benefits of a registrant."""
        return self._open_of_registrant("g2p.entitlement", self.env._("Entitlements of %s", self.name))

    def action_open_benefits_due(self):
        """Stat button: what is approved and not paid yet."""
        action = self._open_of_registrant("g2p.entitlement", self.env._("Due to %s", self.name))
        return {**action, "domain": [*action["domain"], *self._due_domain()]}

    def action_open_benefits_received(self):
        """Stat button: the payments that were paid."""
        action = self._open_of_registrant("g2p.payment", self.env._("Received by %s", self.name))
        return {**action, "domain": [*action["domain"], *RECEIVED]}

    def action_open_households(self):
        """Link: the households through which a person gets something."""
        self.ensure_one()
        self.check_access("read")
        households = self._households([("program_membership_ids", "any", [])]).get(self, self.browse())
        action = self.env["ir.actions.act_window"]._for_xml_id("g2p_registry_base.g2p_group_action")
        if len(households) == 1:
            form = [view for view in action["views"] if view[1] == "form"]
            return {**action, "views": form, "view_mode": "form", "res_id": households.id}
        return {
            **action,
            "name": self.env._("Households of %s", self.name),
            "domain": [("id", "in", households.ids)],
            "context": {"create": False},
        }

    def _open_of_registrant(self, model, name):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": model,
            "view_mode": "list,form",
            "domain": [("partner_id", "=", self.id)],
            "context": {"create": False},
        }

    def action_explain_eligibility(self):
        """Button: why is this registrant eligible for a program, or not?"""
        self.ensure_one()
        self.check_access("read")
        programs = self.program_membership_ids.program_id
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Why eligible or not: %s", self.name),
            "res_model": "g2p.eligibility.explanation",
            "view_mode": "form",
            "target": "new",
            "context": {
                "default_partner_id": self.id,
                "default_program_id": programs.id if len(programs) == 1 else False,
            },
        }
