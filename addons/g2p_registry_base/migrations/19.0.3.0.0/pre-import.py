"""Files of registrants are an addon of their own."""

from odoo.addons.g2p_bulk.tools import migration

GIVER, TAKER = "g2p_registry_base", "g2p_registry_import"


def migrate(cr, version):
    migration.move_models(
        cr,
        GIVER,
        TAKER,
        "g2p.registrant.import",
        "g2p.registrant.import.line",
        "g2p.registrant.import.mapping",
        "g2p.registrant.import.mapping.line",
    )
    migration.move_fields(cr, GIVER, TAKER, "res.partner", "import_line_ids")
    migration.move_fields(cr, GIVER, TAKER, "res.config.settings", "import_maker_checker", "import_folder")
    migration.rename_module_of(cr, {f"{GIVER}.parameter_import_maker_checker": TAKER})
    migration.install(cr, TAKER)
