from odoo import api, fields, models
from odoo.tools import SQL

from ...tools.explain import DomainExplanation, combined, fact
from ...tools.kleene import decided, three_valued
from .eligibility import NOBODY

OPERATOR_WORDS = {"union": "UNION", "intersect": "INTERSECT", "except": "EXCEPT"}


class RulesEligibilityManager(models.Model):
    """Sets of registrants, folded one after the other: ((first UNION second) EXCEPT third) …"""

    _name = "g2p.program_membership.manager.rules"
    _description = "Eligibility by rules"
    _inherit = "g2p.program_membership.manager"

    _reason_code = "rules"

    rule_ids = fields.One2many("g2p.eligibility.rule.definition", "manager_id", string="Rules", copy=True)

    def copy_data(self, default=None):
        vals_list = super().copy_data(default)
        for vals in vals_list:
            # A mnemonic names one rule: those of the copy get their own.
            for _command, _id, rule in vals.get("rule_ids", []):
                rule["mnemonic"] = self.env["g2p.eligibility.rule.definition"]._free_mnemonic(rule["mnemonic"])
        return vals_list

    # The sets. Folding by the sides of three-valued logic: what is certain, and what is possible.

    def _folded(self, low, high, upto=None):
        """The certain and the possible registrants after the rules, from the first to `upto`, or None without rules."""
        sides = None
        for rule in self.rule_ids.sorted("rule_number"):
            if upto is not None and rule.rule_number > upto:
                break
            sure, maybe = rule._certain_registrants(low, high), rule._possible_registrants(low, high)
            if sides is None:
                sides = sure, maybe
                continue
            certain, possible = sides
            # Every step is a subquery of its own: left to right, whatever SQL binds tighter.
            if rule.set_operator == "except":
                sides = SQL("(%s) EXCEPT (%s)", certain, maybe), SQL("(%s) EXCEPT (%s)", possible, sure)
            elif rule.set_operator == "intersect":
                sides = SQL("(%s) INTERSECT (%s)", certain, sure), SQL("(%s) INTERSECT (%s)", possible, maybe)
            else:
                sides = SQL("(%s) UNION (%s)", certain, sure), SQL("(%s) UNION (%s)", possible, maybe)
        return sides

    def _eligible_registrants(self, low=None, high=None):
        self.ensure_one()
        sides = self._folded(low, high)
        return SQL("SELECT registrant_id FROM (%s) AS folded", sides[0]) if sides else NOBODY

    def _unknown_registrants(self, low=None, high=None):
        self.ensure_one()
        if not self.rule_ids or all(rule._verdict().is_decided for rule in self.rule_ids):
            return NOBODY
        certain, possible = self._folded(low, high)
        return SQL("(%s) EXCEPT (%s)", possible, certain)

    # In words

    def _reason_detail(self):
        return self.env._("Does not meet the rules of “%s”", self.name)

    def _unknown_detail(self):
        labels = {}
        for rule in self.rule_ids.sorted("rule_number"):
            labels.update(dict.fromkeys(rule._explanation().missing_labels()))
        return self.env._(
            "Data missing: %(fields)s (%(manager)s)",
            fields=", ".join(labels) or self.env._("what the rules ask"),
            manager=self.name,
        )

    def _registrant_facts(self, registrant_ids):
        """Each rule with its verdict and that of all rules so far, and below it its conditions."""
        facts = {registrant_id: [] for registrant_id in registrant_ids}
        so_far = {}
        for rule in self.rule_ids.sorted("rule_number"):
            verdicts = rule._decide(registrant_ids)
            inner = rule._facts(registrant_ids)
            for registrant_id in registrant_ids:
                verdict = verdicts[registrant_id]
                so_far[registrant_id] = rule._fold(so_far.get(registrant_id), verdict)
                line = fact(
                    self.env,
                    code="rule",
                    label=rule._label(),
                    operator="=",
                    wanted=rule.description or rule.mnemonic,
                    actual=rule._verdict_words(verdict),
                    verdict=verdict,
                )
                line["so_far"] = so_far[registrant_id]
                line["text"] = self.env._(
                    "%(rule)s: %(verdict)s. So far: %(so_far)s",
                    rule=rule._label(),
                    verdict=rule._verdict_words(verdict),
                    so_far=rule._verdict_words(so_far[registrant_id]),
                )
                facts[registrant_id] += [line, *inner[registrant_id]]
        return facts


