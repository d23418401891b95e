"""What an entitlement manager would give today, before anything is prepared: the same query as the real step."""

from markupsafe import Markup

from odoo import fields, models
from odoo.tools import SQL

from ..tools.amount_words import AmountWords

SAMPLE = 10


class EntitlementPreview(models.TransientModel):
    _name = "g2p.entitlement.preview"
    _description = "Preview of amounts"

    program_id = fields.Many2one("g2p.program", required=True, readonly=True, ondelete="cascade")
    currency_id = fields.Many2one(related="program_id.currency_id")
    is_limited = fields.Boolean("Of some areas only", readonly=True)
    members = fields.Integer("Enrolled members", readonly=True)
    given = fields.Integer("Would get something", readonly=True)
    missing = fields.Integer(
        "Data missing", readonly=True, help="Nobody can tell the amount: no entitlement until it is known."
    )
    nothing = fields.Integer("Nothing is due", readonly=True, help="Or the fee is higher than the amount.")
    amount = fields.Monetary("Cost of a cycle", readonly=True)
    missing_words = fields.Char("Which data is missing", readonly=True)
    sample_html = fields.Html("For example", readonly=True)

    def _count(self, manager):
        """Counts over the members whom the asker may see, and some of them in words: two statements."""
        asker = self.env["res.users"].browse(self.create_uid.id)
        program = self.program_id
        partners = self.env["res.partner"].with_user(asker).with_context(active_test=False)
        members = SQL(
            "SELECT partner_id AS registrant_id FROM g2p_program_membership WHERE program_id = %s AND state = 'enrolled' AND %s",
            program.id,
            asker._g2p_seen(SQL("partner_id")),
        )
        self.env.flush_all()
        lines = SQL(
            """
            SELECT line.*, line.missing IS NULL AND COALESCE(line.amount > 0 AND line.fee <= line.amount, FALSE) AS given
              FROM (%s) AS line
            """,
            manager._entitlement_lines(members, None, None),
        )
        [[all_members, given, missing, amount, words]] = self.env.execute_query(
            SQL(
                """
                SELECT (SELECT COUNT(*) FROM (%(members)s) AS member),
                       COUNT(DISTINCT registrant_id) FILTER (WHERE given),
                       COUNT(DISTINCT registrant_id) FILTER (WHERE missing IS NOT NULL),
                       COALESCE(SUM(amount) FILTER (WHERE given), 0),
                       string_agg(DISTINCT missing, '; ')
                  FROM (%(lines)s) AS line
                """,
                members=members,
                lines=lines,
            )
        )
        self.write(
            {
                "is_limited": bool(asker.sudo().g2p_area_ids),  # sudo: the asker's own areas
                "members": all_members,
                "given": given,
                "missing": missing,
                "nothing": all_members - given - missing,
                "amount": amount,
                "missing_words": words,
                "sample_html": self._sample(lines, partners, asker),
            }
        )

    def _sample(self, lines, partners, asker):
        """Some members of each kind whom the asker may read: those who would get most and least, nothing, nobody can tell."""
        rows = self.env.execute_query(
            SQL(
                """
                SELECT registrant_id, amount, computation, missing
                  FROM (
                        SELECT line.*,
                               ROW_NUMBER() OVER (PARTITION BY given, missing IS NULL ORDER BY amount DESC, registrant_id)
                               AS from_top,
                               ROW_NUMBER() OVER (PARTITION BY given, missing IS NULL ORDER BY amount, registrant_id)
                               AS from_bottom
                          FROM (%s) AS line
                       ) AS line
                 WHERE from_top <= 3 OR from_bottom <= 2
                 ORDER BY amount DESC NULLS LAST, registrant_id
                 LIMIT %s
                """,
                lines,
                SAMPLE,
            )
        )
        readable = partners.browse([row[0] for row in rows])._filtered_access("read")
        names = {partner.id: partner.display_name for partner in readable}
        words = AmountWords(self.env(user=asker))
        told = Markup("").join(
            Markup('<tr><td>%s</td><td class="text-end">%s</td><td>%s</td></tr>')
            % (
                names[registrant_id],
                "–" if missing else words.number(amount),
                self.env._("Data missing: %s", missing) if missing else words.tell(terms, self.program_id.target_type),
            )
            for registrant_id, amount, terms, missing in rows
            if registrant_id in names
        )
        return Markup('<table class="table table-sm"><tbody>%s</tbody></table>') % told if told else False
