"""The statement that turns the cells of a file's rows into values, or refuses them with all that is wrong."""

import json

from odoo.tools import SQL

from . import rows

SHORTENED = r"^[0-9]([.,][0-9]+)?[eE]\+?[0-9]{1,2}$"  # what a spreadsheet makes of a long number in a CSV file


def statement(record, which, cells, check):
    """One statement: the cells, the dates and names they hold, all that is wrong with them, the values.

    :param SQL which: the rows
    :param Cells cells: the columns of the statement
    :param check: a function like :meth:`Cells.check`
    """
    problems = {}  # {column: [(condition, reason)]}, of which the first of each column is told
    values = [SQL("'name', %s", _name(record))]
    for column in record.layout:
        cell = SQL(f"c{int(column['position'])}")
        name = column["column"]
        if not record.mapping_id and column["target"] in ("area_code", "kind"):
            name = record._label(column["target"])
        mine = problems.setdefault(name, [])
        if column["required"]:
            mine.append((SQL("%s IS NULL", cell), rows.reason(record.env._("is empty"))))
        if column["target"] in rows.IDENTIFIERS:
            reason = record.env._("is a number that a spreadsheet has shortened: %(value)s", value=rows.VALUE)
            # most values are told by the first, cheap test
            short = SQL("position('E+' IN upper(%s)) > 0 AND %s ~ %s", cell, cell, SHORTENED)
            mine.append((short, rows.reason(reason, cell)))
        found = check(column, cell)
        mine += [(condition, rows.reason(reason, cell)) for condition, reason in found["problems"]]
        values += found.get("values", [])
    info = [SQL("%s::text, %s", c["column"], SQL(f"c{int(c['position'])}")) for c in record._columns("info")]
    if info:
        values.append(SQL("'info', NULLIF(jsonb_strip_nulls(jsonb_build_object(%s)), '{}')", SQL(", ").join(info)))
    names = record._columns(*rows.NAME_TARGETS)
    nameless = SQL(" AND ").join(SQL("%s IS NULL", SQL(f"c{int(c['position'])}")) for c in names)
    reason = rows.reason(record.env._("is empty: a registrant needs a name"))
    problems[names[0]["column"]].append((nameless, reason))
    area = record._columns("area_code")
    if not area and record._areas():
        reason = rows.reason(record.env._("is outside the areas you work in"))
        column = record._label("area_code")
        if len(record._areas()) != 1:
            problems.setdefault(column, []).append((SQL("TRUE"), reason))
    area_id = SQL("area.id") if area else SQL("NULL::integer")
    if len(record._areas()) == 1:
        area_id = SQL("COALESCE(%s, %s)", area_id, record._areas().id)
    for target, key in record.env["g2p.registrant.import.mapping.line"]._question_targets().items():
        if answers := [
            SQL("%s::text, %s", c["question"], SQL(f"a{int(c['position'])}")) for c in record._columns(target)
        ]:
            values.append(
                SQL("%s, NULLIF(jsonb_strip_nulls(jsonb_build_object(%s)), '{}')", key, SQL(", ").join(answers))
            )
    texts = SQL(", ").join(
        SQL("NULLIF(%s, '') AS %s", _meaning(column), SQL(f"c{int(column['position'])}"))
        for column in sorted(record.layout, key=lambda column: column["position"])
    )
    return SQL(
        """
        WITH cells AS MATERIALIZED (
            SELECT line.id, line.problems AS kept, %(cells)s FROM g2p_registrant_import_line line WHERE %(rows)s AND line.state = 'staged'
        ), found AS MATERIALIZED (
            SELECT cells.*, %(extra)s %(area_id)s AS area_id FROM cells %(joins)s
        ), checked AS MATERIALIZED (
            SELECT id, area_id, kept, ARRAY[%(problems)s]::text[] AS reasons, jsonb_strip_nulls(%(values)s) AS data
            FROM found
        ), told AS MATERIALIZED (
            SELECT id, area_id, data,
                CASE WHEN kept IS NOT NULL OR num_nonnulls(VARIADIC reasons) > 0 THEN (
                    SELECT COALESCE(kept, '[]') || COALESCE(
                        jsonb_agg(jsonb_build_array(name, reason) ORDER BY place)
                            FILTER (WHERE reason IS NOT NULL AND NOT COALESCE(kept @> jsonb_build_array(
                                jsonb_build_array(name)), FALSE)), '[]')
                    FROM unnest(%(names)s::text[], reasons) WITH ORDINALITY AS told (name, reason, place)
                ) END AS problems
            FROM checked
        )
        UPDATE g2p_registrant_import_line line
        SET state = CASE WHEN told.problems IS NULL THEN 'ok' ELSE 'refused' END, problems = told.problems, %(words)s,
            data = told.data, area_id = told.area_id
        FROM told
        WHERE line.id = told.id
        """,
        cells=texts,
        rows=which,
        extra=SQL("").join(SQL("%s, ", item) for item in cells.extra),
        area_id=area_id,
        joins=SQL(" ").join(cells.joins),
        problems=SQL(", ").join(
            SQL("CASE %s END", SQL(" ").join(SQL("WHEN %s THEN %s", *case) for case in cases)) if cases else SQL("NULL")
            for cases in problems.values()
        ),
        names=list(problems),
        words=rows.words(SQL("told.problems")),
        # a function takes a hundred arguments, and a file may have more columns
        values=SQL(" || ").join(SQL("jsonb_build_object(%s)", value) for value in values),
    )


