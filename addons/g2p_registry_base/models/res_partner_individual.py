from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain

NAME_PARTS = ("family_name", "given_name", "addl_name")


class ResPartner(models.Model):
    """What only individuals have."""

    # a file is one thing: individuals and groups stand apart from what both share
    _inherit = "res.partner"  # pylint: disable=consider-merging-classes-inherited

    _registrant_birthdate_idx = models.Index("(birthdate) WHERE is_registrant IS TRUE AND is_group IS NOT TRUE")

    family_name = fields.Char(string="Family name")
    given_name = fields.Char(string="Given name")
    addl_name = fields.Char(string="Additional name")
    birth_place = fields.Char(string="Birth place")
    birthdate = fields.Date(string="Date of birth")
    birthdate_not_exact = fields.Boolean(string="Approximate birth date")
    age = fields.Char(compute="_compute_age", search="_search_age")
    age_in_years = fields.Integer(
        "Age (years)",
        compute="_compute_age",
        search="_search_age",
        aggregator=None,
        help="In whole years; 0 if not known.",
    )
    gender = fields.Selection(selection=lambda self: self.env["gender.type"]._selection())
    disability = fields.Selection(
        [("yes", "Yes"), ("no", "No")], help="Whether the person lives with a disability; empty: not known."
    )

    @api.depends("family_name", "given_name", "addl_name", "is_registrant", "is_group")
    def _compute_name(self):
        """An individual's name is made of its parts; any other name stays as it was given."""
        for partner in self:
            if partner._has_name_parts():
                partner.name = self._full_name(partner.family_name, partner.given_name, partner.addl_name)
            else:
                partner.name = partner.name

    @api.model
    def _full_name(self, family_name, given_name, addl_name):
        """FAMILY, GIVEN ADDITIONAL"""
        parts = (family_name, f"{given_name or ''} {addl_name or ''}")
        return ", ".join(filter(None, (" ".join((part or "").split()) for part in parts))).upper()

    @api.model
    def _name_parts(self, name):
        """The parts of a name as people type it: “Family, Given Additional” as the registry shows it, or “Given Additional
        Family” as it is said; one word is the given name."""
        family, comma, given = (" ".join(part.split()) for part in name.partition(","))
        words = (given if comma else family).split()
        if not comma:
            family = words.pop() if len(words) > 1 else ""
        parts = zip(NAME_PARTS, (family, *words[:1], " ".join(words[1:])), strict=False)
        return {part: value for part, value in parts if value}

    def _has_name_parts(self):
        self.ensure_one()
        return self.is_registrant and not self.is_group and any(self[part] for part in NAME_PARTS)

    @api.model
    def _individual_vals(self, vals):
        """Values for creating an individual: its name is made of its parts, where it has any."""
        if any(vals.get(part) for part in NAME_PARTS):
            return {**vals, "name": self._full_name(*(vals.get(part) for part in NAME_PARTS))}
        return vals

    @api.depends("birthdate")
    def _compute_age(self):
        today = fields.Date.context_today(self)
        for partner in self:
            if partner.birthdate:
                partner.age_in_years = relativedelta(today, partner.birthdate).years
                partner.age = str(partner.age_in_years)
            else:
                partner.age_in_years = 0
                partner.age = self.env._("No Birthdate!")

    @api.model
    def _search_age(self, operator, value):
        """Ages are asked in whole years and answered by the index on birth dates."""
        today = fields.Date.context_today(self)

        def born_after(years):  # younger than `years` + 1, that is: at most `years` old
            return Domain("birthdate", ">", today - relativedelta(years=years + 1))

        def born_by(years):  # at least `years` old
            return Domain("birthdate", "<=", today - relativedelta(years=years))

        if operator == "in":
            known = [int(item) for item in map(str, value) if item.strip().isdigit()]  # missing is written False
            domain = Domain.OR(born_by(years) & born_after(years) for years in known)
            return domain | Domain("birthdate", "=", False) if len(known) < len(value) else domain
        try:
            years = int(value)
        except (TypeError, ValueError):
            return NotImplemented
        if operator == ">=":
            return born_by(years)
        if operator == ">":
            return born_by(years + 1)
        if operator == "<=":
            return born_after(years)
        if operator == "<":
            return born_after(years - 1)
        return NotImplemented

    @api.constrains("gender")
    def _check_gender(self):
        known = {False} | {value for value, _label in self.env["gender.type"]._selection()}
        for partner in self:
            if partner.gender not in known:
                raise ValidationError(self.env._("%s is no gender of the registry.", partner.gender))

    @api.constrains("birthdate")
    def _check_birthdate(self):
        today = fields.Date.context_today(self)
        for partner in self:
            if partner.birthdate and partner.birthdate > today:
                raise ValidationError(self.env._("The date of birth of %s can't be in the future.", partner.name))
