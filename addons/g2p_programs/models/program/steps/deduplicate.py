from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL
from odoo.tools.i18n import format_list

from ....tools.constants import DEDUPLICATION_CANDIDATES


class Deduplicate(models.AbstractModel):
    """Finds the sets of duplicates among the members, keeps one of each set and marks the others."""

    _name = "g2p.program.step.deduplicate"
    _inherit = "g2p.program.step"
    _description = "Deduplicate"

    _step = "deduplicate"
    _place = 40
    _relies_on = ("import_eligible",)

    _button = "deduplicate_beneficiaries"
    _groups = "g2p_programs.g2p_program_validator"
    _visible = "state == 'active' and active and have_members"

    def _label(self):
        return self.env._("Deduplicate")

    def _question(self, program):
        return self.env._(
            "%(members)s members are compared by %(looked_at)s. Of those who are the same person or household one "
            "stays, the others are marked as duplicated; where there is only a sign, such as a shared phone, nobody "
            "is marked until an officer has chosen. You can undo it for each set under Duplicates.",
            looked_at=format_list(self.env, self._looks_at(program), style="or"),
            **program._told(),
        )

    def _outcomes(self):
        _ = self.env._
        return {
            "duplicated": (_("Duplicated"), "done"),
            "kept": (_("Kept of a set of duplicates"), "done"),
            "waiting": (_("Waiting for a decision"), "skipped"),
            "unique": (_("Unique"), "done"),
        }

    def _analyzed(self, program):
        return [
            *super()._analyzed(program),
            "g2p_program_membership_duplicate",
            "g2p_program_membership_duplicate_rel",
            "g2p_program_membership_duplicate_pair",
        ]

    def _rows(self, program, operation, outcome):
        """Members by the sets that they are in."""
        if outcome not in ("duplicated", "kept", "waiting", "unique"):
            return super()._rows(program, operation, outcome)

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
            program.id,
            list(DEDUPLICATION_CANDIDATES),
            self.env["g2p.program.membership.duplicate"]._gone_registrants(),
            condition,
        )

    def _check_may(self, program):
        result = super()._check_may(program)
        managers = program.get_managers(program.MANAGER_DEDUPLICATION)
        if not managers:
            raise UserError(self.env._("%s has no deduplication manager: add one on the Managers tab.", program.name))
        refusals = [manager._cannot_match() for manager in managers]
        if all(refusals):
            raise UserError(refusals[0])
        return result

    def _before(self, program, operation):
        """By what it looks is part of the answer: "no duplicates" alone says nothing."""
        operation.params = {"looked_at": self._looks_at(program)}

    def _source(self, program, operation):
        return SQL(
            """
            SELECT partner_id AS key
              FROM g2p_program_membership
             WHERE program_id = %s AND state = ANY(%s) AND partner_id NOT IN (%s)
            """,
            program.id,
            list(DEDUPLICATION_CANDIDATES),
            self.env["g2p.program.membership.duplicate"]._gone_registrants(),
        )

    def _chunk(self, program, operation, low, high):
        duplicates = self.env["g2p.program.membership.duplicate"]
        duplicates._find_clusters(program)
        return duplicates._mark_members(program, SQL("TRUE"), operation)

    def _finish(self, program, operation):
        if operation.state == "done":
            program.write(
                {
                    "last_deduplication": fields.Datetime.now(),
                    "last_deduplication_result": self._in_words(operation),
                }
            )
        program._refresh_counters()

    def _looks_at(self, program):
        """By what the deduplication of this program compares: a list of words."""
        managers = program.get_managers(program.MANAGER_DEDUPLICATION)
        words = [manager._looks_at() for manager in managers if not manager._cannot_match()]
        return list(dict.fromkeys(words))

    def _in_words(self, operation):
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