def _meaning(column):
    """The text of a cell, or what the mapping says that it means."""
    text = SQL("(COALESCE(line.data, line.raw)->>%s)", column["position"])
    if not column.get("values"):
        return text
    return SQL("COALESCE((%s::jsonb)->>lower(%s %s), %s)", json.dumps(column["values"]), text, rows.COLLATION, text)


def _name(record):
    """The name, and for individuals the parts it is made of; a full name comes apart by the mapping's order."""
    cells = {
        column["target"]: SQL(f"c{int(column['position'])}")
        for column in record._columns(*rows.NAME_TARGETS, "addl_name")
    }
    if record.target_type == "group":
        # which of the columns comes first does not hang on the mapping's order
        names = [cells[target] for target in rows.NAME_TARGETS if target in cells]
        return SQL("COALESCE(%s)", SQL(", ").join(names))
    nothing = SQL("NULL::text")
    family, given, additional = (cells.get(n, nothing) for n in ("family_name", "given_name", "addl_name"))
    if full := cells.get("full_name"):
        words = SQL("string_to_array(%s, ' ')", full)
        count = SQL("cardinality(%s)", words)
        first, last = SQL("(%s)[1]", words), SQL("(%s)[%s]", words, count)
        if record.mapping_id.name_order == "family_first":
            split = first, SQL("(%s)[2]", words), SQL("array_to_string((%s)[3:], ' ')", words)
        else:
            split = last, first, SQL("array_to_string((%s)[2:%s - 1], ' ')", words, count)
        single = SQL("position(' ' IN %s) = 0", full)
        family = SQL("CASE WHEN %s IS NULL THEN %s WHEN NOT (%s) THEN %s END", full, family, single, split[0])
        given = SQL("CASE WHEN %s IS NULL THEN %s WHEN %s THEN %s ELSE %s END", full, given, single, full, split[1])
        additional = SQL(
            "CASE WHEN %s IS NULL THEN %s WHEN NOT (%s) THEN NULLIF(%s, '') END", full, additional, single, split[2]
        )
    return SQL(
        "%(name)s, 'family_name', %(family)s, 'given_name', %(given)s, 'addl_name', %(additional)s",
        name=rows.full_name(family, given, additional),
        family=family,
        given=given,
        additional=additional,
    )
