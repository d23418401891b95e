"""*Deduplicate* of a program: the button, the step behind it, and the rule who of a set stays."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL
from odoo.tools.i18n import format_list

from ..tools.constants import DEDUPLICATION_CANDIDATES, GROUP_VALIDATOR

# Sets are found among all members at once: the step is one chunk, whole or not at all.
ONE_CHUNK = 2**31 - 1


class Program(models.Model):
    _inherit = "g2p.program"

    survivor_policy = fields.Selection(
        [
            ("oldest", "The earliest enrolled"),
            ("complete", "The most complete record"),
            ("manual", "Nobody, until an officer has chosen"),
        ],
        "Who stays of a set of duplicates",
        default="oldest",
        required=True,
        help="Enrolled members come before paused ones, and those before drafts. When an officer chooses, nobody is marked "
        "as duplicated before.",
    )

    last_deduplication_result = fields.Char("Result of the last deduplication", readonly=True, copy=False)

    def _bulk_steps(self):
        return {**super()._bulk_steps(), "deduplicate": self.env._("Deduplicate")}

    def _bulk_outcomes(self):
        _ = self.env._
        return {
            **super()._bulk_outcomes(),
            "duplicated": (_("Duplicated"), "done"),
            "kept": (_("Kept of a set of duplicates"), "done"),
            "waiting": (_("Waiting for a decision"), "skipped"),
            "unique": (_("Unique"), "done"),
        }

    def _bulk_tables(self, step):
        tables = super()._bulk_tables(step)
        if step == "deduplicate":
            tables += [
                "g2p_program_membership_duplicate",
                "g2p_program_membership_duplicate_rel",
                "g2p_program_membership_duplicate_pair",
            ]
        return tables

    def _bulk_rows(self, operation, outcome):
        """Members by the sets that they are in."""
        if operation.step != "deduplicate" or outcome not in ("duplicated", "kept", "waiting", "unique"):
            return super()._bulk_rows(operation, outcome)

        def in_set(survivor):
            return SQL(
                """
                EXISTS (
                    SELECT FROM g2p_program_membership_duplicate_rel AS link
                      JOIN g2p_program_membership_duplicate AS record
                        ON record.id = link.duplicate_id AND record.state = 'duplicate'
                     WHERE link.membership_id = t.id AND %s
                )
                """,
                survivor,
            )

        loses, stays = in_set(SQL("record.survivor_id <> t.id")), in_set(SQL("record.survivor_id = t.id"))
        known = in_set(SQL("TRUE"))
        condition = {
            "duplicated": loses,
            "kept": SQL("%s AND NOT %s", stays, loses),
            "waiting": SQL("%s AND NOT %s AND NOT %s", known, stays, loses),
            "unique": SQL("NOT %s", known),
        }[outcome]
        return "g2p.program_membership", SQL(
            "t.program_id = %s AND t.state = ANY(%s) AND t.partner_id NOT IN (%s) AND %s",
            self.id,
            list(DEDUPLICATION_CANDIDATES),
            self.env["g2p.program.membership.duplicate"]._gone_registrants(),
            condition,
        )

    @api.model
    def _bulk_relies_on(self):
        changes = ("g2p.membership.change:apply", "g2p.membership.change:reverse")
        return {**super()._bulk_relies_on(), "deduplicate": ("import_eligible", *changes)}

    @api.model
    def _bulk_from_states(self):
        return {**super()._bulk_from_states(), "deduplicate": ("active",)}

    def deduplicate_beneficiaries(self):
        """Find the sets of duplicates among the members, keep one of each set and mark the others."""
        self.ensure_one()
        self._check_can(GROUP_VALIDATOR)
        self.check_access("write")
        self._check_active()
        managers = self.get_managers(self.MANAGER_DEDUPLICATION)
        if not managers:
            raise UserError(self.env._("%s has no deduplication manager: add one on the Managers tab.", self.name))
        refusals = [manager._cannot_match() for manager in managers]
        if all(refusals):
            raise UserError(refusals[0])
        return self._bulk_start("deduplicate", chunk_size=ONE_CHUNK)._notification()

    def _bulk_before_deduplicate(self, operation):
        """By what it looks is part of the answer: "no duplicates" alone says nothing."""
        operation.params = {"looked_at": self._looks_at()}

    def _looks_at(self):
        """By what the deduplication of this program compares: a list of words."""
        managers = self.get_managers(self.MANAGER_DEDUPLICATION)
        words = [manager._looks_at() for manager in managers if not manager._cannot_match()]
        return list(dict.fromkeys(words))

    def _bulk_source_deduplicate(self, operation):
        return SQL(
            """
            SELECT partner_id AS key
              FROM g2p_program_membership
             WHERE program_id = %s AND state = ANY(%s) AND partner_id NOT IN (%s)
            """,
            self.id,
            list(DEDUPLICATION_CANDIDATES),
            self.env["g2p.program.membership.duplicate"]._gone_registrants(),
        )

    def _bulk_chunk_deduplicate(self, operation, low, high):
        duplicates = self.env["g2p.program.membership.duplicate"]
        duplicates._find_clusters(self)
        return duplicates._mark_members(self, SQL("TRUE"), operation)

    def _bulk_finish_deduplicate(self, operation):
        if operation.state == "done":
            self.write(
                {
                    "last_deduplication": fields.Datetime.now(),
                    "last_deduplication_result": self._deduplication_in_words(operation),
                }
            )
        self._refresh_counters()

    def _bulk_notification(self, operation):
        action = super()._bulk_notification(operation)
        if operation.step == "deduplicate" and operation.state == "done":
            action["params"]["text"] = self._deduplication_in_words(operation)
            action["params"]["message"] = action["params"]["text"].replace("%", "%%") + " %s"
        return action

    def _deduplication_in_words(self, operation):
        """What was compared, among how many, and what was found."""
        looked_at = (operation.params or {}).get("looked_at")
        if not looked_at:
            return operation._counts_in_words()
        terms = {
            "by": format_list(self.env, looked_at, style="or"),
            "count": operation._format_count(operation.planned),
        }
        counts = operation.counts or {}
        if not any(counts.get(outcome) for outcome in ("duplicated", "kept", "waiting")):
            return self.env._("No duplicates by %(by)s among %(count)s.", **terms)
        return self.env._("Compared by %(by)s among %(count)s. %(found)s", found=operation._counts_in_words(), **terms)

    def _survivor_order(self):
        """:return SQL: an ORDER BY over `member`, see `_survivor_source`: of each set the first one stays."""
        duplicates = self.env["g2p.program.membership.duplicate"]
        return SQL(
            """
            %s
            CASE member.state WHEN 'enrolled' THEN 0 WHEN 'paused' THEN 1 WHEN 'draft' THEN 2 ELSE 3 END,
            member.enrollment_date NULLS LAST, member.id
            """,
            SQL("%s DESC,", duplicates._completeness()) if self.survivor_policy == "complete" else SQL(),
        )
