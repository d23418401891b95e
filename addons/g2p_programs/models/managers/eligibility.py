"""Eligibility managers answer: who qualifies, who does not, and of whom can nobody tell?

A manager's answer is two queries of registrants: those who qualify, and those whose data is missing. Everybody else of
the program's base set does not qualify. The program combines the managers' answers.
"""

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.orm.domains import DomainAnd
from odoo.tools import SQL

from ...tools.explain import DomainExplanation
from ...tools.kleene import decided, three_valued

NOBODY = SQL("SELECT NULL::integer AS registrant_id WHERE FALSE")


class EligibilityManager(models.Model):
    _name = "g2p.eligibility.manager"
    _description = "Eligibility manager reference"
    _inherit = "g2p.manager.mixin"

    @api.model
    def _selection_manager_ref_id(self):
        return [
            *super()._selection_manager_ref_id(),
            ("g2p.program_membership.manager.default", self.env._("Default")),
            ("g2p.program_membership.manager.id_dedup", self.env._("ID document")),
            ("g2p.program_membership.manager.phone_number", self.env._("Phone number")),
            ("g2p.program_membership.manager.tag", self.env._("Tags")),
            ("g2p.program_membership.manager.area", self.env._("Areas")),
            ("g2p.program_membership.manager.list", self.env._("List from a file")),
            ("g2p.program_membership.manager.rules", self.env._("Rules")),
        ]


