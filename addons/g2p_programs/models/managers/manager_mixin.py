"""Each program delegates to managers. A manager is two records: a *reference*, which belongs to the program and
says what kind it is, and the *concrete* record with the settings, whose model is the type of the manager.

A plug-in adds a type by writing one concrete model and naming it in `_selection_manager_ref_id` of its kind.
"""

from lxml.builder import E

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import roles

from ...tools.constants import GROUP_ADMIN, GROUP_APPROVER, GROUP_FINANCE

# Kinds whose managers decide who approves, and how what was approved is paid: a cycle under way keeps those that it was
# submitted with.
KEPT_KINDS = ("g2p.cycle.manager", "g2p.program.entitlement.manager", "g2p.program.payment.manager")


class ManagerMixin(models.AbstractModel):
    """The reference record: `program_id` and `manager_ref_id`, a reference to the concrete manager."""

    _name = "g2p.manager.mixin"
    _inherit = ["g2p.change.mixin"]
    _description = "Manager reference"
    _order = "sequence, id"
    _rec_name = "name"
    _changes_on = "program_id"

    sequence = fields.Integer(default=10)
    program_id = fields.Many2one("g2p.program", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="program_id.company_id")
    manager_ref_id = fields.Reference(
        string="Manager", selection="_selection_manager_ref_id", required=True, index=True
    )
    name = fields.Char(compute="_compute_name", search="_search_name")
    manager_type = fields.Char("Type", compute="_compute_name")
    summary = fields.Char("What it says", compute="_compute_summary")

    @api.model
    def _selection_manager_ref_id(self):
        """[(concrete model, label)]: extended by each plug-in."""
        return []

    @api.depends("manager_ref_id")
    def _compute_name(self):
        labels = dict(self._selection_manager_ref_id())
        for reference in self:
            manager = reference.manager_ref_id
            reference.name = manager.display_name if manager else False
            reference.manager_type = labels.get(manager._name) if manager else False

    @api.depends("manager_ref_id")
    def _compute_summary(self):
        for reference in self:
            # sudo: what a manager says is told to whoever may read its program's page of managers
            manager = reference.sudo().manager_ref_id
            reference.summary = manager._said() if manager else False

    @api.model
    def _search_name(self, operator, value):
        """By the names of the managers that are meant; of a program there are a handful."""
        if operator.startswith("not "):
            return NotImplemented
        return Domain.OR(
            Domain(
                "manager_ref_id",
                "in",
                [f"{name},{id_}" for id_ in self.env[name].search([("name", operator, value)]).ids],
            )
            for name, _label in self._selection_manager_ref_id()
            if name in self.env
        )

    @api.model_create_multi
    def create(self, vals_list):
        # The concrete record made itself a reference when it was created from its own form: this one replaces it.
        wanted = {vals["manager_ref_id"] for vals in vals_list if vals.get("manager_ref_id")}
        if wanted:
            self.search([("manager_ref_id", "in", list(wanted))]).with_context(g2p_keep_manager=True).unlink()
        references = super().create(vals_list)
        references.with_env(self.env)._check_proposed()
        return references

    def _check_proposed(self):
        """In a running program a manager begins to serve when somebody else agreed."""
        for reference in self:
            manager = reference.manager_ref_id
            # sudo: whether the program runs, asked for this refusal alone
            if manager._proposal_asks() and reference.sudo().program_id._in_use():
                raise UserError(
                    self.env._(
                        "%(program)s runs, so somebody else has to agree before %(manager)s serves it: a manager that is added on "
                        "its own form asks for that by itself.",
                        program=reference.program_id.display_name,
                        manager=manager.display_name,
                    )
                )

    @api.constrains("program_id", "manager_ref_id")
    def _check_same_program(self):
        self.program_id._check_single_managers()
        for reference in self:
            if reference.manager_ref_id.program_id != reference.program_id:
                raise ValidationError(
                    self.env._(
                        "%(manager)s belongs to the program %(owner)s and can't serve %(program)s: "
                        "make a manager for each program.",
                        manager=reference.manager_ref_id.display_name,
                        owner=reference.manager_ref_id.program_id.display_name,
                        program=reference.program_id.display_name,
                    )
                )

    def write(self, vals):
        """A concrete manager is not exchanged under its reference either while a cycle is under way."""
        for reference in self:
            manager = reference.manager_ref_id
            known = {
                "program_id": reference.program_id.id,
                "manager_ref_id": manager and f"{manager._name},{manager.id}",
            }
            if any(vals[name] != value for name, value in known.items() if name in vals):
                reference._check_not_under_way()
                reference._check_approval_stays()
                reference._check_removal_agreed()
        result = super().write(vals)
        if not {"program_id", "manager_ref_id"}.isdisjoint(vals):
            self._check_proposed()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_under_way(self):
        self._check_not_under_way()
        self._check_approval_stays()
        self._check_removal_agreed()

    def _check_removal_agreed(self):
        for reference in self:
            if manager := reference.manager_ref_id.exists():
                manager._unlink_except_proposed()

    def _check_approval_stays(self):
        """Refuse to take the managers away under these references, where that would change who approves."""
        for reference in self:
            if manager := reference.manager_ref_id.exists():
                manager._check_approval_stays()

    def _check_not_under_way(self):
        """Refuse to take a manager away from a program of which a cycle under way was submitted with its terms."""
        if self._name not in KEPT_KINDS:
            return
        # sudo: a cycle counts whether or not the user may see it; only the refusal is shown
        under_way = self.sudo().program_id.cycle_ids.filtered(lambda cycle: cycle.state in ("to_approve", "approved"))
        if under_way:
            raise UserError(
                self.env._(
                    "%(manager)s serves %(cycle)s, which is under way: it can be removed when the cycle is over.",
                    manager=self[0].display_name,
                    cycle=under_way[0].display_name,
                )
            )

    def unlink(self):
        managers = [reference.manager_ref_id for reference in self]
        result = super().unlink()
        if not self.env.context.get("g2p_keep_manager"):
            for manager in managers:
                if manager and manager.exists():
                    manager.with_context(g2p_keep_reference=True).unlink()
        return result

    def action_open_manager(self):
        """Open the settings of the concrete manager."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.name,
            "res_model": self.manager_ref_id._name,
            "res_id": self.manager_ref_id.id,
            "view_mode": "form",
            "target": "new",
        }


class ManagerSourceMixin(models.AbstractModel):
    """The concrete record. Its reference is made with it and deleted with it."""

    _name = "g2p.manager.source.mixin"
    _inherit = ["g2p.change.mixin", "g2p.approval.proposal.mixin"]
    _description = "Manager"
    _order = "id"
    _changes_on = "program_id"

    # The reference model of the kind, set by the abstract base of each kind.
    _manager_reference = None
    # What decides who approves: only an administrator sets it. A type that adds a field of this sort adds its name.
    _approval_fields = ()

    name = fields.Char("Manager name", required=True)
    program_id = fields.Many2one("g2p.program", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="program_id.company_id")

    @api.model_create_multi
    def create(self, vals_list):
        if not self._may_set_approval():
            # The model's own default, not one from the caller's context or saved by a user.
            defaults = {name: self._approval_default(name) for name in self._approval_fields}
            for vals in vals_list:
                self._refuse_approval(name for name in defaults if name in vals and vals[name] != defaults[name])
            vals_list = [{**defaults, **vals} for vals in vals_list]
        managers = super().create(vals_list)
        managers._create_references()
        return managers

    def copy_data(self, default=None):
        vals_list = super().copy_data(default)
        if not self._may_set_approval():
            for vals in vals_list:
                for name in set(self._approval_fields) - set(default or ()):
                    vals.pop(name, None)
        return vals_list

    def copy(self, default=None):
        copies = super().copy(default)
        if not self._may_set_approval():
            for manager, copied in zip(self, copies, strict=True):
                kept = {name: manager[name] for name in self._approval_fields if copied[name] != manager[name]}
                if kept:
                    # sudo: who approves stays what an administrator set; the user can't choose it
                    copied.sudo().write(
                        {name: self._fields[name].convert_to_write(value, self) for name, value in kept.items()}
                    )
        return copies

    @api.model
    def _get_default_form_view(self):
        """The form of a type that brings none: what it is called, whom it serves, and its own settings in their order."""
        own = [
            field
            for field in self._fields.values()
            if self._original_module in field._modules and field.name not in models.MAGIC_COLUMNS
        ]
        wide = [E.field(name=field.name) for field in own if field.type in ("one2many", "text", "html")]
        shown = [
            E.field(name="name"),
            E.field(name="program_id", readonly="id", options="{'no_create': True}"),
            *(E.field(name=field.name) for field in own if field.type not in ("one2many", "text", "html")),
        ]
        if any(field.type == "monetary" for field in own):
            shown.append(E.field(name="currency_id", invisible="1"))
        return E.form(E.sheet(E.group(*shown), *wide))

    # Who approves

    @api.model
    def _may_set_approval(self):
        return roles.may(self.env, GROUP_ADMIN)

    @api.model
    def _approval_default(self, name):
        field = self._fields[name]
        return field.convert_to_write(field.default(self) if field.default else False, self)

    @api.model
    def _refuse_approval(self, names):
        if labels := ", ".join(self._fields[name]._description_string(self.env) for name in names):
            raise AccessError(
                self.env._(
                    "Who approves is set by an administrator, not by who prepares: ask one to change %(fields)s.",
                    fields=labels,
                )
            )

    def _check_approval_stays(self):
        """Where an administrator chose who approves, an administrator takes the manager away: the next one of the kind would
        begin with the default group, and who prepares would have chosen their checkers."""
        if self._may_set_approval():
            return
        for manager in self:
            # sudo: what an administrator set counts whether or not the user may see it; only the refusal is shown
            values = {
                name: self._fields[name].convert_to_write(manager.sudo()[name], manager)
                for name in self._approval_fields
            }
            if any(value != self._approval_default(name) for name, value in values.items()):
                raise AccessError(
                    self.env._(
                        "An administrator chose who approves in “%(manager)s” of %(program)s: ask one to remove or replace it.",
                        manager=manager.display_name,
                        program=manager.program_id.name,
                    )
                )

    @api.constrains(lambda self: self._approval_fields)
    def _check_approvers_hold_the_right(self):
        """Whom a group is to approve must be an approver or of finance: a group of everybody is nobody's check."""
        for name in self._approval_fields:
            if self._fields[name].comodel_name != "res.groups":
                continue
            for manager in self:
                # sudo: what a group implies is no secret of the group
                if (group := manager[name].sudo()) and not group._holds_approval():
                    raise ValidationError(
                        self.env._(
                            "“%(group)s” holds neither the approver's nor finance's right, so it can't approve: choose a "
                            "group that does.",
                            group=group.display_name,
                        )
                    )

    def _create_references(self):
        if not self._manager_reference or self.env.context.get("g2p_keep_reference"):
            return
        references = self.env[self._manager_reference]
        known = {
            ref.manager_ref_id.id for ref in references.search([("manager_ref_id", "in", self._reference_values())])
        }
        # In a running program it serves when somebody else agreed.
        held = self._proposal_asks().filtered(
            # sudo: whether the program runs; only that it waits is told
            lambda manager: manager.id not in known and manager.sudo().program_id._in_use()
        )
        references.create(
            [
                {"program_id": manager.program_id.id, "manager_ref_id": f"{manager._name},{manager.id}"}
                for manager in self - held
                if manager.id not in known
            ]
        )
        for manager in held:
            manager._propose_addition()

    # Changes in a running program

    def _proposal_terms(self):
        return [name for name in super()._proposal_terms() if name not in ("program_id", *self._approval_fields)]

    def _proposal_scope(self):
        return self.program_id

    def _proposal_called(self, scope):
        references = self.env[self._manager_reference].search_count([("program_id", "=", scope.id)])
        return f"{self.display_name}, " if references > 1 else ""

    def _said(self):
        """What it is set to, in words, for whoever agrees that the program starts."""
        self.ensure_one()
        conditions = self._condition_fields() if "conditions_problem" in self._fields else {}
        said = []
        # Amounts first: they are what is looked for.
        for name in sorted(self._proposal_terms(), key=lambda name: self._fields[name].type != "monetary"):
            field = self._fields[name]
            if name in ("name", "sequence") or not (field.store and self[name]):
                continue
            words = self._proposal_words(name)
            said.append(words if name in conditions else f"{field._description_string(self.env)} {words}")
        return ", ".join(said)

    def _proposal_in_use(self):
        """Those that serve a running program: what is not agreed to yet is changed freely, and makes its request void."""
        running = self.filtered("program_id").program_id._in_use()
        managers = self.filtered(lambda manager: manager.program_id in running)
        references = self.env[self._manager_reference].search([("manager_ref_id", "in", managers._reference_values())])
        served = {reference.manager_ref_id.id for reference in references}
        return managers.filtered(lambda manager: manager.id in served)

    def _proposal_add(self):
        self._create_references()

    def _proposal_dismiss(self):
        self.with_context(g2p_keep_reference=True).unlink()

    def _reference_values(self):
        return [f"{manager._name},{manager.id}" for manager in self]

    def write(self, vals):
        if "program_id" in vals and any(manager.program_id.id != vals["program_id"] for manager in self):
            raise UserError(self.env._("A manager stays with its program: make a new one for another program."))
        if not self._may_set_approval():
            self._refuse_approval(
                name
                for name in self._approval_fields
                if name in vals
                and any(self._fields[name].convert_to_write(manager[name], manager) != vals[name] for manager in self)
            )
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_under_way(self):
        """A manager whose terms a cycle under way was submitted with stays until the cycle is over; one whose approvers an
        administrator chose, until an administrator removes it."""
        self._check_approval_stays()
        if self._manager_reference in KEPT_KINDS:
            references = self.env[self._manager_reference]
            references.search([("manager_ref_id", "in", self._reference_values())])._check_not_under_way()

    def unlink(self):
        references = self.env[self._manager_reference] if self._manager_reference else None
        if references is not None and not self.env.context.get("g2p_keep_reference"):
            references.search([("manager_ref_id", "in", self._reference_values())]).with_context(
                g2p_keep_manager=True
            ).unlink()
        return super().unlink()

    @api.model
    def _union(self, queries):
        """The union of several queries of the same columns; `queries` isn't empty."""
        return SQL(" UNION ALL ").join(SQL("(%s)", query) for query in queries)


