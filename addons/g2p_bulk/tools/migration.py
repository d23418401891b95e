"""For migrations: what one addon declared is declared by another one from now on, and existing databases keep all of it.

An addon that gives something up says so in `migrations/VERSION/pre-….py`, VERSION being its new version. By then nothing of
the addon was loaded, so the records change hands before Odoo would delete what the giver declares no more::

    from odoo.addons.g2p_bulk.tools import migration


    def migrate(cr, version):
        giver, taker = "g2p_registry_base", "g2p_registry_import"
        migration.move_models(cr, giver, taker, "g2p.registrant.import", "g2p.registrant.import.line")
        migration.move_fields(cr, giver, taker, "res.partner", "import_line_ids")
        migration.rename_module_of(cr, {"g2p_registry_base.menu_g2p_import_heading": taker})
        migration.install(cr, taker)

Tables, columns, rows and constraints stay as they are: what moves is who owns them, by which Odoo decides what an update or a
removal of an addon deletes. The taker declares the same names as before (of models, fields, XML ids); what it declares no more is
deleted with the upgrade, and what it declares under another name is made anew. Records that people may change (noupdate) stay as
they are: `is_taken_over` is asked when the taker is installed.

`tests/test_upgrade.py` upgrades a database of the version before and compares everything with what was there.
"""

from odoo.tools import SQL


def rename_module_of(cr, moves):
    """Give single records to other addons: their names stay, what stands before the point changes.

    :param moves: {XML id: module that declares it from now on}
    """
    for xmlid, taker in moves.items():
        giver, name = xmlid.split(".", 1)
        cr.execute("UPDATE ir_model_data SET module = %s WHERE module = %s AND name = %s", [taker, giver, name])


def move_models(cr, giver, taker, *models):
    """Give whole models to another addon: the models, their fields, choices, constraints and relations, and what `giver`
    declares about them: access lines, rules, views, actions, menus, schedules, and records of the models themselves. What other
    addons declare about them stays theirs. Models that are extended here and owned elsewhere are no such: see `move_fields`."""
    for model, which in _belonging(models):
        _give(cr, giver, taker, model, which)
    for model in models:
        cr.execute("UPDATE ir_model_data SET module = %s WHERE module = %s AND model = %s", [taker, giver, model])
    for table in ("ir_model_constraint", "ir_model_relation"):
        cr.execute(
            SQL(
                """
                UPDATE %s AS thing
                   SET module = taker.id
                  FROM ir_module_module AS giver, ir_module_module AS taker, ir_model AS model
                 WHERE giver.name = %s AND taker.name = %s AND model.model IN %s
                   AND thing.module = giver.id AND thing.model = model.id
                """,
                SQL.identifier(table),
                giver,
                taker,
                models,
            )
        )


def move_fields(cr, giver, taker, model, *names):
    """Give single fields of a model that stays where it is, with their choices and foreign keys."""
    fields = SQL("SELECT id FROM ir_model_fields WHERE model = %s AND name IN %s", model, names)
    choices = SQL("SELECT id FROM ir_model_fields_selection WHERE field_id IN (%s)", fields)
    _give(cr, giver, taker, "ir.model.fields", fields)
    _give(cr, giver, taker, "ir.model.fields.selection", choices)
    table = model.replace(".", "_")
    move_constraints(cr, giver, taker, *(f"{table}_{name}_fkey" for name in names))


def move_constraints(cr, giver, taker, *names):
    """Give single constraints and indexes of models that stay where they are."""
    cr.execute(
        """
        UPDATE ir_model_constraint AS thing
           SET module = taker.id
          FROM ir_module_module AS giver, ir_module_module AS taker
         WHERE giver.name = %s AND taker.name = %s AND thing.module = giver.id AND thing.name = ANY(%s)
        """,
        [giver, taker, list(names)],
    )
    kept = SQL("SELECT id FROM ir_model_constraint WHERE name = ANY(%s)", list(names))
    _give(cr, giver, taker, "ir.model.constraint", kept)


def install(cr, *modules):
    """Have new addons installed by the same upgrade, also where nothing that is installed depends on them."""
    cr.execute("UPDATE ir_module_module SET state = 'to install' WHERE name IN %s AND state = 'uninstalled'", [modules])


def is_taken_over(cr, module, xmlids):
    """Whether one of these records of a module that is being installed is one that people may change and was there before."""
    names = [name for owner, _point, name in (xmlid.partition(".") for xmlid in xmlids) if owner == module]
    if not names:
        return False
    cr.execute(
        """
        SELECT FROM ir_model_data AS data
          JOIN ir_module_module AS module ON module.name = data.module AND module.state = 'to install'
         WHERE data.module = %s AND data.name = ANY(%s) AND data.noupdate AND data.create_date < now() AT TIME ZONE 'UTC'
        """,
        [module, names],
    )
    return bool(cr.rowcount)


def _belonging(models):
    """Yield (model of records, SQL: the ids of those) of what makes up these models and hangs on them."""
    ids = SQL("SELECT id FROM ir_model WHERE model IN %s", models)
    fields = SQL("SELECT id FROM ir_model_fields WHERE model IN %s", models)
    server_actions = SQL("SELECT id FROM ir_act_server WHERE model_id IN (%s)", ids)
    windows = SQL("SELECT id FROM ir_act_window WHERE res_model IN %s", models)
    yield "ir.model", ids
    yield "ir.model.fields", fields
    yield "ir.model.fields.selection", SQL("SELECT id FROM ir_model_fields_selection WHERE field_id IN (%s)", fields)
    yield "ir.model.inherit", SQL("SELECT id FROM ir_model_inherit WHERE model_id IN (%s)", ids)
    yield "ir.model.constraint", SQL("SELECT id FROM ir_model_constraint WHERE model IN (%s)", ids)
    yield "ir.model.access", SQL("SELECT id FROM ir_model_access WHERE model_id IN (%s)", ids)
    yield "ir.rule", SQL("SELECT id FROM ir_rule WHERE model_id IN (%s)", ids)
    yield "mail.template", SQL("SELECT id FROM mail_template WHERE model_id IN (%s)", ids)
    yield "queue.job.function", SQL("SELECT id FROM queue_job_function WHERE model_id IN (%s)", ids)
    yield "ir.actions.server", server_actions
    yield "ir.cron", SQL("SELECT id FROM ir_cron WHERE ir_actions_server_id IN (%s)", server_actions)
    yield "ir.ui.view", SQL("SELECT id FROM ir_ui_view WHERE model IN %s", models)
    yield "ir.actions.act_window", windows
    yield "ir.actions.act_window.view", SQL("SELECT id FROM ir_act_window_view WHERE act_window_id IN (%s)", windows)
    yield (
        "ir.ui.menu",
        SQL(
            "SELECT id FROM ir_ui_menu WHERE action IN (SELECT 'ir.actions.act_window,' || id FROM (%s) AS action)",
            windows,
        ),
    )


def _give(cr, giver, taker, model, which):
    cr.execute(
        SQL(
            "UPDATE ir_model_data SET module = %s WHERE module = %s AND model = %s AND res_id IN (%s)",
            taker,
            giver,
            model,
            which,
        )
    )
