"""The rows that refer to a registrant, found in the catalogue of the database, so that tables of modules that are not known
here are moved too."""

import json

from odoo.tools import SQL

from odoo.addons.g2p_programs.models.entitlement import DEAD_STATES

# Rows that stay with the merged registrant: they tell what happened to that record, or belong to the machinery.
KEPT_TABLES = (
    "res_partner",
    "res_users",
    "res_company",
    "res_users_settings_volumes",
    "g2p_registrant_import_line",
    "g2p_registrant_merge",
    "g2p_registry_duplicate",
    "g2p_registry_duplicate_rel",
    "g2p_registry_duplicate_pair",
)
KEPT_PREFIXES = ("mail_", "discuss_", "base_", "bus_", "ir_")
# First those that others hang on.
FIRST_TABLES = ("g2p_program_membership", "g2p_entitlement")


def references(env):
    """[(table, column, key, anchors)]: the columns that refer to a registrant and are moved. `key` identifies a row of the
    table besides the column; `anchors` are its references to memberships and entitlements, with which it goes."""
    transient = set()
    for model in env.values():
        if model._transient:
            transient.add(model._table)
            transient.update(field.relation for field in model._fields.values() if field.type == "many2many")
    found = env.execute_query(
        SQL(
            """
            SELECT class.relname, attribute.attname,
                   (SELECT ARRAY_AGG(part.attname::text)
                      FROM pg_index AS index
                      JOIN pg_attribute AS part ON part.attrelid = class.oid AND part.attnum = ANY(index.indkey)
                     WHERE index.indrelid = class.oid AND index.indisprimary AND part.attname <> attribute.attname),
                   (SELECT ARRAY_AGG(part.attname || '>' || target.relname)
                      FROM pg_constraint AS other
                      JOIN pg_class AS target ON target.oid = other.confrelid
                      JOIN pg_attribute AS part ON part.attrelid = class.oid AND part.attnum = other.conkey[1]
                     WHERE other.conrelid = class.oid AND other.contype = 'f' AND target.relname = ANY(%s)
                       AND class.relname <> ALL(%s))
              FROM pg_constraint AS reference
              JOIN pg_class AS class ON class.oid = reference.conrelid
              JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid
               AND attribute.attnum = reference.conkey[1]
             WHERE reference.contype = 'f' AND reference.confrelid = 'res_partner'::regclass
               AND CARDINALITY(reference.conkey) = 1 AND class.relnamespace = current_schema()::regnamespace
            """,
            list(FIRST_TABLES),
            list(FIRST_TABLES),
        )
    )
    moved = []
    for table, column, keys, anchors in found:
        if table in KEPT_TABLES or table in transient or table.startswith(KEPT_PREFIXES) or len(keys or ()) != 1:
            continue
        moved.append((table, column, keys[0], [anchor.split(">") for anchor in anchors or ()]))
    order = {table: place for place, table in enumerate(FIRST_TABLES)}
    return sorted(moved, key=lambda reference: (order.get(reference[0], len(order)), *reference[:2]))


