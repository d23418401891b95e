"""What a payer says against what is recorded here. Nothing is changed by it; a person finds out, and says what came of it."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import roles

from ..tools.constants import GROUP_FINANCE

MOST_ALARMED = 20


class PaymentContradiction(models.Model):
    """One answer of a payer that can't be true together with our records. Where it came from is for those who hear it to add."""

    _name = "g2p.payment.contradiction"
    _description = "Contradiction about a payment"
    _inherit = ["g2p.state.mixin"]
    _order = "id desc"
    _rec_names_search = ["payment_id"]

    _protected_fields = (
        "state",
        "kind",
        "payment_id",
        "status",
        "amount",
        "bank_reference",
        "date",
        "reason",
        "resolved_by",
        "resolved_on",
    )

    _open_latest = models.Index("(id) WHERE state = 'open'")

    payment_id = fields.Many2one("g2p.payment", required=True, readonly=True, index=True, ondelete="restrict")
    cycle_id = fields.Many2one("g2p.cycle", required=True, readonly=True, index=True, ondelete="restrict")
    company_id = fields.Many2one(related="cycle_id.company_id")
    partner_id = fields.Many2one(related="payment_id.partner_id")
    area_id = fields.Many2one(related="payment_id.area_id")
    currency_id = fields.Many2one(related="payment_id.currency_id")
    kind = fields.Selection(
        [
            ("paid_after_failed", "Paid, and failed here"),
            ("paid_twice", "Paid, and so was another attempt"),
            ("paid_again", "Paid a second time, or another amount"),
            ("failed_after_paid", "Failed or returned, and paid here"),
            ("not_due", "Paid, and its entitlement ended"),
            ("blocked", "Paid, and it never left"),
        ],
        required=True,
        readonly=True,
    )
    status = fields.Selection([("paid", "Paid"), ("failed", "Failed")], "The payer says", readonly=True)
    amount = fields.Monetary("Amount they say", readonly=True)
    bank_reference = fields.Char(readonly=True)
    date = fields.Datetime("Date they say", readonly=True)
    reason = fields.Char("Reason they give", readonly=True)
    recorded_status = fields.Selection(related="payment_id.status", string="We recorded")
    recorded_amount = fields.Monetary(related="payment_id.amount_issued", string="Amount we sent")
    recorded_date = fields.Datetime(related="payment_id.payment_datetime", string="Date we recorded")
    recorded_reference = fields.Char(related="payment_id.bank_reference", string="Bank reference we recorded")
    state = fields.Selection(
        [("open", "To be settled"), ("settled", "Settled")], required=True, readonly=True, default="open", copy=False
    )
    settlement = fields.Selection(
        [
            ("payer_wrong", "The payer was wrong: no money moved"),
            ("corrected", "Corrected here"),
            ("recovered", "The money came back, or is claimed back"),
            ("lost", "The money is lost: on record as such"),
        ],
        "What came of it",
    )
    remark = fields.Text(help="How you know.")
    resolved_by = fields.Many2one("res.users", "Settled by", readonly=True, copy=False)
    resolved_on = fields.Datetime("Settled on", readonly=True, copy=False)

    @api.depends("payment_id", "kind")
    def _compute_display_name(self):
        labels = dict(self._fields["kind"]._description_selection(self.env))
        for record in self:
            record.display_name = f"{record.payment_id.display_name} · {labels.get(record.kind, '')}"

    # CRUD

    def write(self, vals):
        if not self.env.su and any(record.state == "settled" for record in self):
            raise UserError(self.env._("This was settled: it stays as it is."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("A contradiction is evidence: it stays, and is settled by a person."))

    # Buttons

    def settle(self):
        """Button: a person of finance found out what happened."""
        roles.check(self.env, GROUP_FINANCE)
        self.check_access("write")
        self._require_state("open")
        for record in self:
            if not record.settlement or not (record.remark or "").strip():
                raise UserError(self.env._("Say what came of it, and how you know."))
        # sudo: role, access and state were checked above; the fields are protected
        self.sudo().write({"resolved_by": self.env.uid, "resolved_on": fields.Datetime.now()})
        self._transition("settled")
        return True

    def action_correct(self):
        """Button: ask to take back that the payment was paid; somebody else confirms it."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Ask for a correction"),
            "res_model": "g2p.payment.correction",
            "view_mode": "form",
            "context": {
                "default_kind": "returned",
                "default_payment_ids": [fields.Command.set(self.payment_id.ids)],
                "default_evidence": self.bank_reference or self._told_by(),
                "default_reason": self.reason,
            },
        }

    def _told_by(self):
        """The name of where the payer said so; False where nobody has noted it."""
        return False

    def action_open_payment(self):
        """Button."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "g2p.payment",
            "res_id": self.payment_id.id,
            "view_mode": "form",
        }

    # Sets

    @api.model
    def _record(self, said, told_by, operation=None, origin=()):
        """List what a payer says against our records, once, and alarm finance. Returns how many are new.

        A payer who says paid is heard also where nothing can be recorded: the entitlement ended, or something blocks it.

        :param SQL said: columns `payment_id`, `status` (paid, failed), `amount`, `bank_reference`, `date`, `reason`, `place`
            (the order in which they are listed), `kind` (not_due, blocked; NULL: told from what is recorded), and those of
            `origin`.
        :param told_by: the name of where the payer says so.
        :param origin: names of fields that tell where exactly; whoever adds them to this model has a unique index over
            them, so that nothing is listed twice.
        """
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH said AS (
                    INSERT INTO g2p_payment_contradiction
                           (payment_id, cycle_id, kind, status, amount, bank_reference, date, reason, state,
                            create_uid, write_uid, create_date, write_date %(columns)s)
                    SELECT payment.id, payment.cycle_id,
                           CASE WHEN answer.kind IS NOT NULL THEN answer.kind
                                WHEN answer.status = 'failed' THEN 'failed_after_paid'
                                WHEN payment.status = 'paid' THEN 'paid_again'
                                WHEN EXISTS (SELECT FROM g2p_payment AS other
                                              WHERE other.entitlement_id = payment.entitlement_id
                                                AND other.id <> payment.id AND other.status = 'paid') THEN 'paid_twice'
                                ELSE 'paid_after_failed' END,
                           answer.status, answer.amount, answer.bank_reference, answer.date, answer.reason, 'open',
                           %(uid)s, %(uid)s, %(now)s, %(now)s %(values)s
                      FROM (%(said)s) AS answer
                      JOIN g2p_payment AS payment ON payment.id = answer.payment_id
                     ORDER BY answer.place
                        ON CONFLICT DO NOTHING
                 RETURNING id, cycle_id
                ), logged AS (
                    %(history)s
                )
                SELECT cycle_id, COUNT(*) FROM said GROUP BY cycle_id ORDER BY cycle_id
                """,
                said=said,
                columns=SQL().join(SQL(", %s", SQL.identifier(name)) for name in origin),
                values=SQL().join(SQL(", %s", SQL.identifier("answer", name)) for name in origin),
                uid=self.env.uid,
                now=self.env.cr.now(),
                history=self._history_sql(SQL("SELECT id, NULL::varchar, 'open', NULL::varchar FROM said"), operation),
            )
        )
        found = self.env.cr.fetchall()
        self.invalidate_model(flush=False)
        for cycle_id, count in found:
            self._alarm(self.env["g2p.cycle"].browse(cycle_id), count, told_by)
        return sum(count for _cycle, count in found)

    @api.model
    def _alarm(self, cycle, count, told_by):
        """Tell finance, by mail and by an activity on the cycle."""
        # sudo: the alarm is for others than who applied the file
        cycle = cycle.sudo()
        users = self._finance_users(cycle.company_id)
        summary = (
            self.env._("1 answer of the payer contradicts our records")
            if count == 1
            else self.env._("%s answers of the payer contradict our records", count)
        )
        note = self.env._(
            "“%(told_by)s” says paid what failed, ended or never left here, or failed what is recorded as paid. Find out with the "
            "payer whether money moved: Payments → Contradictions.",
            told_by=told_by,
        )
        cycle.message_post(subject=summary, body=note, partner_ids=users.partner_id.ids)
        for user in users:
            cycle.activity_schedule("mail.mail_activity_data_warning", summary=summary, note=note, user_id=user.id)

    @api.model
    def _finance_users(self, company, but=None):
        """Who answers for money in a company; few."""
        # sudo: members of a group are asked by whoever made it necessary to tell them
        users = (
            self.env.ref(GROUP_FINANCE)
            .sudo()
            .all_user_ids.filtered(
                lambda user: user.active and not user.share and company in user.company_ids and user != but
            )
        )
        return users[:MOST_ALARMED]