class BaseEligibilityManager(models.AbstractModel):
    """Contract of the kind.

    A type that asks one more thing of registrants than the conditions overrides `_criterion`, `_reason_code`,
    `_reason_detail` and `_criterion_facts`. A type that finds its registrants otherwise overrides
    `_eligible_registrants`, `_unknown_registrants` and, to say why, `_explain_registrants`.
    """

    _name = "g2p.program_membership.manager"
    _description = "Eligibility manager"
    _inherit = ["g2p.manager.source.mixin", "g2p.condition.mixin"]
    _manager_reference = "g2p.eligibility.manager"
    _proposal_kind = "program_rules"

    _reason_code = "not_eligible"

    eligibility_domain = fields.Char(
        string="Registrants matching", default="[]", help="Conditions on the registrant; empty means everybody."
    )
    matching_count = fields.Integer(
        compute="_compute_matching_count",
        string="Number who match",
        help="Of the registrants whom you may see. 0 also stands for a number so small that it is not told to you.",
    )
    unknown_count = fields.Integer(
        compute="_compute_matching_count",
        string="Number whose data is missing",
        help="Registrants of whom nobody can tell, because data that the conditions ask for is missing.",
    )
    matching_told = fields.Char("Registrants who match", compute="_compute_matching_count")
    unknown_told = fields.Char(
        "Data missing",
        compute="_compute_matching_count",
        help="Registrants of whom nobody can tell, because data that the conditions ask for is missing.",
    )

    def _condition_fields(self):
        return {**super()._condition_fields(), "eligibility_domain": "res.partner"}

    @api.depends("eligibility_domain", "program_id")
    @api.depends_context("uid")
    def _compute_matching_count(self):
        for manager in self:
            matching = unknown = 0
            if manager.program_id and not manager.conditions_problem:
                matching = manager._count(manager._eligible_registrants())
                unknown = manager._count(manager._unknown_registrants())
            manager.matching_count, manager.matching_told = self.env.user._g2p_told(matching)
            manager.unknown_count, manager.unknown_told = self.env.user._g2p_told(unknown)

    def _proposal_effects(self, names):
        if self._condition_fields().keys().isdisjoint(names):
            return super()._proposal_effects(names)
        return {
            self._fields[name]._description_string(self.env): self[name] for name in ("matching_told", "unknown_told")
        }

    def _count(self, registrants):
        """How many of these registrants there are, among those whom a user limited to areas may see.

        :param SQL registrants: a column `registrant_id`.
        """
        return self.env.user._g2p_count(registrants)

    # The sets

    def _eligible_registrants(self, low=None, high=None):
        """Who qualifies.

        :param low, high: restrict to `low < registrant id <= high`; None means no bound.
        :return SQL: one column `registrant_id`, each registrant once, all of them in the program's base set
            (registrants of the target type, of the program's company or of none, active and not disabled).
        """
        self.ensure_one()
        return self._registrants_with(self._registrant_verdict().certain, self._criterion(), low, high)

    def _unknown_registrants(self, low=None, high=None):
        """Of whom nobody can tell whether they qualify: data is missing. Nobody of them is among the eligible.

        :return SQL: one column `registrant_id`, each registrant once, all of them in the program's base set.
        """
        self.ensure_one()
        verdict = self._registrant_verdict()
        criterion, possible_criterion = self._criterion(), self._possible_criterion()
        if possible_criterion is None:
            if verdict.is_decided:
                return NOBODY
            return self._registrants_with(verdict.possible & ~verdict.certain, criterion, low, high)
        return SQL(
            "%s EXCEPT %s",
            self._registrants_with(verdict.possible, possible_criterion, low, high),
            self._registrants_with(verdict.certain, criterion, low, high),
        )

    def _criterion(self):
        """What the kind asks of a registrant beside the conditions.

        :return: a condition in SQL on `base.registrant_id` that is true or false, or None.
        """
        return

    def _possible_criterion(self):
        """The same criterion, true also of those of whom it may be true; None when it can always be decided."""
        return

    def _registrants_with(self, domain, criterion, low, high):
        base = self._matching_registrants(domain, low, high)
        if criterion is None:
            return base
        return SQL("SELECT base.registrant_id FROM (%s) AS base WHERE %s", base, criterion)

    def _registrants(self):
        """The model of the registrants, in the environment in which managers search it."""
        # sudo: eligibility is a rule of the program over all its registrants. The record rules of whoever presses the
        # button (an officer limited to one district) must not leave anybody out; nothing of the rows is shown.
        return self.env["res.partner"].sudo().with_context(active_test=False)

    def _registrant_domain(self):
        """The conditions as a domain on res.partner."""
        self.ensure_one()
        return self._conditions("eligibility_domain")

    def _registrant_verdict(self):
        """The conditions as a pair of domains: of whom they are certainly true, and of whom they may be."""
        domain = self._registrant_domain()
        return decided(domain) if domain.is_true() else three_valued(domain, self._registrants())

    def _matching_registrants(self, domain, low=None, high=None):
        """The base set of the program, narrowed by a domain on res.partner."""
        domain = Domain.AND([self.program_id._base_domain(), domain])
        if low is not None:
            domain &= Domain("id", ">", low)
        if high is not None:
            domain &= Domain("id", "<=", high)
        query = self._registrants()._search(domain)
        return query.select(SQL("%s AS registrant_id", SQL.identifier(query.table, "id")))

    # In words

    def _reason_detail(self):
        """Why somebody who isn't in the set was left out, in words."""
        self.ensure_one()
        return self.env._("Does not meet the conditions of “%s”", self.name)

    def _first_refusal(self, partner, low=None, high=None):
        """In SQL, of somebody who does not qualify: the first condition that they certainly don't meet, in words; of one
        condition, or where something else is in the way, what is said of the whole.

        :param SQL partner: the id of a registrant in the program's base set
        """
        self.ensure_one()
        domain, model = self._registrant_domain(), self._registrants()
        if not isinstance(domain, DomainAnd):
            return SQL("%s", self._reason_detail())
        branches = [
            SQL(
                "WHEN %s NOT IN (%s) THEN %s",
                partner,
                self._matching_registrants(three_valued(condition, model).possible, low, high),
                self.env._(
                    "%(condition)s (%(manager)s)",
                    condition=DomainExplanation(condition, model).in_short(),
                    manager=self.name,
                ),
            )
            for condition in domain.children
        ]
        return SQL("CASE %s ELSE %s END", SQL(" ").join(branches), self._reason_detail())

    def _or_conditions(self, reason):
        """The reason of a kind that asks one more thing: who is left out may miss that, or the conditions."""
        if self._conditions("eligibility_domain").is_true():
            return reason
        return self.env._(
            "%(reason)s, or does not meet the conditions of “%(manager)s”", reason=reason, manager=self.name
        )

    def _unknown_detail(self):
        """Which data may be missing of somebody of whom nobody can tell, in words."""
        self.ensure_one()
        fields_asked = DomainExplanation(self._registrant_domain(), self._registrants()).missing_labels()
        return self.env._(
            "Data missing: %(fields)s (%(manager)s)",
            fields=", ".join(fields_asked) or self.env._("what the conditions ask"),
            manager=self.name,
        )

    def _explain_registrants(self, registrant_ids):
        """Why: the verdict on some registrants, with the values that decided it.

        The caller sees the values that they may read; it is the callers of this method who check that they may read
        the registrants.

        :return: {registrant id: {"verdict": yes | no | unknown, "code": stable code of the reason or None,
            "text": a sentence, "facts": the conditions one by one, see `DomainExplanation.facts`}}
        """
        self.ensure_one()
        facts = self._registrant_facts(registrant_ids)
        yes, unknown = self._decide_registrants(registrant_ids)
        told = {}
        for registrant_id in registrant_ids:
            if registrant_id in yes:
                verdict, code, text = "yes", None, self.env._("Meets “%s”", self.name)
            elif registrant_id in unknown:
                verdict, code, text = "unknown", "data_missing", self._unknown_detail()
            else:
                verdict, code, text = "no", self._reason_code, self._reason_detail()
            told[registrant_id] = {"verdict": verdict, "code": code, "text": text, "facts": facts[registrant_id]}
        return told

    def _decide_registrants(self, registrant_ids):
        """The ids of those who qualify, and of those of whom nobody can tell, among some registrants."""
        if not registrant_ids:
            return set(), set()
        bounds = (min(registrant_ids) - 1, max(registrant_ids))
        return tuple(
            {
                registrant_id
                for (registrant_id,) in self.env.execute_query(
                    SQL(
                        "SELECT registrant_id FROM (%s) AS registrants WHERE registrant_id = ANY(%s)",
                        query,
                        list(registrant_ids),
                    )
                )
            }
            for query in (self._eligible_registrants(*bounds), self._unknown_registrants(*bounds))
        )

    def _registrant_facts(self, registrant_ids):
        """{registrant id: [fact]}: each condition with the value that decided it."""
        explanation = DomainExplanation(self._registrant_domain(), self._registrants())
        facts = explanation.facts(self.env["res.partner"].browse(registrant_ids))
        for registrant_id, fact in self._criterion_facts(registrant_ids).items():
            facts[registrant_id].append(fact)
        return facts

    def _criterion_facts(self, registrant_ids):
        """{registrant id: fact} on what the kind asks beside the conditions."""
        return {}