class RowMover:
    """Points rows from one registrant to another, and back."""

    def __init__(self, merged, survivor):
        self.env = survivor.env
        self.merged, self.survivor = merged.id, survivor.id

    def move(self, table, column, key, anchors, more=None):
        """Point the rows of `table` to the survivor, except those that the survivor has the like of; :return: what was
        moved: {"table", "column", "key", "rows": {key: a digest of the row as it is now}}"""
        conditions = [
            *self._unique_conditions(table, column),
            *self._special_conditions(table, column),
            *(
                SQL(
                    "(row.%(anchor)s IS NULL OR row.%(anchor)s IN (SELECT id FROM %(target)s WHERE partner_id = %(survivor)s))",
                    anchor=SQL.identifier(anchor),
                    target=SQL.identifier(target),
                    survivor=self.survivor,
                )
                for anchor, target in anchors
            ),
        ]
        rows = self.env.execute_query(
            SQL(
                """
                UPDATE %(table)s AS row
                   SET %(column)s = %(survivor)s
                 WHERE row.%(column)s = %(merged)s %(conditions)s %(more)s
             RETURNING row.%(key)s, md5(row::text)
                """,
                table=SQL.identifier(table),
                column=SQL.identifier(column),
                survivor=self.survivor,
                merged=self.merged,
                conditions=SQL(" ").join(SQL("AND (%s)", condition) for condition in conditions),
                more=more or SQL(),
                key=SQL.identifier(key),
            )
        )
        return {"table": table, "column": column, "key": key, "rows": {str(row[0]): row[1] for row in rows}}

    def _unique_conditions(self, table, column):
        """For each unique index with the column in it: the survivor has no row with the same other columns. Indexes over
        expressions are not read: what they promise is left to the database, or to `_special_conditions`."""
        indexes = self.env.execute_query(
            SQL(
                """
                SELECT pg_get_expr(index.indpred, index.indrelid),
                       ARRAY(SELECT part.attname::text FROM pg_attribute AS part
                              WHERE part.attrelid = index.indrelid AND part.attnum = ANY(index.indkey)
                                AND part.attname <> %(column)s)
                  FROM pg_index AS index
                 WHERE index.indrelid = %(table)s::regclass AND index.indisunique AND index.indexprs IS NULL
                   AND (SELECT attnum FROM pg_attribute WHERE attrelid = index.indrelid AND attname = %(column)s)
                       = ANY(index.indkey)
                """,
                table=f'"{table}"',
                column=column,
            )
        )
        for predicate, others in indexes:
            # The predicate is the database's own text of an index, over bare columns of the table.
            where = SQL(predicate.replace("%", "%%")) if predicate else SQL("TRUE")  # pylint: disable=sql-injection
            yield SQL(
                """
                NOT (
                    row.ctid IN (SELECT ctid FROM %(table)s WHERE %(column)s = %(merged)s AND (%(where)s))
                    AND EXISTS (
                        SELECT FROM (SELECT * FROM %(table)s WHERE %(where)s) AS own
                         WHERE own.%(column)s = %(survivor)s %(same)s
                    )
                )
                """,
                table=SQL.identifier(table),
                where=where,
                column=SQL.identifier(column),
                survivor=self.survivor,
                merged=self.merged,
                same=SQL(" ").join(
                    SQL("AND own.%(other)s = row.%(other)s", other=SQL.identifier(other)) for other in others
                ),
            )

    def _special_conditions(self, table, column):
        """What no plain unique index tells: periods that overlap, relations to oneself, entitlements of one cycle."""
        if table == "g2p_entitlement":
            # Both were paid in that cycle, or one of them got nothing: the row tells who got it.
            yield SQL(
                """
                NOT EXISTS (SELECT FROM g2p_entitlement AS own
                             WHERE own.partner_id = %s AND own.cycle_id = row.cycle_id AND own.state <> ALL(%s))
                """,
                self.survivor,
                list(DEAD_STATES),
            )
        if table == "g2p_group_membership":
            other = "individual" if column == "group" else "group"
            yield SQL(
                """
                NOT EXISTS (SELECT FROM g2p_group_membership AS own
                             WHERE own.%(column)s = %(survivor)s AND own.%(other)s = row.%(other)s
                               AND tsrange(own.start_date, own.ended_date) && tsrange(row.start_date, row.ended_date))
                """,
                column=SQL.identifier(column),
                other=SQL.identifier(other),
                survivor=self.survivor,
            )
        if table == "g2p_reg_rel":
            other = "destination" if column == "source" else "source"
            yield SQL("row.%s <> %s", SQL.identifier(other), self.survivor)
            yield SQL(
                """
                NOT EXISTS (SELECT FROM g2p_reg_rel AS own
                             WHERE own.%(column)s = %(survivor)s AND own.%(other)s = row.%(other)s
                               AND own.relation = row.relation AND own.disabled IS NULL
                               AND tsrange(own.start_date, own.end_date) && tsrange(row.start_date, row.end_date))
                """,
                column=SQL.identifier(column),
                other=SQL.identifier(other),
                survivor=self.survivor,
            )

    def move_back(self, entry):
        """Back to where an entry of :meth:`move` came from; :return: whether all of its rows were as it left them"""
        self.env.cr.execute(
            SQL(
                """
                UPDATE %(table)s AS row
                   SET %(column)s = %(merged)s
                  FROM jsonb_each_text(%(rows)s::jsonb) AS moved
                 WHERE row.%(key)s = moved.key::integer AND row.%(column)s = %(survivor)s
                   AND md5(row::text) = moved.value
                """,
                table=SQL.identifier(entry["table"]),
                column=SQL.identifier(entry["column"]),
                merged=self.merged,
                survivor=self.survivor,
                rows=json.dumps(entry["rows"]),
                key=SQL.identifier(entry["key"]),
            )
        )
        return self.env.cr.rowcount == len(entry["rows"])
