from odoo import api, fields, models, tools
from odoo.exceptions import UserError

# What it is called here: what a stage (`g2p.approval.stage`) calls it.
NAMES = {
    "kind_id": "kind_id",
    "sequence": "sequence",
    "state": "name",
    "group_id": "group_id",
    "needed": "needed",
    "amount_from": "amount_from",
    "currency_id": "currency_id",
}


class ApprovalMapping(models.Model):
    """*Approval settings* of a program, under OpenG2P's name: the stages that are set for it (`g2p.approval.stage`), and nothing
    of its own. Who may set stages edits them here too."""

    _name = "g2p.program.approval.mapping"
    _description = "Approval settings of a program"
    _auto = False
    _order = "kind_id, sequence, id"
    _rec_name = "state"
    _fixed_fields = ("program_id",)
    _depends = {
        "g2p.approval.stage": [
            "active",
            "kind_id",
            "name",
            "scope",
            "sequence",
            "group_id",
            "needed",
            "amount_from",
            "currency_id",
        ],
    }

    program_id = fields.Many2one("g2p.program", required=True)
    company_id = fields.Many2one(related="program_id.company_id")
    kind_id = fields.Many2one(
        "g2p.approval.kind",
        "What is approved",
        required=True,
        domain=[("res_model", "=", "g2p.cycle")],
        default=lambda self: self.env.ref("g2p_programs.approval_kind_cycle_entitlements"),
    )
    sequence = fields.Integer("Order", required=True, default=10)
    state = fields.Char("Stage", required=True)
    group_id = fields.Many2one("res.groups", "Group", help="Each of its members may decide in this stage.")
    who = fields.Char("Who decides", compute="_compute_who")
    needed = fields.Integer("How many agree", required=True, default=1)
    amount_from = fields.Monetary("From which amount on", help="Smaller amounts skip this stage. 0: any.")
    currency_id = fields.Many2one("res.currency", required=True, default=lambda self: self.env.company.currency_id)
    entitlement_manager_ref = fields.Char(
        "Entitlement manager", compute="_compute_entitlement_manager_ref", help="Model and number, as “model, id”."
    )

    def init(self):
        tools.drop_view_if_exists(self.env.cr, self._table)
        self.env.cr.execute(
            """
            CREATE VIEW g2p_program_approval_mapping AS
            SELECT stage.id, program.id AS program_id, stage.kind_id, stage.sequence, stage.name AS state,
                   stage.group_id, stage.needed, stage.amount_from, stage.currency_id,
                   stage.create_uid, stage.create_date, stage.write_uid, stage.write_date
              FROM g2p_approval_stage AS stage
              JOIN g2p_approval_kind AS kind ON kind.id = stage.kind_id AND kind.res_model = 'g2p.cycle'
              JOIN g2p_program AS program ON stage.scope = 'g2p.program,' || program.id
             WHERE stage.active
            """
        )

    # Computes

    @api.depends("state", "group_id", "needed")
    def _compute_who(self):
        stages = self._stages()
        for mapping in self:
            stage = stages.browse(mapping._origin.id) if mapping._origin else stages.browse()
            mapping.who = stage._who_text() if stage else mapping.group_id.display_name

    @api.depends("program_id")
    def _compute_entitlement_manager_ref(self):
        for mapping in self:
            program = mapping.program_id
            managers = program.get_managers(program.MANAGER_ENTITLEMENT) if program else []
            mapping.entitlement_manager_ref = f"{managers[0]._name}, {managers[0].id}" if managers else False

    # CRUD: all of it is the stage's, with the user's own rights on both

    @api.model_create_multi
    def create(self, vals_list):
        own = [name for name in ("kind_id", "sequence", "needed", "currency_id") if name in self._fields]
        defaults = self.default_get(own)
        stages = self._stages().create([self._stage_values({**defaults, **vals}) for vals in vals_list])
        stages.flush_recordset()
        settings = self.browse(stages.ids)
        settings.check_access("create")
        return settings

    def write(self, vals):
        self.check_access("write")
        if self:
            values = self._stage_values(vals)
            scope = values.pop("scope", None)
            if scope and any(scope != f"g2p.program,{mapping.program_id.id}" for mapping in self):
                raise UserError(self.env._("A stage stays with its program: make a new one for another program."))
            self._stages().write(values)
            self.invalidate_model(flush=False)
        return True

    def unlink(self):
        self.check_access("unlink")
        self._stages().unlink()
        self.invalidate_model(flush=False)
        return True

    # Buttons

    def action_open_stage(self):
        """Button: all settings of the stage."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.state,
            "res_model": "g2p.approval.stage",
            "res_id": self.id,
            "view_mode": "form",
        }

    # Helpers

    def _stages(self):
        return self.env["g2p.approval.stage"].browse(self.ids)

    @api.model
    def _stage_values(self, vals):
        values = {NAMES[name]: value for name, value in vals.items() if name in NAMES}
        program_id = vals.get("program_id") or self._program_of(vals.get("entitlement_manager_ref"))
        # The stage is of the program's company by itself.
        return {**values, "scope": f"g2p.program,{program_id}"} if program_id else values

    @api.model
    def _program_of(self, reference):
        """The program of an entitlement manager that is named as “model, id”."""
        if not reference:
            return False
        model, _comma, number = reference.partition(",")
        known = dict(self.env["g2p.program.entitlement.manager"]._selection_manager_ref_id())
        manager = (
            self.env[model.strip()].browse(int(number)).exists()
            if model.strip() in known and number.strip().isdigit()
            else None
        )
        if not manager:
            raise UserError(self.env._("There is no entitlement manager “%s”.", reference))
        return manager.program_id.id
