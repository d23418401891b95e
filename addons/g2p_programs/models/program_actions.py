"""The buttons of a program and the bulk steps behind them."""

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL
from odoo.tools.misc import format_datetime

from ..tools.constants import ENROLLMENT_CANDIDATES, GROUP_MANAGER, GROUP_VALIDATOR

# As many members as one call from outside gets.
MOST_AT_ONCE = 10_000


class Program(models.Model):
    _inherit = "g2p.program"

    def _bulk_steps(self):
        return {
            **super()._bulk_steps(),
            "import_eligible": self.env._("Import eligible registrants"),
            "enroll": self.env._("Enroll eligible registrants"),
            "verify": self.env._("Verify eligibility"),
        }

    def _bulk_outcomes(self):
        _ = self.env._
        return {
            **super()._bulk_outcomes(),
            "imported": (_("Imported"), "done"),
            "enrolled": (_("Newly enrolled"), "done"),
            "already": (_("Already enrolled"), "done"),
            "not_eligible": (_("Not eligible"), "skipped"),
            "unknown": (_("Data missing"), "skipped"),
            "exited": (_("Not eligible any more, exited"), "done"),
        }

    def _bulk_tables(self, step):
        return [*super()._bulk_tables(step), "g2p_program_membership"]

    def _bulk_rows(self, operation, outcome):
        """Members: those who moved by the history; of the others, by the verdict they were given and did not lose since."""
        model = "g2p.program_membership"
        mine = SQL("t.program_id = %s AND %s", self.id, operation._in_chunks_with(outcome, SQL("t.partner_id")))
        enrolled, step = operation._moved_rows(model, "enrolled"), operation.step
        if step == "import_eligible" and outcome == "imported":
            return model, operation._moved_rows(model)
        if step in ("enroll", "verify"):
            rows = {
                "enrolled": enrolled,
                "exited": operation._moved_rows(model, "exited"),
                "already": SQL(
                    "%s AND t.state = 'enrolled' AND t.eligibility_verdict = 'eligible' AND NOT %s", mine, enrolled
                ),
                "not_eligible": SQL("%s AND t.state = 'not_eligible' AND t.eligibility_verdict = 'not_eligible'", mine),
                "unknown": SQL("%s AND t.state IN ('draft', 'enrolled') AND t.eligibility_verdict = 'unknown'", mine),
            }
            if outcome in rows:
                return model, rows[outcome]
        return super()._bulk_rows(operation, outcome)

    # What comes before what

    def _bulk_related(self, model):
        if model == "g2p.cycle":
            return SQL("SELECT id FROM g2p_cycle WHERE program_id = %s", self.id)
        if model == "g2p.membership.change":
            return SQL("SELECT id FROM g2p_membership_change WHERE program_id = %s", self.id)
        return super()._bulk_related(model)

    @api.model
    def _bulk_relies_on(self):
        changes = ("g2p.membership.change:apply", "g2p.membership.change:reverse")
        members = ("import_eligible", "enroll", "verify", "deduplicate", "auto_enrol", *changes)
        return {
            **super()._bulk_relies_on(),
            "import_eligible": (),
            "enroll": ("import_eligible", "deduplicate", *changes),
            "verify": ("import_eligible", "deduplicate", *changes),
            "action_activate": (),
            "create_new_cycle": members,
            "end_program": (*members, "g2p.cycle:*"),
            "reactivate_program": (),
            # What runs is finished: pausing waits for nothing.
            "pause_program": (),
            "resume_program": (),
            "action_archive": ("g2p.cycle:*",),
            # Acts on single members, and what they rest on
            "edit_members": (*changes, "g2p.cycle:copy"),
            "merge_members": (*changes, "g2p.cycle:*"),
            "settings": ("g2p.cycle:prepare", "g2p.cycle:verify"),
        }

    @api.model
    def _bulk_acts(self):
        return (*super()._bulk_acts(), "edit_members", "merge_members", "settings")

    @api.model
    def _bulk_from_states(self):
        return {**super()._bulk_from_states(), **dict.fromkeys(("import_eligible", "enroll", "verify"), ("active",))}

    def _check_can(self, group):
        """Buttons need a role, also when they are called by RPC."""
        if not self.env.su and not self.env.user.has_group(group):
            raise AccessError(
                self.env._("Only members of the role “%s” may do this.", self.env.ref(group).sudo().display_name)
            )

    def _check_active(self):
        """Nothing new starts in a program that is not at work: every button that starts something asks this."""
        for program in self:
            program._check_not_paused()
            if program.state != "active" or not program.active:
                raise UserError(
                    self.env._("%s is not active: activate it, or re-activate it when it has ended.", program.name)
                )

    def _check_not_paused(self, only_held=False):
        """Refuse while paused; `only_held`: only where what is under way is held too."""
        for program in self:
            if program.state == "paused" and (not only_held or program.pause_mode == "hold"):
                raise UserError(
                    self.env._(
                        "%(program)s is paused since %(date)s: %(reason)s. Resume the program first.",
                        program=program.name,
                        date=format_datetime(self.env, program.paused_on),
                        reason=(program.pause_reason or "").rstrip("."),
                    )
                )

    # Life cycle

    def action_pause(self):
        """Button: ask for the reason, and what becomes of the cycles under way."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
        self._require_state("active")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Pause %s", self.name),
            "res_model": "g2p.program.pause.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_program_id": self.id},
        }

    def pause_program(self, reason, mode="finish"):
        """active → paused: nothing new starts until it is resumed.

        :param reason: why, in words
        :param mode: "finish": cycles that wait for approval or payment go on; "hold": they are neither approved nor paid
        """
        self._check_can(GROUP_MANAGER)
        self.check_access("write")
        self._require_state("active")
        self._bulk_check("pause_program")
        reason = (reason or "").strip()
        if not reason:
            raise UserError(self.env._("Say why the program is paused."))
        if mode not in dict(self._fields["pause_mode"].selection):
            raise UserError(self.env._("Cycles under way are finished or held."))
        # sudo: role, access and state were checked above; the fields are protected
        self.sudo().write(
            {
                "pause_mode": mode,
                "pause_reason": reason,
                "paused_on": fields.Datetime.now(),
                "paused_by": self.env.uid,
            }
        )
        self._transition("paused", reason=reason)
        return True

    def resume_program(self):
        """paused → active: everything goes on where it stopped."""
        self._check_can(GROUP_MANAGER)
        self.check_access("write")
        self._require_state("paused")
        self._bulk_check("resume_program")
        # sudo: role, access and state were checked above; the fields are protected
        self.sudo().write({"pause_mode": False, "pause_reason": False, "paused_on": False, "paused_by": False})
        self._transition("active")
        return True

    def action_activate(self):
        """draft → active."""
        self._check_can(GROUP_MANAGER)
        self.check_access("write")
        self._require_state("draft")
        self._bulk_check("action_activate")
        self._transition("active")
        return True

    def end_program(self):
        """active or paused → ended: no enrolment, no new cycle; nothing is lost and the program can be re-activated."""
        self._check_can(GROUP_MANAGER)
        self.check_access("write")
        self._require_state("active", "paused")
        self._bulk_check("end_program")
        for program in self:
            unfinished = program.cycle_ids.filtered(lambda cycle: cycle.state in ("to_approve", "approved"))
            if unfinished:
                raise UserError(
                    self.env._(
                        "%(program)s can't end while a cycle waits for approval or payment: %(cycles)s. "
                        "Finish or cancel it first.",
                        program=program.name,
                        cycles=", ".join(unfinished.mapped("name")),
                    )
                )
        # sudo: role, access and state were checked above; the date is protected
        self.sudo().write(
            {
                "date_ended": fields.Date.context_today(self),
                **dict.fromkeys(("pause_mode", "pause_reason", "paused_on", "paused_by"), False),
            }
        )
        self._transition("ended")
        return True

    def reactivate_program(self):
        """ended → active."""
        self._check_can(GROUP_MANAGER)
        self.check_access("write")
        self._require_state("ended")
        self._bulk_check("reactivate_program")
        # sudo: role, access and state were checked above; the date is protected
        self.sudo().write({"date_ended": False})
        self._transition("active")
        return True

    # Import of eligible registrants

    def import_eligible_registrants(self, state="enrolled"):
        """Make every eligible registrant who is not a member yet one, in the given state ("enrolled" or "draft")."""
        self.ensure_one()
        self._check_can(GROUP_VALIDATOR)
        self.check_access("write")
        self._check_active()
        if state not in ("draft", "enrolled"):
            raise UserError(self.env._("Registrants are imported as draft or as enrolled members."))
        return self._bulk_start("import_eligible", params={"state": state})._notification()

    def _bulk_source_import_eligible(self, operation):
        return SQL(
            """
            SELECT eligible.registrant_id AS key
              FROM (%(eligible)s) AS eligible
             WHERE NOT EXISTS (
                    SELECT FROM g2p_program_membership AS membership
                     WHERE membership.program_id = %(program)s AND membership.partner_id = eligible.registrant_id
                   )
            """,
            eligible=self._eligible_registrants(),
            program=self.id,
        )

    def _bulk_chunk_import_eligible(self, operation, low, high):
        state = operation.params["state"]
        self.env.cr.execute(
            SQL(
                """
                WITH inserted AS (
                    INSERT INTO g2p_program_membership
                           (partner_id, program_id, state, eligibility_verdict, enrollment_date,
                            create_uid, write_uid, create_date, write_date)
                    SELECT eligible.registrant_id, %(program)s, %(state)s, 'eligible', %(enrollment_date)s,
                           %(uid)s, %(uid)s, %(now)s, %(now)s
                      FROM (%(eligible)s) AS eligible
                     ORDER BY eligible.registrant_id
                        ON CONFLICT DO NOTHING
                 RETURNING id
                ), logged AS (
                    INSERT INTO g2p_state_history
                           (res_model, res_id, from_state, to_state, reason, user_id, operation_id, date)
                    SELECT 'g2p.program_membership', id, NULL, %(state)s, NULL, %(uid)s, %(operation)s, %(now)s
                      FROM inserted
                )
                SELECT COUNT(*) FROM inserted
                """,
                eligible=self._eligible_registrants(low, high),
                program=self.id,
                state=state,
                enrollment_date=self.env.cr.now() if state == "enrolled" else None,
                uid=operation.user_id.id,
                operation=operation.id,
                now=self.env.cr.now(),
            )
        )
        [count] = self.env.cr.fetchone()
        return {"imported": count}

    def _bulk_finish_import_eligible(self, operation):
        self._refresh_counters()

    # Enrolment and verification

    def enroll_eligible_registrants(self):
        """Candidates (draft, not eligible, enrolled) become enrolled or not eligible.
        Exited, paused and duplicated members stay as they are."""
        return self._start_eligibility("enroll", ENROLLMENT_CANDIDATES)

    def verify_eligibility(self):
        """Enrolled members who no longer match become not eligible, and the other way round; drafts stay."""
        return self._start_eligibility("verify", ("enrolled", "not_eligible"))

    def _start_eligibility(self, step, states):
        self.ensure_one()
        self._check_can(GROUP_VALIDATOR)
        self.check_access("write")
        self._check_active()
        if not self.have_members:
            raise UserError(
                self.env._("%s has no members yet: import the eligible registrants, or add some.", self.name)
            )
        return self._bulk_start(step, params={"states": list(states)})._notification()

    def _bulk_source_enroll(self, operation):
        return SQL(
            "SELECT partner_id AS key FROM g2p_program_membership WHERE program_id = %s AND state = ANY(%s)",
            self.id,
            operation.params["states"],
        )

    _bulk_source_verify = _bulk_source_enroll

    def _bulk_chunk_enroll(self, operation, low, high):
        return self._apply_eligibility(low, high, operation.params["states"], operation)

    def _bulk_chunk_verify(self, operation, low, high):
        return self._apply_eligibility(low, high, operation.params["states"], operation, exits=self.auto_exit)

    def _bulk_finish_enroll(self, operation):
        self._refresh_counters()

    _bulk_finish_verify = _bulk_finish_enroll

    # Cycles

    def create_new_cycle(self):
        """The next cycle, with the enrolled members in it when the program manager says so."""
        self.ensure_one()
        self._check_can(GROUP_MANAGER)
        self.check_access("write")
        self._check_active()
        self._bulk_check("create_new_cycle")
        if not self.eligible_beneficiaries_count:
            raise UserError(self.env._("%s has no enrolled members: enrol the eligible ones first.", self.name))
        manager = self.get_manager(self.MANAGER_PROGRAM)
        cycle = manager.new_cycle()
        action = {
            "type": "ir.actions.act_window",
            "res_model": "g2p.cycle",
            "res_id": cycle.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }
        if manager.copy_last_cycle_on_new_cycle:
            cycle.copy_beneficiaries_from_program()
        return action

    # What OpenG2P's clients call

    def toggle_active(self):
        """Archive the active ones, take the others out of the archive; XML-RPC can't carry Odoo's own answer, nothing."""
        archived = self.filtered(lambda program: not program.active)
        (self - archived).action_archive()
        archived.action_unarchive()
        return True

    @api.readonly
    def get_beneficiaries(self, state=None, offset=0, limit=None, order=None, count=False):
        """The members of this program whom the user may see.

        :param state: a state, a list of them, or None for all
        :param limit: None means the first 10,000: whoever wants more pages through them
        :return: memberships (ids over RPC); their number with `count`
        """
        self.ensure_one()
        domain = [("program_id", "=", self.id)]
        if state:
            domain.append(("state", "in", [state] if isinstance(state, str) else list(state)))
        members = self.env["g2p.program_membership"]
        if count:
            return members.search_count(domain)
        return members.search(domain, offset=offset, limit=min(limit or MOST_AT_ONCE, MOST_AT_ONCE), order=order)

    def notify_eligible_beneficiaries(self):
        """Refused with a sentence while nothing is installed that could tell anybody."""
        self.ensure_one()
        self._check_can(GROUP_VALIDATOR)
        self._check_active()
        raise UserError(
            self.env._(
                "Nobody is told: %s has no notification manager, and no module that brings one is installed.", self.name
            )
        )

    # Links

    def open_eligible_beneficiaries_form(self):
        """Stat button: the members, enrolled first."""
        return self._open(
            "g2p.program_membership",
            self.env._("Beneficiaries of %s", self.name),
            {"search_default_enrolled": 1, "default_program_id": self.id},
        )

    def open_duplicate_membership_form(self):
        """Stat button: sets of duplicates."""
        return self._open(
            "g2p.program.membership.duplicate",
            self.env._("Duplicates of %s", self.name),
            {"search_default_open": 1},
        )

    def open_cycles_form(self):
        """Stat button: the cycles."""
        return self._open("g2p.cycle", self.env._("Cycles of %s", self.name), {"default_program_id": self.id})

    def _open(self, model, name, context=None):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": model,
            "view_mode": "list,form",
            "views": [(False, "list"), (False, "form")],
            "domain": [("program_id", "=", self.id)],
            "context": context or {},
        }
