"""Changes in the life of members are an addon of their own."""

from odoo.addons.g2p_bulk.tools import migration

GIVER, TAKER = "g2p_programs", "g2p_program_membership_change"
FIELDS = {
    "g2p.program": ("proof_of_life_months",),
    "g2p.program_membership": (
        "change_id",
        "change_line_ids",
        "planned_text",
        "paused_until",
        "last_verified_date",
        "last_verified_method",
        "last_verified_by",
        "verification_due_date",
    ),
    "g2p.entitlement": ("on_hold",),
    "g2p.state.history": ("membership_change_id", "remark"),
}
RECORDS = (
    "g2p_program_membership_action_resume",
    "g2p_program_membership_action_readmit",
    "g2p_program_view_form_life",
)


def migrate(cr, version):
    migration.move_models(
        cr,
        GIVER,
        TAKER,
        "g2p.membership.change",
        "g2p.membership.change.line",
        "g2p.membership.change.reason",
        "g2p.membership.change.step",
        "g2p.membership.change.step.apply",
        "g2p.membership.change.step.reverse",
        "g2p.membership.change.wizard",
    )
    for model, names in FIELDS.items():
        migration.move_fields(cr, GIVER, TAKER, model, *names)
    migration.move_constraints(cr, GIVER, TAKER, "g2p_program_proof_of_life", "g2p_entitlement_on_hold_idx")
    migration.rename_module_of(cr, {f"{GIVER}.{name}": TAKER for name in RECORDS})
    migration.install(cr, TAKER)
