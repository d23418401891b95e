from odoo.exceptions import UserError
from odoo.tools import SQL

TAKEN_STATES = ("active", "inprogress", "completed")


class NewApplications:
    """Who applies, and whether they may: what is asked before applications are made.

    :param applications: the model, in the environment of who makes them
    """

    def __init__(self, applications):
        self.env, self.applications = applications.env, applications

    def memberships(self, vals_list):
        """The membership of each, found or made, locked until the end of the transaction, and allowed to apply; a list."""
        memberships = self._found(vals_list)
        self._lock(memberships)
        self._check(memberships)
        self._forget_latest(memberships)
        return memberships

    def _found(self, vals_list):
        """In the rights of the user."""
        members = self.env["g2p.program_membership"]
        result = []
        for vals in vals_list:
            membership = members.browse(vals.get("program_membership_id"))
            if not membership:
                pair = {"partner_id": vals.get("registrant_id"), "program_id": vals.get("program_id")}
                if not all(pair.values()):
                    raise UserError(self.env._("An application is of a registrant, to a program."))
                membership = members.search([(name, "=", value) for name, value in pair.items()], limit=1)
                membership = membership or self._new_member(pair)
            membership.check_access("read")
            result.append(membership)
        return result

    def _new_member(self, vals):
        members = self.env["g2p.program_membership"]
        members.check_access("create")
        self.env["res.partner"].browse(vals["partner_id"]).check_access("read")
        self.env["g2p.program"].browse(vals["program_id"]).check_access("read")
        # sudo: the user may make members, and sees this registrant and this program; a member's set of duplicates, which
        # the ORM asks for too, is of no interest to registrars
        return members.sudo().create(vals).with_env(self.env)

    def _lock(self, memberships):
        """Applications of one member are made one after the other."""
        self.env.flush_all()
        ids = sorted({membership.id for membership in memberships})
        self.env.cr.execute(
            SQL("SELECT id FROM g2p_program_membership WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", ids)
        )

    def _forget_latest(self, memberships):
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_program_registrant_info SET is_latest = FALSE
                 WHERE is_latest AND program_membership_id = ANY(%s)
                """,
                [membership.id for membership in memberships],
            )
        )
        self.applications.invalidate_model(["is_latest"], flush=False)

    def _check(self, memberships):
        """Refuse, in words, what the database would refuse, and what it can't know."""
        if len({membership.id for membership in memberships}) < len(memberships):
            raise UserError(self.env._("Applications of one registrant to a program are made one after the other."))
        once = set()
        for membership in memberships:
            program = membership.program_id
            if program.state != "active":
                raise UserError(self.env._("%s is not active, so nobody can apply to it.", program.name))
            if membership.state in ("exited", "graduated"):
                raise UserError(
                    self.env._(
                        "%(registrant)s has left %(program)s and can't apply to it.",
                        registrant=membership.partner_id.name,
                        program=program.name,
                    )
                )
            if not program.multiple_form_submission:
                once.add(membership.id)
        taken = dict(
            # sudo: an application counts whether or not the user may see it; only the refusal is shown
            self.applications.sudo()._read_group(
                [
                    ("program_membership_id", "in", list(once)),
                    ("state", "in", TAKEN_STATES),
                ],
                ["program_membership_id"],
                ["__count"],
            )
        )
        for membership in memberships:
            if membership in taken:
                raise UserError(
                    self.env._(
                        "%(registrant)s has an application to %(program)s already, which allows one.",
                        registrant=membership.partner_id.name,
                        program=membership.program_id.name,
                    )
                )
