"""What a merge moves, and what it settles where both have the like of it. The journal that it writes is what the way back
reads."""

from odoo import fields
from odoo.tools import SQL

from .row_mover import RowMover, references

LIVE_MEMBERS = ("draft", "enrolled", "paused")


class MergeRows:
    """All of one registrant goes to another.

    :param merge: a record of g2p.registrant.merge, as superuser: the rows are of many models
    """

    def __init__(self, merge):
        self.env, self.merge = merge.env, merge
        self.survivor, self.merged = merge.survivor_id, merge.merged_id

    def move(self):
        """Move everything; :return: the journal"""
        self.env.flush_all()
        mover = RowMover(self.merged, self.survivor)
        journal = {
            "entitlements": self._entitlements(),
            "primary": self._give_up_primary_account(),
            "roles": self._give_up_roles(),
            "states": self._settle_memberships(),
        }
        journal["moved"] = [
            entry
            for table, column, key, anchors in references(self.env)
            if (entry := mover.move(table, column, key, anchors))["rows"]
        ]
        attachments = mover.move(
            "ir_attachment", "res_id", "id", (), SQL("AND row.res_model = 'res.partner' AND row.res_field IS NULL")
        )
        journal["moved"] += [attachments] if attachments["rows"] else []
        self.env.invalidate_all(flush=False)
        journal["fields"] = self._take_fields()
        self.merged._disable(self.env._("Merged into %s", self.survivor.name))
        self.merged.write({"merged_into_id": self.survivor.id})
        refresh(self.survivor | self.merged)
        return journal

    def _entitlements(self):
        """Ids: what the survivor had before the merge; whatever else there is at an undo was made since."""
        return [
            row[0]
            for row in self.env.execute_query(
                SQL("SELECT id FROM g2p_entitlement WHERE partner_id = %s", self.survivor.id)
            )
        ]

    def _give_up_primary_account(self):
        """Ids of the merged one's primary account, which gives way to the survivor's."""
        rows = self.env.execute_query(
            SQL(
                """
                UPDATE res_partner_bank
                   SET is_primary = FALSE
                 WHERE partner_id = %s AND is_primary
                   AND EXISTS (SELECT FROM res_partner_bank AS own
                                WHERE own.partner_id = %s AND own.is_primary AND own.active)
             RETURNING id
                """,
                self.merged.id,
                self.survivor.id,
            )
        )
        return [row[0] for row in rows]

    def _give_up_roles(self):
        """[[membership, role]] of members of a merged group whose unique role (Head) somebody in the survivor holds."""
        return [
            list(row)
            for row in self.env.execute_query(
                SQL(
                    """
                    DELETE FROM g2p_group_membership_g2p_group_membership_kind_rel AS role
                     USING g2p_group_role_holder AS holder
                     WHERE holder.group_id = %s
                       AND holder.membership_id = role.g2p_group_membership_id
                       AND holder.kind_id = role.g2p_group_membership_kind_id
                       AND EXISTS (
                            SELECT FROM g2p_group_role_holder AS own
                             WHERE own.group_id = %s AND own.kind_id = holder.kind_id AND own.period && holder.period
                           )
                 RETURNING role.g2p_group_membership_id, role.g2p_group_membership_kind_id
                    """,
                    self.merged.id,
                    self.survivor.id,
                )
            )
        ]

    def _settle_memberships(self):
        """Where both are in a program, the memberships stay where they are: the survivor's takes over an enrolment of the
        merged one's, and that one is marked as a duplicate; :return: {membership: [state before, state after, what else
        changed as it was before]}"""
        members = self.env["g2p.program_membership"]
        rows = self.env.execute_query(
            SQL(
                """
                SELECT one.id, one.state, other.id, other.state,
                       jsonb_build_object('reason', one.reason, 'enrollment_date', one.enrollment_date),
                       jsonb_build_object('reason', other.reason, 'enrollment_date', other.enrollment_date)
                  FROM g2p_program_membership AS one
                  JOIN g2p_program_membership AS other ON other.program_id = one.program_id
                 WHERE one.partner_id = %s AND other.partner_id = %s AND other.state = ANY(%s)
                """,
                self.survivor.id,
                self.merged.id,
                list(LIVE_MEMBERS),
            )
        )
        if not rows:
            return {}
        states = {}
        reason = self.env._("Merged: %s", self.merge.display_name)
        taking = [row for row in rows if row[3] == "enrolled" and row[1] != "enrolled"]
        if taking:
            members._transition_where(
                SQL("t.id = ANY(%s)", [row[0] for row in taking]),
                "enrolled",
                reason=reason,
                assign={
                    "reason": SQL("NULL"),
                    "enrollment_date": SQL(
                        """
                        (SELECT other.enrollment_date FROM g2p_program_membership AS other
                          WHERE other.program_id = t.program_id AND other.partner_id = %s)
                        """,
                        self.merged.id,
                    ),
                },
            )
            states |= {str(row[0]): [row[1], "enrolled", row[4]] for row in taking}
        members._transition_where(
            SQL("t.id = ANY(%s)", [row[2] for row in rows]),
            "duplicated",
            reason=reason,
            assign={"reason": SQL("%s", reason)},
        )
        return states | {str(row[2]): [row[3], "duplicated", row[5]] for row in rows}

    def _take_fields(self):
        """Write the chosen values; :return: {field: [value before, value after]} of the survivor, as text for JSON."""
        taken = {}
        for line in self.merge.line_ids.filtered(lambda line: line.take == "merged"):
            if line.field_name in self.merge._merged_fields():
                taken[line.field_name] = self.survivor._fields[line.field_name].convert_to_write(
                    self.merged[line.field_name], self.merged
                )
        before = values(self.survivor, taken)
        if taken:
            self.survivor.write(taken)
        after = values(self.survivor, taken)
        return {name: [before[name], after[name]] for name in taken}


def values(partner, names):
    """{field: value that JSON can hold}"""
    found = {}
    for name in names:
        field = partner._fields[name]
        value = field.convert_to_write(partner[name], partner)
        found[name] = fields.Date.to_string(value) if field.type == "date" else value
    return found


def refresh(partners):
    """What is derived from the rows that were moved; the figures of groups are kept by the database itself."""
    env = partners.env
    env.flush_all()
    env["g2p.phone.number"]._refresh_partner_phone(partners.ids)
    env.invalidate_all()
    # The survivor may have got a first account, or lost its primary one.
    partners.bank_ids._settle_primary(env["res.partner.bank"])
    env["g2p.program_membership"].search([("partner_id", "in", partners.ids)]).program_id._refresh_counters()


def outcome(env, journal):
    """How many rows of what were moved, in words."""
    labels = {model._table: model._description for model in env.values() if not model._abstract}
    counts = {}
    for entry in journal["moved"]:
        label = labels.get(entry["table"], env._("Links"))
        counts[label] = counts.get(label, 0) + len(entry["rows"])
    return ", ".join(f"{label}: {count}" for label, count in counts.items()) or env._("Nothing had to be moved")