class EligibilityRuleDefinition(models.Model):
    """A set of registrants: those of whom, in a registry, the conditions are true."""

    _name = "g2p.eligibility.rule.definition"
    _inherit = ["g2p.condition.mixin", "g2p.change.mixin", "g2p.approval.proposal.mixin"]
    _description = "Eligibility rule"
    _order = "manager_id, rule_number, id"
    _rec_name = "mnemonic"
    _changes_on = "manager_id.program_id"
    _proposal_through = "manager_id"

    _mnemonic_uniq = models.Constraint("UNIQUE (mnemonic)", "A rule has this mnemonic already: choose another one.")
    # Deferrable: rules that change places do so in one statement.
    _rule_number_uniq = models.Constraint(
        "UNIQUE (manager_id, rule_number) DEFERRABLE", "Two rules of a manager can't have the same number."
    )

    manager_id = fields.Many2one("g2p.program_membership.manager.rules", required=True, ondelete="cascade")
    program_id = fields.Many2one(related="manager_id.program_id", store=True, index=True)
    company_id = fields.Many2one(related="program_id.company_id")
    mnemonic = fields.Char(required=True, copy=True)
    rule_number = fields.Integer("Number", required=True, default=10, help="Rules are folded in this order.")
    set_operator = fields.Selection(
        [
            ("union", "UNION (or)"),
            ("intersect", "INTERSECT (and)"),
            ("except", "EXCEPT (but not)"),
        ],
        "Combined by",
        required=True,
        default="union",
        help="How the rule is combined with all rules before it. The first rule is where it starts from.",
    )
    is_first = fields.Boolean(compute="_compute_is_first")
    description = fields.Char()
    target_registry = fields.Selection(
        selection="_selection_target_registry", string="Registry", required=True, default="res.partner"
    )
    domain = fields.Char("Conditions", required=True, default="[]")
    matching_count = fields.Integer(
        "Number who match", compute="_compute_counts", help="Registrants of this rule alone."
    )
    running_count = fields.Integer("Number so far", compute="_compute_counts", help="Registrants after this rule.")
    unknown_count = fields.Integer("Number whose data is missing", compute="_compute_counts")
    matching_told = fields.Char("Registrants", compute="_compute_counts", help="Registrants of this rule alone.")
    running_told = fields.Char("So far", compute="_compute_counts", help="Registrants after this rule.")
    unknown_told = fields.Char("Data missing", compute="_compute_counts")

    @api.model
    def _selection_target_registry(self):
        """The registrants themselves, and every registry that some module adds."""
        mixin = self.env.registry["g2p.registry.mixin"]
        registries = [
            (name, self.env[name]._description)
            for name, model in self.env.registry.items()
            if not model._abstract and not model._transient and isinstance(self.env[name], mixin)
        ]
        return [("res.partner", self.env._("Registrants")), *sorted(registries)]

    @api.depends("manager_id.rule_ids.rule_number")
    def _compute_is_first(self):
        for rule in self:
            rule.is_first = rule == rule.manager_id.rule_ids.sorted("rule_number")[:1]

    @api.depends("domain", "set_operator", "rule_number", "target_registry", "manager_id.rule_ids.domain")
    @api.depends_context("uid")
    def _compute_counts(self):
        told = self.env.user._g2p_told
        for rule in self:
            saved, manager = rule._origin, rule.manager_id._origin
            matching = running = possible = 0
            if saved and manager.program_id and not any(manager.rule_ids.mapped("conditions_problem")):
                matching = manager._count(saved._certain_registrants())
                possible = manager._count(saved._possible_registrants())
                running = manager._count(manager._folded(None, None, saved.rule_number)[0])
            rule.matching_count, rule.matching_told = told(matching)
            rule.unknown_count, rule.unknown_told = told(possible - matching)
            rule.running_count, rule.running_told = told(running)

    def _condition_fields(self):
        return {**super()._condition_fields(), "domain": "target_registry"}

    def _known_model(self, model):
        if model not in dict(self._selection_target_registry()):
            raise ValueError(self.env._("there is no registry “%s”", model))
        return model

    @api.model
    def _free_mnemonic(self, mnemonic):
        """A mnemonic that no rule has yet, made from another."""
        # sudo: mnemonics are unique across companies, also those the user can't see; none is shown
        taken = set(self.sudo().search([("mnemonic", "=like", f"{mnemonic}%")]).mapped("mnemonic"))
        number = 2
        while f"{mnemonic}-{number}" in taken:
            number += 1
        return f"{mnemonic}-{number}"

    # The set

    def _is_of_registrants(self):
        return self.target_registry == "res.partner"

    def _target(self):
        """The model that the conditions speak of, in the environment in which it is searched."""
        # sudo: as for the managers, a rule is over all registrants, whatever the button's presser may see
        return self.env[self.target_registry].sudo().with_context(active_test=False)

    def _parsed(self):
        self.ensure_one()
        return self._conditions("domain")

    def _verdict(self):
        domain = self._parsed()
        return decided(domain) if domain.is_true() else three_valued(domain, self._target())

    def _certain_registrants(self, low=None, high=None):
        return self._registrants_where(self._verdict().certain, low, high)

    def _possible_registrants(self, low=None, high=None):
        return self._registrants_where(self._verdict().possible, low, high)

    def _registrants_where(self, domain, low, high):
        """The registrants of the program's base set of whom, or of one of whose records, a domain is true."""
        if self._is_of_registrants():
            return self.manager_id._matching_registrants(domain, low, high)
        if low is not None:
            domain &= fields.Domain("registrant_id", ">", low)
        if high is not None:
            domain &= fields.Domain("registrant_id", "<=", high)
        query = self._target()._search(domain)
        return SQL(
            "SELECT base.registrant_id FROM (%s) AS base WHERE base.registrant_id IN (%s)",
            self.manager_id.program_id._base_registrants(low, high),
            query.select(self._target()._field_to_sql(query.table, "registrant_id", query)),
        )

    # In words

    def _explanation(self):
        return DomainExplanation(self._parsed(), self._target())

    def _label(self):
        self.ensure_one()
        if self.is_first:
            return self.mnemonic
        return f"{OPERATOR_WORDS[self.set_operator]} {self.mnemonic}"

    def _verdict_words(self, verdict):
        return {"yes": self.env._("yes"), "no": self.env._("no"), "unknown": self.env._("data missing")}[verdict]

    def _fold(self, so_far, verdict):
        if so_far is None:
            return verdict
        if self.set_operator == "except":
            return combined("all", [so_far, {"yes": "no", "no": "yes"}.get(verdict, verdict)])
        return combined("all" if self.set_operator == "intersect" else "any", [so_far, verdict])

    def _decide(self, registrant_ids):
        """{registrant id: yes | no | unknown} of this rule alone."""
        bounds = (min(registrant_ids) - 1, max(registrant_ids)) if registrant_ids else (0, 0)
        certain, possible = (
            {row[0] for row in self.env.execute_query(query)}
            for query in (self._certain_registrants(*bounds), self._possible_registrants(*bounds))
        )
        return {
            registrant_id: "yes" if registrant_id in certain else "unknown" if registrant_id in possible else "no"
            for registrant_id in registrant_ids
        }

    def _facts(self, registrant_ids):
        """{registrant id: [fact]}, one deeper than the rule. Of several records in a registry the last is told."""
        model = self.env[self.target_registry].with_context(active_test=False)
        if self._is_of_registrants():
            facts = self._explanation().facts(model.browse(registrant_ids))
        else:
            records = model.search([("registrant_id", "in", list(registrant_ids))], order="id")
            of = {record.registrant_id.id: record for record in records}
            last = model.browse([record.id for record in of.values()])
            told = self._explanation().facts(last)
            facts = {
                registrant_id: told[of[registrant_id].id] if registrant_id in of else [self._not_registered()]
                for registrant_id in registrant_ids
            }
        for lines in facts.values():
            for line in lines:
                line["depth"] += 1
        return facts

    def _not_registered(self):
        label = dict(self._selection_target_registry())[self.target_registry]
        return fact(
            self.env,
            code="registry",
            label=self.env._("Registry “%s”", label),
            operator="=",
            wanted=self.env._("a record"),
            actual=self.env._("no record"),
            verdict="no",
        )
