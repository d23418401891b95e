import json

from odoo.addons.g2p_registry_base.tools import indicators


def migrate(cr, version):
    """A multiplier was a column of the registrants; it is a figure of the catalogue now. A column that the catalogue does
    not know keeps its name: the manager says so when it is asked to prepare."""
    cr.execute(
        "SELECT FROM information_schema.columns WHERE table_name = %s AND column_name = 'multiplier_field'",
        ["g2p_program_entitlement_manager_cash_item"],
    )
    if not cr.rowcount:
        return
    household = {"z_ind_grp_num_individuals": "size"} | indicators.FIELDS
    cr.execute(
        """
        UPDATE g2p_program_entitlement_manager_cash_item AS item
           SET multiplier = CASE WHEN %(household)s::jsonb ? field.name
                                 THEN 'household:' || (%(household)s::jsonb ->> field.name)
                                 ELSE 'registrant:' || field.name END
          FROM ir_model_fields AS field
         WHERE field.id = item.multiplier_field AND item.multiplier IS NULL
        """,
        {"household": json.dumps(household)},
    )
    cr.execute("ALTER TABLE g2p_program_entitlement_manager_cash_item DROP COLUMN multiplier_field")
