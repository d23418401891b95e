"""Why somebody is eligible or not: every manager's answer, and the values that decided it."""

from markupsafe import Markup

from odoo import models
from odoo.exceptions import AccessError, UserError

from odoo.addons.g2p_bulk.tools import roles

from ...tools.constants import GROUP_VALIDATOR
from ...tools.explain import combined
from .verdicts import ELIGIBLE, NOT_ELIGIBLE, UNKNOWN

# Who may ask why. All of them read registrants and members, as far as their areas go.
EXPLAIN_GROUPS = (
    GROUP_VALIDATOR,
    "g2p_registry_base.group_g2p_registrar",
    "g2p_registry_base.group_g2p_support",
    "g2p_registry_base.group_g2p_auditor",
)
MOST_REGISTRANTS = 1_000
VERDICTS = {"yes": ELIGIBLE, "no": NOT_ELIGIBLE, "unknown": UNKNOWN}
SIGNS = {
    "yes": ("fa-check-circle text-success", "✓"),
    "no": ("fa-times-circle text-danger", "✗"),
    "unknown": ("fa-question-circle text-warning", "?"),
}


class EligibilityExplained(models.AbstractModel):
    """The part of a program that says why."""

    _name = "g2p.program.explained"
    _description = "Explanation of Eligibility"

    def explain_eligibility(self, registrant_ids):
        """Why these registrants are eligible for the program or not, by today's data. Nothing is changed.

        :param list registrant_ids: at most 1,000 registrants whom the caller may read.
        :return: {"program_id", "program", "mode": all | any, "registrants": [{"registrant_id", "registrant",
            "verdict": eligible | not_eligible | unknown, "code": stable code of the reason or None, "reason": a
            sentence or False, "managers": [{"manager": "model,id", "name", "type", "verdict": yes | no | unknown,
            "code", "text", "facts": see `explain.fact`}]}]}
        """
        self.ensure_one()
        self.check_access("read")
        refusal = self.env._("Only people who work with registrants or members may ask why.")
        roles.check(self.env, *EXPLAIN_GROUPS, refusal=refusal)
        wanted = list(dict.fromkeys(int(registrant_id) for registrant_id in registrant_ids))
        if len(wanted) > MOST_REGISTRANTS:
            raise UserError(self.env._("Ask about %s registrants at a time at most.", MOST_REGISTRANTS))
        # Searched as the caller, so by their record rules.
        registrants = (
            self.env["res.partner"]
            .with_context(active_test=False)
            .search([("id", "in", wanted), ("is_registrant", "=", True)])
        )
        if len(registrants) != len(wanted):
            raise AccessError(
                self.env._(
                    "%s of these registrants are not there, or not yours to read.", len(wanted) - len(registrants)
                )
            )
        self.env.flush_all()
        return {
            "program_id": self.id,
            "program": self.name,
            "mode": self.eligibility_mode,
            "registrants": self._explain_each(registrants.browse(wanted)),
        }

    def _explain_each(self, registrants):
        labels = dict(self.env["g2p.eligibility.manager"]._selection_manager_ref_id())
        managers = self._eligibility_managers()
        answers = [manager._explain_registrants(registrants.ids) for manager in managers]
        reachable = self._reachable(registrants.ids)
        explained = []
        for registrant in registrants:
            told = [
                {
                    "manager": f"{manager._name},{manager.id}",
                    "name": manager.name,
                    "type": labels.get(manager._name, manager._description),
                    **answer[registrant.id],
                }
                for manager, answer in zip(managers, answers, strict=True)
            ]
            explained.append(
                {
                    "registrant_id": registrant.id,
                    "registrant": registrant.display_name,
                    **self._explained_verdict(told, managers, registrant.id in reachable),
                    "managers": told,
                }
            )
        return explained

    def _reachable(self, registrant_ids):
        if not registrant_ids:
            return set()
        base = self._base_registrants(min(registrant_ids) - 1, max(registrant_ids))
        return {row[0] for row in self.env.execute_query(base)}

    def _explained_verdict(self, told, managers, is_reachable):
        """The program's verdict and its reason: the same as `_eligibility_verdicts` gives in SQL."""
        if not is_reachable:
            return {"verdict": NOT_ELIGIBLE, "code": "not_reachable", "reason": self._not_reachable_detail()}
        verdict = combined(self.eligibility_mode, [answer["verdict"] for answer in told])
        if verdict == "yes":
            return {"verdict": ELIGIBLE, "code": None, "reason": False}
        if verdict == "no" and self.eligibility_mode == "any" and len(told) > 1:
            return {"verdict": NOT_ELIGIBLE, "code": "none_of", "reason": self._none_of_detail(managers)}
        first = next(answer for answer in told if answer["verdict"] == verdict)
        return {"verdict": VERDICTS[verdict], "code": first["code"], "reason": first["text"]}

    # On the screen

    def _explain_html(self, registrant):
        """The explanation for one registrant as a page; escapes whatever people wrote."""
        [told] = self.explain_eligibility(registrant.ids)["registrants"]
        headings = {
            ELIGIBLE: ("success", self.env._("Eligible")),
            NOT_ELIGIBLE: ("danger", self.env._("Not eligible")),
            UNKNOWN: ("warning", self.env._("Nobody can tell")),
        }
        color, heading = headings[told["verdict"]]
        parts = [
            Markup('<div class="alert alert-%s mb-3" role="status"><strong>%s</strong>%s</div>')
            % (color, heading, f". {told['reason']}" if told["reason"] else "")
        ]
        if len(told["managers"]) > 1:
            parts.append(Markup('<p class="text-muted">%s</p>') % self._mode_words())
        parts += [self._manager_html(answer) for answer in told["managers"]]
        return Markup("").join(parts)

    def _mode_words(self):
        if self.eligibility_mode == "any":
            return self.env._("It is enough that one of these says yes.")
        return self.env._("All of these must say yes.")

    def _manager_html(self, answer):
        rows = Markup("").join(
            Markup('<li class="list-group-item border-0 py-1" style="padding-left: %srem">%s %s</li>')
            % (1 + 1.5 * line["depth"], self._sign(line["verdict"]), line["text"])
            for line in answer["facts"]
        )
        return Markup(
            '<div class="card mb-2"><div class="card-header">%s <strong>%s</strong> <span class="text-muted">%s</span></div>'
            '<ul class="list-group list-group-flush">%s</ul></div>'
        ) % (
            self._sign(answer["verdict"]),
            answer["name"],
            answer["type"],
            rows or Markup('<li class="list-group-item border-0 py-1 text-muted">%s</li>') % answer["text"],
        )

    def _sign(self, verdict):
        icon, sign = SIGNS[verdict]
        words = {"yes": self.env._("yes"), "no": self.env._("no"), "unknown": self.env._("data missing")}[verdict]
        return Markup('<i class="fa %s" role="img" title="%s" aria-label="%s"></i>') % (icon, words, words or sign)

    # For a whole program

    def action_open_reasons(self):
        """Button: the members who are left out, grouped by the reason; each group opens its list."""
        self.ensure_one()
        return self._open(
            "g2p.program_membership",
            self.env._("Why members of %s are left out", self.name),
            {"search_default_reasons": 1, "search_default_group_reason": 1, "default_program_id": self.id},
        )

    def action_open_unknown(self):
        """Button: the members of whom nobody can tell, by what is missing."""
        self.ensure_one()
        return self._open(
            "g2p.program_membership",
            self.env._("Data missing in %s", self.name),
            {"search_default_unknown": 1, "search_default_group_reason": 1, "default_program_id": self.id},
        )
