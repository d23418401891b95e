"""The way back: everything goes back to where the journal of a merge says it came from, or nothing does."""

from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.g2p_programs.models.entitlement import DEAD_STATES

from .merge_rows import refresh, values
from .row_mover import RowMover


class MergeUndo:
    """:param merge: a record of g2p.registrant.merge, as superuser: the rows are of many models"""

    def __init__(self, merge):
        self.env, self.journal = merge.env, merge.journal
        self.survivor, self.merged = merge.survivor_id, merge.merged_id

    def move_back(self):
        """Move everything back, if all of it is as the merge left it.

        :raise UserError: says what has changed since
        """
        self.env.flush_all()
        journal, survivor = self.journal, self.survivor
        if survivor.merged_into_id:
            raise UserError(
                self.env._(
                    "%(survivor)s was merged into %(other)s since: undo that merge first.",
                    survivor=survivor.name,
                    other=survivor.merged_into_id.name,
                )
            )
        current = values(survivor, journal["fields"])
        for name, (_before, after) in journal["fields"].items():
            if current[name] != after:
                self._refuse(survivor._fields[name]._description_string(self.env))
        self._check_nothing_came_of_it()
        self._restore_states(journal["states"])
        mover = RowMover(self.merged, survivor)
        for entry in reversed(journal["moved"]):
            if not mover.move_back(entry):
                labels = {model._table: model._description for model in self.env.values() if not model._abstract}
                self._refuse(labels.get(entry["table"], entry["table"]))
        self._restore_roles(journal["roles"])
        self.env.invalidate_all(flush=False)
        if journal["fields"]:
            survivor.write({name: before for name, (before, _after) in journal["fields"].items()})
        self.merged.write({"merged_into_id": False})
        self.merged.enable_registrant()
        refresh(survivor | self.merged)
        if journal["primary"]:
            accounts = self.env["res.partner.bank"].browse(journal["primary"]).exists()
            accounts._settle_primary(accounts)

    def _refuse(self, what):
        raise UserError(
            self.env._(
                "The merge can't be undone: what was moved has changed since (%s). Correct both registrants by hand.",
                what,
            )
        )

    def _check_nothing_came_of_it(self):
        """Entitlements that the survivor got since in a program that goes back, and payments made since for entitlements
        that go back: undone, the one would be prepared again, the other would be paid to the wrong one."""
        moved = {}
        for entry in self.journal["moved"]:
            if entry["column"] == "partner_id":
                moved[entry["table"]] = [int(key) for key in entry["rows"]]
        memberships = [*moved.get("g2p_program_membership", ()), *map(int, self.journal["states"])]
        entitlements = moved.get("g2p_entitlement", [])
        [[new_entitlement, new_payment]] = self.env.execute_query(
            SQL(
                """
                SELECT EXISTS (
                        SELECT FROM g2p_entitlement AS t
                         WHERE t.partner_id = %(survivor)s AND t.id <> ALL(%(own)s)
                           AND t.state <> ALL(%(dead)s) AND t.id <> ALL(%(entitlements)s)
                           AND (t.program_id IN (SELECT program_id FROM g2p_program_membership WHERE id = ANY(%(members)s))
                                OR t.cycle_id IN (SELECT cycle_id FROM g2p_cycle_membership WHERE id = ANY(%(places)s)))
                       ),
                       EXISTS (
                        SELECT FROM g2p_payment AS payment
                         WHERE payment.entitlement_id = ANY(%(entitlements)s) AND payment.id <> ALL(%(payments)s)
                       )
                """,
                survivor=self.survivor.id,
                own=self.journal["entitlements"],
                dead=list(DEAD_STATES),
                entitlements=entitlements,
                members=memberships,
                places=moved.get("g2p_cycle_membership", []),
                payments=moved.get("g2p_payment", []),
            )
        )
        if new_entitlement:
            self._refuse(self.env["g2p.entitlement"]._description)
        if new_payment:
            self._refuse(self.env["g2p.payment"]._description)

    def _restore_states(self, states):
        members = self.env["g2p.program_membership"]
        found = members.browse(int(key) for key in states).exists()
        if any(member.state != states[str(member.id)][1] for member in found) or len(found) != len(states):
            self._refuse(members._description)
        for member in found:
            state, _after, *known = states[str(member.id)]
            before = known[0] if known else {}
            members._transition_where(
                SQL("t.id = %s", member.id),
                state,
                reason=self.env._("Merge undone"),
                assign={
                    column: SQL("%s::%s", before[column], SQL(kind))
                    for column, kind in (("reason", "varchar"), ("enrollment_date", "timestamp"))
                    if column in before
                },
            )

    def _restore_roles(self, roles):
        if roles:
            self.env.cr.execute(
                SQL(
                    """
                    INSERT INTO g2p_group_membership_g2p_group_membership_kind_rel
                           (g2p_group_membership_id, g2p_group_membership_kind_id)
                    VALUES %s
                        ON CONFLICT DO NOTHING
                    """,
                    SQL(", ").join(SQL("(%s, %s)", membership, role) for membership, role in roles),
                )
            )
