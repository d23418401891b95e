from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL


class ApprovalAbout(models.AbstractModel):
    """A row about a record of any model, `res_model` and `res_id`: it is as visible as that record. Record rules ask
    `record_readable`."""

    _name = "g2p.approval.about"
    _description = "As visible as what it is about"

    # The mixin of the models that it may be about.
    _about = None

    record_readable = fields.Boolean(compute="_compute_record_readable", search="_search_record_readable")

    @api.depends("res_model", "res_id")
    @api.depends_context("uid", "allowed_company_ids")
    def _compute_record_readable(self):
        readable = set(self.env(su=False)[self._name].search([("id", "in", self.ids)])._ids)
        for row in self:
            row.record_readable = row.id in readable

    def _search_record_readable(self, operator, value):
        if operator != "in":
            return NotImplemented
        # The rule that uses this field searches as superuser; what may be read is the user's own question.
        visible = self.env(su=False)
        gone = visible[self._name]._about_gone()
        domains = [Domain.FALSE]
        for name in self._about_models():
            if not visible[name].has_access("read"):
                continue
            readable = Domain.custom(to_sql=self._record_sql(visible[name], "read"))
            if gone:
                readable |= Domain.custom(to_sql=self._record_sql(visible[name], "gone"))
            domains.append(Domain("res_model", "=", name) & readable)
        return Domain.OR(domains)

    def _about_gone(self):
        """Whether the user, who may read records of its model, sees it also where its record is gone."""
        return False

    @api.model
    def _record_sql(self, model, asked):
        """Whether the record of a row may be read, or is gone, asked row by row."""

        def to_sql(row, alias, query):
            res_id = SQL.identifier(alias, "res_id")
            if asked == "gone":
                table = SQL.identifier(model._table)
                return SQL("(SELECT TRUE FROM %s AS record WHERE record.id = %s) IS NULL", table, res_id)
            records = model.with_context(active_test=False)._search(Domain.TRUE)
            if records.is_empty():
                return SQL("FALSE")
            records.add_where(SQL("%s = %s", SQL.identifier(records.table, "id"), res_id))
            return SQL("%s", records.subselect(SQL("TRUE")))

        return to_sql

    @api.model
    def _about_models(self):
        mixin = self.env.registry[self._about]
        return sorted(
            name
            for name, model in self.env.registry.items()
            if issubclass(model, mixin) and not model._abstract and not model._transient
        )

    def action_open_record(self):
        """Button: what it is about."""
        self.ensure_one()
        self.check_access("read")
        return {
            "type": "ir.actions.act_window",
            "res_model": self.res_model,
            "res_id": self.res_id,
            "view_mode": "form",
        }