class ResGroups(models.Model):
    _inherit = "res.groups"

    def _holds_approval(self):
        """Whether members of this group are approvers of cycles, or of finance."""
        rights = self.env.ref(GROUP_APPROVER) | self.env.ref(GROUP_FINANCE)
        return bool(rights & self.all_implied_ids)


class IrModel(models.Model):
    _inherit = "ir.model"

    def unlink(self):
        """A plug-in that is uninstalled takes the references to its managers along, and what joins them to other tables."""
        self._forget_managers(self.mapped("model"))
        self._drop_relations()
        return super().unlink()

    def _drop_relations(self):
        """Odoo drops the tables of many-to-many fields with the addon that declares the field: of one that a type of manager
        has from the base of its kind, the table would stay."""
        relations = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT relation.name
                  FROM ir_model_relation AS relation
                 WHERE relation.model = ANY(%(gone)s)
                   AND NOT EXISTS (
                        SELECT FROM ir_model_relation AS other
                         WHERE other.name = relation.name AND other.model <> ALL(%(gone)s)
                       )
                """,
                gone=self.ids,
            )
        )
        for [table] in relations:
            self.env.cr.execute(SQL("DROP TABLE IF EXISTS %s", SQL.identifier(table)))

    @api.model
    def _forget_managers(self, names):
        """Delete the references to concrete managers of these models."""
        for reference in self.env.registry["g2p.manager.mixin"]._inherit_children:
            if reference in names or reference not in self.env:
                continue
            # Plain SQL: by now a concrete model may be gone from the registry, so the ORM can't read the reference.
            self.env.cr.execute(
                SQL(
                    "DELETE FROM %s WHERE split_part(manager_ref_id, ',', 1) = ANY(%s)",
                    SQL.identifier(self.env[reference]._table),
                    list(names),
                )
            )
        self.env.invalidate_all(flush=False)
