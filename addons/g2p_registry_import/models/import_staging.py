import json
import re

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import bounds, decimal_text, table_file
from odoo.addons.g2p_bulk.tools.table_file import Cell, FileError, copy_text
from odoo.addons.g2p_registry_base.models.properties import NUMBERS

from ..tools import import_file

NAME_TARGETS = ("full_name", "family_name", "given_name")  # the columns that hold a registrant's name
DATES = ("birthdate", "registration_date")
IDENTIFIERS = ("id", "group_id", "related_id", "household", "phone", "account_number", "wallet_number", "area_code")
SHORTENED = r"^[0-9]([.,][0-9]+)?[eE]\+?[0-9]{1,2}$"  # what a spreadsheet makes of a long number in a CSV file
ACCOUNTS = {"account_number": "bank", "wallet_number": "mobile_wallet"}
FORMULA = SQL("('=', '+', '-', '@')")
GOOD = SQL("line.state = 'ok'")
VALUE = "\x01"  # stands for the cell's own text while a reason is translated
COLLATION = SQL('COLLATE "und-x-icu"')  # capitals of every script, whatever the database's own collation knows
# How each date format splits into year, month, day.
DATE_PARTS = {
    "%Y-%m-%d": (r"^\d{4}-\d{1,2}-\d{1,2}$", "-", (1, 2, 3)),
    "%d-%m-%Y": (r"^\d{1,2}-\d{1,2}-\d{4}$", "-", (3, 2, 1)),
    "%d/%m/%Y": (r"^\d{1,2}/\d{1,2}/\d{4}$", "/", (3, 2, 1)),
    "%m/%d/%Y": (r"^\d{1,2}/\d{1,2}/\d{4}$", "/", (3, 1, 2)),
    "%d.%m.%Y": (r"^\d{1,2}\.\d{1,2}\.\d{4}$", ".", (3, 2, 1)),
}


class RegistrantImport(models.Model):
    """From the file to checked rows."""

    # a file is one thing: reading and checking stand apart from the record and its buttons
    _inherit = "g2p.registrant.import"  # pylint: disable=consider-merging-classes-inherited

    # -- from the file to staged rows

    def _stage(self, table, counted=iter):
        """Stream the file into the staging table, once; memory does not grow with the file. How many rows there are.

        :param table_file.Table table: the file
        :param counted: a function that gives the rows it is given, and tells somebody how many they were
        """
        execute = self.env.cr.execute
        execute("DELETE FROM g2p_registrant_import_line WHERE import_id = %s", [self.id])
        rows = table.rows(self.encoding, self.mapping_id.delimiter)
        try:
            header = [cell.strip() for cell in next(rows, (0, []))[1]]
        except FileError as error:
            raise error.for_user(self.env) from error
        layout = self._layout(header)
        numbers = {column["position"]: decimal_text.Column() for column in layout if self._is_number(column)}
        count = table_file.copy_rows(
            self.env,
            "COPY g2p_registrant_import_line (import_id, row_number, unit, state, problems, column_name, reason, raw, data) "
            "FROM STDIN",
            counted(self._copied_rows(rows, header, layout, numbers)),
        )
        for column in layout:
            if found := numbers.get(column["position"]):
                column["mark"] = self._decimal_mark(column, found)
        execute("ANALYZE g2p_registrant_import_line")
        self.write({"state": "draft", "header": header, "layout": layout, "file_hash": table.sha256()})
        return count

    def _copied_rows(self, rows, header, layout, numbers):
        """Lines for COPY: the cells as they stand, and cleaned where that differs. What no column may hold is refused.

        :param numbers: {position: decimal_text.Column}, which is given the values of the column.
        """
        encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        width = len(header)
        used = {column["position"]: column["target"] in IDENTIFIERS for column in layout}
        meanings = {column["position"]: column["values"] for column in layout if column["values"]}
        for number, cells in rows:
            column = reason = problems = None
            if any(map(str.strip, cells[width:])):
                reason = self.env._("has more cells than the first row")
            elif problem := import_file.unreadable_cell(cells[:width]):
                column, error = header[problem[0]], problem[1]
                reason = self.env._(error.sentence)
            if reason:
                problems = encode([[column, reason]])
                raw, data, state = encode([table_file.storable(cell) for cell in cells]), None, "refused"
            else:
                cells = cells[:width]
                if Cell in map(type, cells) and (found := self._cell_problems(cells, header, used)):
                    problems = encode(found)
                for position, finder in numbers.items():
                    # a number of a workbook has no mark that could be in doubt
                    if position < len(cells) and type(cells[position]) is str:
                        text = cells[position]
                        finder.add(meanings[position].get(text.strip().lower(), text) if position in meanings else text)
                cleaned = table_file.clean(cells)
                raw, data, state = encode(cells), None if cleaned == cells else encode(cleaned), "staged"
            yield (
                f"{self.id}\t{number}\t{number}\t{state}\t{copy_text(problems)}\t{copy_text(column)}\t"
                f"{copy_text(reason)}\t{copy_text(raw)}\t{copy_text(data)}\n"
            )

    def _cell_problems(self, cells, header, used):
        """[[column, reason]] of what a workbook holds that is not what somebody typed, in the columns that are used."""
        return [
            [header[position], cell.reason(self.env)]
            for position, cell in enumerate(cells)
            if isinstance(cell, Cell) and position in used and (cell.problem != "fraction" or used[position])
        ]

    def _is_number(self, column):
        return column["target"] == "income" or column.get("kind") in NUMBERS

    def _decimal_mark(self, column, found):
        """The decimal mark of a column: as chosen, as its values prove it, or as its meaning has it.

        :param decimal_text.Column found: the values of the column
        """
        if self.decimal_mark or not found.sample:
            return self.decimal_mark or found.mark
        if not found.is_open:
            return found.mark
        if (
            column["target"] == "income" or column.get("kind") == "monetary"
        ) and self.company_id.currency_id.decimal_places < 3:
            return decimal_text.WHOLE  # no money of this currency has three decimals
        raise UserError(
            self.env._(
                "Column “%(column)s”: %(value)s may be two numbers, and no other value of the column tells which. Choose the "
                "decimal mark.",
                column=column["column"],
                value=found.sample[:50],
            )
        )

    def _layout(self, header):
        """What each used column of the file becomes, in the mapping's order."""
        if not any(header):
            raise UserError(self.env._("The file is empty: its first row must hold the names of the columns."))
        if twice := {name for name in header if name and header.count(name) > 1}:
            raise UserError(self.env._("These columns stand twice in the file: %s", ", ".join(sorted(twice)[:10])))
        lines = self.mapping_id.line_ids
        if not self.mapping_id:
            lines = self.mapping_id._columns_by_name(
                header, self.env["g2p.id.type"].search([("active", "=", True)]), self.target_type, self.company_id
            )
            if self.target_type == "group" or "household" not in lines.mapped("target"):
                # nobody asked for members: such a column is a fact like any other
                lines.filtered(lambda line: line.target in ("household", "role")).target = "info"
        if missing := [line.column for line in lines if line.column.strip() not in header]:
            raise UserError(self.env._("These columns are missing in the file: %s", ", ".join(missing)))
        targets = set(lines.mapped("target"))
        if not set(NAME_TARGETS) & targets:
            raise UserError(self.env._("No column of the file holds names. Choose a mapping, or name the columns."))
        self._check_layout(lines, targets)
        self._check_once(lines)
        questions = self._questions_of(lines)
        return [
            {
                **questions.get(line.column, {}),
                "values": line._values(),
                "relation": line.relationship_id.id,
                "position": header.index(line.column.strip()),
                "column": line.column,
                "target": line.target,
                "id_type": line.id_type_id.id,
                "required": line.required,
                "date_format": line.date_format or self.date_format,
            }
            for line in lines
        ]

    def _check_once(self, lines):
        """Two columns for what a registrant has once: nobody guesses which of them is meant."""
        several = ("id", "id_expiry", "phone", "account_number", "wallet_number", "info", "related_id")
        for _target, same in lines.filtered(lambda line: line.target not in several).grouped(self._line_target).items():
            if len(same) > 1:
                raise UserError(
                    self.env._(
                        "Two columns may be “%(target)s”: “%(first)s” and “%(second)s”. Choose a mapping that says which it is.",
                        target=same[0]._target_label(),
                        first=same[0].column,
                        second=same[1].column,
                    )
                )

    def _line_target(self, line):
        return (line.target, line.question)

    def _questions_of(self, lines):
        """{column: what the layout has to know of the question that it answers}"""
        known = {}
        for line in lines.filtered("question"):
            asked = line._asked(self.target_type, self.company_id)
            found = [question for question in asked if question["name"] == line.question]
            if not found:
                raise UserError(
                    self.env._(
                        "Column %s: this question is not asked of these registrants, or not any more.", line.column
                    )
                )
            question = found[0]
            choices = [*(question.get("selection") or ()), *(tag[:2] for tag in question.get("tags") or ())]
            known[line.column] = {
                "question": question["name"],
                "kind": question["type"],
                "choices": {text.strip().lower(): value for value, label in choices for text in (label, value)},
            }
        return known

    def _check_layout(self, lines, targets):
        ids = lines.filtered(lambda line: line.target == "id")
        for id_type in ids.id_type_id:
            if len(ids.filtered(lambda line, id_type=id_type: line.id_type_id == id_type)) > 1:
                raise UserError(self.env._("Two columns of the file hold the ID %s.", id_type.name))
            if id_type.target_type not in ("both", self.target_type):
                raise UserError(self.env._("%s is an ID of the other kind of registrant.", id_type.name))
        for line in lines.filtered(lambda line: line.target == "id_expiry"):
            if line.id_type_id not in ids.id_type_id:
                raise UserError(
                    self.env._("The expiry date of %s needs a column with the ID itself.", line.id_type_id.name)
                )
        for relation in lines.relationship_id:
            if relation.source_type not in (False, self.target_type[0]):
                raise UserError(self.env._("“%s” is a relationship of the other kind of registrant.", relation.name))
        if "group_attribute" in targets and not targets & {"household", "group_id"}:
            raise UserError(self.env._("Answers of the household need a column that names the household."))
        members = targets & {"household", "group_id", "role", "group_attribute"}
        if self.target_type == "group" and members:
            raise UserError(self.env._("Only individuals are members of a group: import them as individuals."))
        if members == {"role"}:
            raise UserError(self.env._("A role needs a group: no column names one."))
        if {"household", "group_id"} <= targets:
            raise UserError(
                self.env._("A file names groups by a household number or by an ID of the group, not by both.")
            )
        if self.existing_policy == "update" and self.match_id_type_id not in ids.id_type_id:
            raise UserError(
                self.env._(
                    "No column of the file holds the ID that tells who is updated: %s", self.match_id_type_id.name
                )
            )

    # -- the check, chunk by chunk

    def _bulk_source_check(self, operation):
        return SQL(
            "SELECT row_number AS key FROM g2p_registrant_import_line WHERE import_id = %s AND state = 'staged'",
            self.id,
        )

    def _bulk_chunk_check(self, operation, low, high):
        """Turn the cells of each row into values, or refuse it for the first that can't be taken."""
        rows = SQL("line.import_id = %s AND line.row_number > %s AND line.row_number <= %s", self.id, low, high)
        self.env.cr.execute(self._check_sql(rows))
        total = self.env.cr.rowcount
        # all that is wrong with a row is said at once: rows that are refused already are looked at too
        seen = SQL("line.state IN ('ok', 'refused')")
        self._refuse_by_pattern(rows, seen)
        self._refuse_known_ids(rows, seen)
        self._refuse_before_birth(rows, seen)
        [[good, skipped]] = self.env.execute_query(
            SQL(
                "SELECT count(*) FILTER (WHERE state = 'ok'), count(*) FILTER (WHERE state = 'skipped') "
                "FROM g2p_registrant_import_line line WHERE %s",
                rows,
            )
        )
        return {"good": good, "skipped": skipped, "refused": total - good - skipped}

    def _bulk_finish_check(self, operation):
        if operation.state == "done":
            self._refuse_repeated_ids()
            self._tie_households()
        self._count("checked" if operation.state == "done" else None)

    def _columns(self, *targets):
        return [column for column in self.layout or [] if column["target"] in targets]

    def _check_sql(self, rows):
        """One statement: the cells, the dates and names they hold, the first problem, the values."""
        joins, extra = [], []
        problems = {}  # {column: [(condition, reason)]}, of which the first of each column is told
        values = [SQL("'name', %s", self._name_sql())]
        for column in self.layout:
            cell = SQL(f"c{int(column['position'])}")
            name = column["column"]
            if not self.mapping_id and column["target"] in ("area_code", "kind"):
                name = self._label(column["target"])
            mine = problems.setdefault(name, [])
            if column["required"]:
                mine.append((SQL("%s IS NULL", cell), self._reason(self.env._("is empty"))))
            if column["target"] in IDENTIFIERS:
                reason = self.env._("is a number that a spreadsheet has shortened: %(value)s", value=VALUE)
                # most values are told by the first, cheap test
                short = SQL("position('E+' IN upper(%s)) > 0 AND %s ~ %s", cell, cell, SHORTENED)
                mine.append((short, self._reason(reason, cell)))
            found = getattr(self, f"_check_{column['target']}", self._check_text)(column, cell, joins, extra)
            mine += [(condition, self._reason(reason, cell)) for condition, reason in found["problems"]]
            values += found.get("values", [])
        info = [SQL("%s::text, %s", c["column"], SQL(f"c{int(c['position'])}")) for c in self._columns("info")]
        if info:
            values.append(SQL("'info', NULLIF(jsonb_strip_nulls(jsonb_build_object(%s)), '{}')", SQL(", ").join(info)))
        names = self._columns(*NAME_TARGETS)
        nameless = SQL(" AND ").join(SQL("%s IS NULL", SQL(f"c{int(c['position'])}")) for c in names)
        reason = self._reason(self.env._("is empty: a registrant needs a name"))
        problems[names[0]["column"]].append((nameless, reason))
        area = self._columns("area_code")
        if not area and self._areas():
            reason = self._reason(self.env._("is outside the areas you work in"))
            column = self._label("area_code")
            if len(self._areas()) != 1:
                problems.setdefault(column, []).append((SQL("TRUE"), reason))
        area_id = SQL("area.id") if area else SQL("NULL::integer")
        if len(self._areas()) == 1:
            area_id = SQL("COALESCE(%s, %s)", area_id, self._areas().id)
        for target, key in self.env["g2p.registrant.import.mapping.line"]._question_targets().items():
            if answers := [
                SQL("%s::text, %s", c["question"], SQL(f"a{int(c['position'])}")) for c in self._columns(target)
            ]:
                values.append(
                    SQL("%s, NULLIF(jsonb_strip_nulls(jsonb_build_object(%s)), '{}')", key, SQL(", ").join(answers))
                )
        cells = SQL(", ").join(
            SQL("NULLIF(%s, '') AS %s", self._meaning_sql(column), SQL(f"c{int(column['position'])}"))
            for column in sorted(self.layout, key=lambda column: column["position"])
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
            cells=cells,
            rows=rows,
            extra=SQL("").join(SQL("%s, ", item) for item in extra),
            area_id=area_id,
            joins=SQL(" ").join(joins),
            problems=SQL(", ").join(
                SQL("CASE %s END", SQL(" ").join(SQL("WHEN %s THEN %s", *case) for case in cases))
                if cases
                else SQL("NULL")
                for cases in problems.values()
            ),
            names=list(problems),
            words=self._words_sql(SQL("told.problems")),
            # a function takes a hundred arguments, and a file may have more columns
            values=SQL(" || ").join(SQL("jsonb_build_object(%s)", value) for value in values),
        )

    def _meaning_sql(self, column):
        """The text of a cell, or what the mapping says that it means."""
        text = SQL("(COALESCE(line.data, line.raw)->>%s)", column["position"])
        if not column.get("values"):
            return text
        return SQL("COALESCE((%s::jsonb)->>lower(%s %s), %s)", json.dumps(column["values"]), text, COLLATION, text)

    def _words_sql(self, problems):
        """Assignments of what a person reads: of one problem its column and its reason, of several all of them."""
        return SQL(
            """
            column_name = CASE WHEN %(problems)s IS NOT NULL THEN
                (SELECT string_agg(item->>0, ', ') FROM jsonb_array_elements(%(problems)s) item) END,
            reason = CASE WHEN jsonb_array_length(%(problems)s) = 1 THEN %(problems)s->0->>1
                WHEN %(problems)s IS NOT NULL THEN
                (SELECT string_agg(concat_ws(': ', item->>0, item->>1), '; ') FROM jsonb_array_elements(%(problems)s) item) END
            """,
            problems=problems,
        )

    def _refuse_found(self, found):
        """Refuse rows for one more reason each.

        :param SQL found: line_id, column_name, reason; one row for each line
        """
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_registrant_import_line line
                SET state = 'refused', problems = more.problems, %s
                FROM (
                    SELECT found.line_id, COALESCE(this.problems, '[]')
                        || jsonb_build_array(jsonb_build_array(found.column_name, found.reason)) AS problems
                    FROM (%s) AS found
                    JOIN g2p_registrant_import_line this ON this.id = found.line_id
                ) AS more
                WHERE line.id = more.line_id
                """,
                self._words_sql(SQL("more.problems")),
                found,
            )
        )

    def _reason(self, text, cell=None):
        """A translated reason as SQL, with the cell's own text where `text` has its mark."""
        parts = text.split(VALUE)
        shown = SQL(" || left(%s, 50) || ", cell)
        return (
            SQL("(%s)", shown.join(SQL("%s::text", part) for part in parts))
            if len(parts) > 1
            else SQL("%s::text", text)
        )

    def _formula(self, cell):
        return SQL("left(%s, 1) IN %s", cell, FORMULA), self.env._(
            "starts like a spreadsheet formula: %(value)s", value=VALUE
        )

    def _check_text(self, column, cell, joins, extra):
        target = column["target"]
        values = []
        if target in ("account_number", "wallet_number"):
            values = [SQL("%s, %s", f"account_{column['position']}", cell)]
        elif target not in (*NAME_TARGETS, "addl_name", "info"):
            values = [SQL("%s, %s", target, cell)]
        return {"problems": [self._formula(cell)], "values": values}

    def _check_phone(self, column, cell, joins, extra):
        """A phone number as it was given: whether a numbering plan knows it is flagged later, not refused."""
        formula, reason = self._formula(cell)
        return {
            "problems": [(SQL(r"%s AND %s !~ '^\+?[0-9\s().\-/]+$'", formula, cell), reason)],
            "values": [SQL("%s, %s", f"phone_{column['position']}", cell)],
        }

    def _date_sql(self, column, cell, joins, extra):
        """A date in the column's format (or ISO, as spreadsheets give it): its name in the statement, and what is said of others."""
        date = SQL(f"d{int(column['position'])}")
        # spreadsheets and forms give the time of a day too
        day = SQL(
            r"CASE WHEN position(':' IN %s) > 0 "
            r"THEN regexp_replace(%s, '[ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?Z?$', '') ELSE %s END",
            cell,
            cell,
            cell,
        )
        forms = [DATE_PARTS[column["date_format"]], DATE_PARTS["%Y-%m-%d"]]
        parts = SQL(" ").join(
            SQL(
                "WHEN %(cell)s ~ %(form)s THEN ARRAY[split_part(%(cell)s, %(mark)s, %(year)s), "
                "split_part(%(cell)s, %(mark)s, %(month)s), split_part(%(cell)s, %(mark)s, %(day)s)]::integer[]",
                cell=SQL("day.text"),
                form=form,
                mark=mark,
                year=order[0],
                month=order[1],
                day=order[2],
            )
            for form, mark, order in forms
        )
        joins.append(
            SQL(
                """
                LEFT JOIN LATERAL (
                    SELECT CASE WHEN part[1] >= 1 AND part[2] BETWEEN 1 AND 12 AND part[3] BETWEEN 1 AND 31 THEN
                        CASE WHEN part[3] <= extract(day FROM make_date(part[1], part[2], 1) + interval '1 month -1 day')
                        THEN make_date(part[1], part[2], part[3]) END
                    END AS %(date)s
                    FROM (SELECT CASE %(parts)s END AS part FROM (SELECT %(text)s AS text) AS day OFFSET 0) AS split
                    OFFSET 0
                ) AS %(alias)s ON TRUE
                """,
                date=date,
                text=day,
                parts=parts,
                alias=SQL(f"date_{int(column['position'])}"),
            )
        )
        extra.append(date)
        label = dict(import_file.DATE_FORMATS)[column["date_format"]]
        return date, [
            (
                SQL("%s IS NOT NULL AND %s IS NULL", cell, date),
                self.env._("is not a date in the form %(form)s: %(value)s", form=label, value=VALUE),
            ),
            (SQL("%s < '1900-01-01'", date), self.env._("is before 1900: %(value)s", value=VALUE)),
            (SQL("%s > '2200-01-01'", date), self.env._("is after 2200: %(value)s", value=VALUE)),
        ]

    def _check_birthdate(self, column, cell, joins, extra):
        """A day that has come already."""
        date, problems = self._date_sql(column, cell, joins, extra)
        today = fields.Date.context_today(self)
        return {
            "problems": [
                *problems[:1],
                (SQL("%s > %s", date, today), self.env._("is in the future: %(value)s", value=VALUE)),
                *problems[1:],
            ],
            "values": [SQL("%s, %s", column["target"], date)],
        }

    _check_registration_date = _check_birthdate

    def _check_id_expiry(self, column, cell, joins, extra):
        """When the ID of the same row, of this type, ends."""
        date, problems = self._date_sql(column, cell, joins, extra)
        [of] = [other for other in self._columns("id") if other["id_type"] == column["id_type"]]
        alone = SQL("%s IS NOT NULL AND %s IS NULL", cell, SQL(f"c{int(of['position'])}"))
        return {
            "problems": [*problems, (alone, self.env._("is the expiry date of an ID that the row doesn't hold"))],
            "values": [SQL("%s, %s", f"expiry_{column['id_type']}", date)],
        }

    def _check_attribute(self, column, cell, joins, extra):
        """An answer, as JSON of the question's type, in the column a<position> of the statement."""
        kind = column["kind"]
        check = {"float": "number", "monetary": "number", "char": "words", "text": "words"}.get(kind, kind)
        answer, problems = getattr(self, f"_answer_{check}")(column, cell, joins, extra)
        name = SQL(f"a{int(column['position'])}")
        joins.append(
            SQL(
                "LEFT JOIN LATERAL (SELECT %s AS %s OFFSET 0) AS %s ON TRUE",
                answer,
                name,
                SQL(f"answer_{int(column['position'])}"),
            )
        )
        extra.append(name)
        return {"problems": problems}

    _check_group_attribute = _check_attribute

    def _answer_words(self, column, cell, joins, extra):
        return SQL("to_jsonb(%s)", cell), [self._formula(cell)]

    def _answer_number(self, column, cell, joins, extra):
        number = decimal_text.number_sql(cell, column.get("mark"))
        return SQL("to_jsonb((%s)::numeric)", number), [
            (SQL("%s IS NOT NULL AND %s IS NULL", cell, number), self.env._("is not a number: %(value)s", value=VALUE)),
            (SQL("abs((%s)::numeric) >= 1e15", number), self.env._("is too large: %(value)s", value=VALUE)),
        ]

    def _answer_integer(self, column, cell, joins, extra):
        _answer, problems = self._answer_number(column, cell, joins, extra)
        number = SQL("(%s)::numeric", decimal_text.number_sql(cell, column.get("mark")))
        whole = self.env._("is not a whole number: %(value)s", value=VALUE)
        return SQL("to_jsonb(trunc(%s))", number), [*problems, (SQL("%s <> trunc(%s)", number, number), whole)]

    def _answer_boolean(self, column, cell, joins, extra):
        _ = self.env._
        known = {"true": True, "yes": True, "1": True, _("Yes").lower(): True}
        known |= {"false": False, "no": False, "0": False, _("No").lower(): False}
        answer = SQL("(%s::jsonb)->lower(%s %s)", json.dumps(known), cell, COLLATION)
        unknown = self.env._("is neither yes nor no: %(value)s", value=VALUE)
        return answer, [self._formula(cell), (SQL("%s IS NOT NULL AND (%s) IS NULL", cell, answer), unknown)]

    def _answer_selection(self, column, cell, joins, extra):
        answer = SQL("(%s::jsonb)->lower(%s %s)", json.dumps(column["choices"]), cell, COLLATION)
        unknown = self.env._("is none of the choices: %(value)s", value=VALUE)
        return answer, [self._formula(cell), (SQL("%s IS NOT NULL AND (%s) IS NULL", cell, answer), unknown)]

    def _answer_tags(self, column, cell, joins, extra):
        answer = SQL(
            "(SELECT jsonb_agg((%s::jsonb)->lower(btrim(word) %s)) FROM unnest(string_to_array(%s, ';')) AS word "
            "WHERE btrim(word) <> '')",
            json.dumps(column["choices"]),
            COLLATION,
            cell,
        )
        unknown = self.env._("holds what is none of the tags: %(value)s", value=VALUE)
        return answer, [self._formula(cell), (SQL("%s @> 'null'", answer), unknown)]

    def _answer_date(self, column, cell, joins, extra):
        date, problems = self._date_sql(column, cell, joins, extra)
        return SQL("to_jsonb(%s)", date), problems

    def _answer_many2one(self, column, cell, joins, extra):
        """An area, by its code."""
        area = SQL(f"area_{int(column['position'])}")
        joins.append(SQL("LEFT JOIN g2p_area AS %s ON %s.code = %s AND %s.active", area, area, cell, area))
        unknown = self.env._("is no area of the registry: %(value)s", value=VALUE)
        answer = SQL("to_jsonb(%s.id)", area)
        name = SQL(f"a{int(column['position'])}")
        return answer, [self._formula(cell), (SQL("%s IS NOT NULL AND %s IS NULL", cell, name), unknown)]

    def _check_related_id(self, column, cell, joins, extra):
        """Another registrant, by an ID, whom the row's registrant is related to: registered before this file."""
        name = SQL(f"related_{int(column['position'])}")
        relation = self.env["g2p.relationship"].browse(column["relation"])
        joins.append(
            SQL(
                """
                LEFT JOIN LATERAL (
                    SELECT min(other.id) AS %(name)s
                    FROM g2p_reg_id reg
                    JOIN res_partner other ON other.id = reg.partner_id AND other.is_registrant %(kind)s
                    WHERE reg.id_type = %(id_type)s AND reg.value = %(cell)s
                        AND COALESCE(other.company_id, %(company)s) = %(company)s %(areas)s
                    HAVING count(*) = 1
                ) AS %(alias)s ON TRUE
                """,
                name=name,
                kind=SQL("AND other.is_group = %s", relation.destination_type == "g")
                if relation.destination_type
                else SQL(),
                id_type=column["id_type"],
                cell=cell,
                company=self.company_id.id,
                areas=SQL("AND other.area_id = ANY(%s)", self._allowed_area_ids()) if self._areas() else SQL(),
                alias=SQL(f"other_{int(column['position'])}"),
            )
        )
        extra.append(name)
        unknown = self.env._("is the ID of no registrant whom this relationship fits: %(value)s", value=VALUE)
        return {
            "problems": [self._formula(cell), (SQL("%s IS NOT NULL AND %s IS NULL", cell, name), unknown)],
            "values": [SQL("%s, %s", f"related_{column['position']}", name)],
        }

    def _check_income(self, column, cell, joins, extra):
        number = decimal_text.number_sql(cell, column.get("mark"))
        return {
            "problems": [
                (
                    SQL("%s IS NOT NULL AND %s IS NULL", cell, number),
                    self.env._("is not a number: %(value)s", value=VALUE),
                ),
                (SQL("left(%s, 1) = '-'", cell), self.env._("is negative: %(value)s", value=VALUE)),
                (SQL("(%s)::numeric >= %s", number, bounds.MOST), self.env._("is too large: %(value)s", value=VALUE)),
            ],
            "values": [SQL("'income', %s", number)],
        }

    def _check_email(self, column, cell, joins, extra):
        wrong = SQL(r"%s !~ '^[^@\s]+@[^@\s]+\.[^@\s]+$'", cell)
        return {
            "problems": [
                self._formula(cell),
                (wrong, self.env._("is not an e-mail address: %(value)s", value=VALUE)),
            ],
            "values": [SQL("'email', %s", cell)],
        }

    def _check_gender(self, column, cell, joins, extra):
        known = json.dumps(self.env["gender.type"]._values_by_name())
        value = SQL("(%s::jsonb)->>lower(%s %s)", known, cell, COLLATION)
        return {
            "problems": [
                self._formula(cell),
                (
                    SQL("%s IS NOT NULL AND (%s) IS NULL", cell, value),
                    self.env._("is no gender of the registry: %(value)s", value=VALUE),
                ),
            ],
            "values": [SQL("'gender', %s", value)],
        }

    def _check_disability(self, column, cell, joins, extra):
        answers = dict(self.env["res.partner"]._fields["disability"]._description_selection(self.env))
        known = {key: key for key in answers} | {label.lower(): key for key, label in answers.items()}
        value = SQL("(%s::jsonb)->>lower(%s %s)", json.dumps(known), cell, COLLATION)
        return {
            "problems": [
                self._formula(cell),
                (
                    SQL("%s IS NOT NULL AND (%s) IS NULL", cell, value),
                    self.env._("is neither yes nor no: %(value)s", value=VALUE),
                ),
            ],
            "values": [SQL("'disability', %s", value)],
        }

    def _check_id(self, column, cell, joins, extra):
        id_type = self.env["g2p.id.type"].browse(column["id_type"])
        problems = [
            self._formula(cell),
            (
                SQL("length(%s) > 100", cell),
                self.env._(
                    "is too long: %(length)s characters, at most %(limit)s are taken", length="> 100", limit=100
                ),
            ),
        ]
        pattern = id_type.id_validation and import_file.portable_pattern(id_type.id_validation)
        if pattern:
            problems.append((SQL("%s !~ %s", cell, pattern), self._pattern_reason(id_type)))
        return {"problems": problems, "values": [SQL("%s, %s", f"id_{id_type.id}", cell)]}

    def _pattern_reason(self, id_type):
        return self.env._("does not match the pattern of %(type)s: %(value)s", type=id_type.name, value=VALUE)

    def _check_area_code(self, column, cell, joins, extra):
        """Areas by code, in the areas of the user where they are limited to some."""
        joins.append(SQL("LEFT JOIN g2p_area area ON area.code = %s AND area.active", cell))
        problems = [
            self._formula(cell),
            (
                SQL("%s IS NOT NULL AND area_id IS NULL", cell),
                self.env._("is no area of the registry: %(value)s", value=VALUE),
            ),
        ]
        limits = self._areas()
        if limits:
            # the one area of who brings the file stands for an empty cell
            problems[1] = (SQL("%s IS NOT NULL AND NOT known_area", cell), problems[1][1])
            extra.append(SQL("area.id IS NOT NULL AS known_area"))
            problems.append(
                (
                    SQL("(area_id = ANY(%s)) IS NOT TRUE", self._allowed_area_ids()),
                    self.env._("is outside the areas you work in"),
                )
            )
        return {"problems": problems}

    def _check_kind(self, column, cell, joins, extra):
        joins.append(SQL("LEFT JOIN g2p_group_kind kind ON lower(kind.name) = lower(%s)", cell))
        extra.append(SQL("kind.id AS kind_id"))
        unknown = self.env._("is no group type of the registry: %(value)s", value=VALUE)
        return {
            "problems": [self._formula(cell), (SQL("%s IS NOT NULL AND kind_id IS NULL", cell), unknown)],
            "values": [SQL("'kind', kind_id")],
        }

    def _check_role(self, column, cell, joins, extra):
        joins.append(SQL("LEFT JOIN g2p_group_membership_kind role ON lower(role.name) = lower(%s)", cell))
        extra.append(SQL("role.id AS role_id"))
        unknown = self.env._("is no role of the registry: %(value)s", value=VALUE)
        return {
            "problems": [self._formula(cell), (SQL("%s IS NOT NULL AND role_id IS NULL", cell), unknown)],
            "values": [SQL("'role', role_id")],
        }

    def _check_tags(self, column, cell, joins, extra):
        """Tags by name, with a semicolon between them."""
        joins.append(
            SQL(
                """
                LEFT JOIN LATERAL (
                    SELECT jsonb_agg(tag.id) AS tag_ids
                    FROM unnest(string_to_array(%s, ';')) AS word
                    LEFT JOIN g2p_registrant_tags tag ON lower(tag.name) = lower(btrim(word)) AND tag.active
                    WHERE btrim(word) <> ''
                ) AS tagged ON TRUE
                """,
                cell,
            )
        )
        extra.append(SQL("tag_ids"))
        unknown = self.env._("holds a tag that the registry doesn't know: %(value)s", value=VALUE)
        return {
            "problems": [self._formula(cell), (SQL("tag_ids @> 'null'"), unknown)],
            "values": [SQL("'tags', tag_ids")],
        }

    def _check_group_id(self, column, cell, joins, extra):
        """A group that is registered, by its ID: the second of two files."""
        limits = self._areas()
        joins.append(
            SQL(
                """
                LEFT JOIN LATERAL (
                    SELECT min(grp.id) AS group_id
                    FROM g2p_reg_id reg
                    JOIN res_partner grp ON grp.id = reg.partner_id AND grp.is_registrant AND grp.is_group
                    WHERE reg.id_type = %s AND reg.value_key = %s AND COALESCE(grp.company_id, %s) = %s %s
                    HAVING count(*) = 1
                ) AS grouped ON TRUE
                """,
                column["id_type"],
                self.env["g2p.id.type"].browse(column["id_type"])._key_sql(cell),
                self.company_id.id,
                self.company_id.id,
                SQL("AND grp.area_id = ANY(%s)", self._allowed_area_ids()) if limits else SQL(),
            )
        )
        extra.append(SQL("group_id"))
        unknown = self.env._("is the ID of no group of the registry: %(value)s", value=VALUE)
        return {
            "problems": [self._formula(cell), (SQL("%s IS NOT NULL AND group_id IS NULL", cell), unknown)],
            "values": [SQL("'group', group_id")],
        }

    def _name_sql(self):
        """The name, and for individuals the parts it is made of; a full name comes apart by the mapping's order."""
        cells = {
            column["target"]: SQL(f"c{int(column['position'])}") for column in self._columns(*NAME_TARGETS, "addl_name")
        }
        if self.target_type == "group":
            # which of the columns comes first does not hang on the mapping's order
            names = [cells[target] for target in NAME_TARGETS if target in cells]
            return SQL("COALESCE(%s)", SQL(", ").join(names))
        nothing = SQL("NULL::text")
        family, given, additional = (cells.get(n, nothing) for n in ("family_name", "given_name", "addl_name"))
        if full := cells.get("full_name"):
            words = SQL("string_to_array(%s, ' ')", full)
            count = SQL("cardinality(%s)", words)
            first, last = SQL("(%s)[1]", words), SQL("(%s)[%s]", words, count)
            if self.mapping_id.name_order == "family_first":
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
            name=self._full_name_sql(family, given, additional),
            family=family,
            given=given,
            additional=additional,
        )

    def _full_name_sql(self, family, given, additional):
        """As res.partner's _full_name: FAMILY, GIVEN ADDITIONAL."""
        return SQL(
            "upper(concat_ws(', ', %s, NULLIF(concat_ws(' ', %s, %s), '')) %s)", family, given, additional, COLLATION
        )

    def _areas(self):
        """The areas that who brought the file is limited to."""
        # sudo: the user's own areas
        return self.create_uid.sudo().g2p_area_ids

    def _allowed_area_ids(self):
        # sudo: the user's own areas
        return self.create_uid.sudo().g2p_allowed_area_ids.ids

    def _label(self, target):
        """How messages name the column: as the mapping does, else as the registry does."""
        column = self._columns(target) if self.mapping_id else []
        labels = dict(self.env["g2p.registrant.import.mapping.line"]._fields["target"].selection)
        return column[0]["column"] if column else labels[target]

    # -- IDs

    def _refuse_by_pattern(self, rows, seen):
        """Patterns that PostgreSQL may read in another way than the registry does are matched here, on the distinct
        values of the chunk."""
        for column in self._columns("id"):
            id_type = self.env["g2p.id.type"].browse(column["id_type"])
            if not id_type.id_validation or import_file.portable_pattern(id_type.id_validation):
                continue
            key = f"id_{id_type.id}"
            values = self.env.execute_query(
                SQL(
                    "SELECT DISTINCT line.data->>%s FROM g2p_registrant_import_line line WHERE %s AND %s AND line.data ? %s",
                    key,
                    rows,
                    seen,
                    key,
                )
            )
            pattern = re.compile(id_type.id_validation)
            if wrong := [value for (value,) in values if not pattern.fullmatch(value)]:
                self._refuse_found(
                    SQL(
                        "SELECT line.id AS line_id, %s::text AS column_name, %s AS reason "
                        "FROM g2p_registrant_import_line line WHERE %s AND %s AND line.data->>%s = ANY(%s)",
                        column["column"],
                        self._reason(self._pattern_reason(id_type), SQL("line.data->>%s", key)),
                        rows,
                        seen,
                        key,
                        wrong,
                    )
                )

    def _unique_id_columns(self):
        columns = self._columns("id")
        unique = self.env["g2p.id.type"].browse([column["id_type"] for column in columns]).filtered("is_unique").ids
        return [column for column in columns if column["id_type"] in unique]

    def _staged_ids(self, rows, seen=GOOD):
        """(line_id, row_number, state, id_type, value, column_name) of the IDs of rows whose type is unique."""
        values = SQL(", ").join(
            SQL(
                "(%s, %s, line.data->>%s, %s)",
                column["id_type"],
                self.env["g2p.id.type"].browse(column["id_type"]).case_sensitive,
                f"id_{column['id_type']}",
                column["column"],
            )
            for column in self._unique_id_columns()
        )
        return SQL(
            """
            SELECT line.id AS line_id, line.row_number, line.state, item.id_type, item.value, item.column_name,
                CASE WHEN item.case_sensitive THEN item.value ELSE upper(item.value %s) END AS value_key
            FROM g2p_registrant_import_line line
            CROSS JOIN LATERAL (VALUES %s) AS item (id_type, case_sensitive, value, column_name)
            WHERE %s AND %s AND item.value IS NOT NULL
            """,
            COLLATION,
            values,
            rows,
            seen,
        )

    def _refuse_known_ids(self, rows, seen=GOOD):
        """Rows of somebody who is registered: refused, skipped, or tied to the registrant they update."""
        if not self._unique_id_columns():
            return
        text = self.env._("is the ID of a registrant already: %(value)s", value=VALUE)
        reason = self._reason(text, SQL("known.value"))
        if self.existing_policy != "update":
            # whose it is, is told where who brought the file may see them
            known = SQL(
                """
                SELECT DISTINCT ON (staged.line_id) staged.line_id, staged.state, staged.column_name, staged.value, owner.name
                FROM (%(staged)s) staged
                JOIN g2p_reg_id ON g2p_reg_id.id_type = staged.id_type AND g2p_reg_id.value_key = staged.value_key
                LEFT JOIN res_partner owner ON owner.id = g2p_reg_id.partner_id
                    AND COALESCE(owner.company_id, %(company)s) = %(company)s %(area)s
                ORDER BY staged.line_id
                """,
                staged=self._staged_ids(rows, seen),
                company=self.company_id.id,
                area=SQL("AND owner.area_id = ANY(%s)", self._allowed_area_ids()) if self._areas() else SQL(),
            )
            named = self.env._("is the ID of %(name)s already: %(value)s", name="%2$s", value="%1$s")
            reason = SQL(
                "CASE WHEN known.name IS NULL THEN %s ELSE format(%s, left(known.value, 50), known.name) END",
                reason,
                named,
            )
            if self.existing_policy == "report":
                self._refuse_found(SQL("SELECT line_id, column_name, %s AS reason FROM (%s) AS known", reason, known))
                return
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE g2p_registrant_import_line line
                    SET state = 'skipped', column_name = known.column_name, reason = %s
                    FROM (%s) AS known
                    WHERE line.id = known.line_id AND known.state = 'ok'
                    """,
                    reason,
                    known,
                )
            )
            return
        limits = self._areas()
        self.env.cr.execute(
            SQL(
                """
                WITH found AS MATERIALIZED (
                    SELECT staged.*, reg.partner_id, staged.id_type = %(match)s AS is_match,
                        partner.is_registrant AND COALESCE(partner.is_group, FALSE) = %(is_group)s
                            AND COALESCE(partner.company_id, %(company)s) = %(company)s %(area)s AS may_write
                    FROM (%(staged)s) staged
                    JOIN g2p_reg_id reg ON reg.id_type = staged.id_type AND reg.value_key = staged.value_key
                    JOIN res_partner partner ON partner.id = reg.partner_id
                ), matched AS MATERIALIZED (
                    SELECT line.id, line.problems,
                        (SELECT partner_id FROM found WHERE found.line_id = line.id AND is_match) AS partner_id
                    FROM g2p_registrant_import_line line
                    WHERE %(rows)s AND %(seen)s
                ), known AS MATERIALIZED (
                    SELECT matched.id, matched.partner_id, other.value,
                        CASE WHEN other.value IS NOT NULL THEN COALESCE(matched.problems, '[]') || jsonb_build_array(
                            jsonb_build_array(other.column_name, CASE WHEN other.may_write THEN %(taken)s ELSE %(closed)s END)
                        ) ELSE matched.problems END AS problems
                    FROM matched
                    LEFT JOIN LATERAL (
                        SELECT found.column_name, found.value, found.may_write
                        FROM found
                        WHERE found.line_id = matched.id
                            AND (found.partner_id IS DISTINCT FROM matched.partner_id OR found.may_write IS NOT TRUE)
                        ORDER BY is_match DESC
                        LIMIT 1
                    ) AS other ON TRUE
                )
                UPDATE g2p_registrant_import_line line
                SET partner_id = CASE WHEN known.problems IS NULL THEN known.partner_id END,
                    state = CASE WHEN known.problems IS NULL THEN 'ok' ELSE 'refused' END,
                    problems = known.problems, %(words)s
                FROM known
                WHERE line.id = known.id
                    AND (known.value IS NOT NULL OR line.partner_id IS DISTINCT FROM known.partner_id)
                """,
                match=self.match_id_type_id.id,
                is_group=self.target_type == "group",
                company=self.company_id.id,
                area=SQL("AND partner.area_id = ANY(%s)", self._allowed_area_ids()) if limits else SQL(),
                staged=self._staged_ids(rows, seen),
                rows=rows,
                seen=seen,
                words=self._words_sql(SQL("known.problems")),
                taken=self._reason(text, SQL("other.value")),
                closed=self._reason(
                    self.env._("is the ID of a registrant that this import may not change: %(value)s", value=VALUE),
                    SQL("other.value"),
                ),
            )
        )

    def _refuse_repeated_ids(self):
        """Of good rows with the same ID, the first stays."""
        if not self._unique_id_columns():
            return
        self._refuse_found(
            SQL(
                """
                WITH staged AS MATERIALIZED (%s), repeated AS MATERIALIZED (
                    SELECT id_type, value_key, min(row_number) AS first_row
                    FROM staged
                    GROUP BY id_type, value_key
                    HAVING count(*) > 1
                )
                SELECT DISTINCT ON (line_id) line_id, column_name, format(%s, first_row) AS reason
                FROM staged
                JOIN repeated USING (id_type, value_key)
                WHERE row_number > first_row
                ORDER BY line_id, first_row
                """,
                self._staged_ids(SQL("line.import_id = %s", self.id)),
                self.env._("is the same ID as in row %s"),
            )
        )

    # -- households

    def _tie_households(self):
        """Rows of one household are imported together; of two holders of a role that only one may have, the first
        stays."""
        if not self._columns("household"):
            return
        self.env.cr.execute(
            SQL(
                """
                UPDATE g2p_registrant_import_line line
                SET unit = home.first_row
                FROM (
                    SELECT data->>'household' AS number, min(row_number) AS first_row
                    FROM g2p_registrant_import_line
                    WHERE import_id = %s AND state = 'ok' AND data ? 'household'
                    GROUP BY 1
                    HAVING count(*) > 1
                ) home
                WHERE line.import_id = %s AND line.state = 'ok' AND line.data->>'household' = home.number
                    AND line.unit <> home.first_row
                """,
                self.id,
                self.id,
            )
        )
        if not self._columns("role"):
            return
        self._refuse_found(
            SQL(
                """
                SELECT id AS line_id, %s::text AS column_name, format(%s, first_row) AS reason
                FROM (
                    SELECT line.id, line.row_number,
                        min(row_number) OVER (PARTITION BY data->>'household', data->>'role') AS first_row
                    FROM g2p_registrant_import_line line
                    JOIN g2p_group_membership_kind kind ON kind.id = (line.data->>'role')::integer AND kind.is_unique
                    WHERE line.import_id = %s AND line.state = 'ok' AND line.data ? 'household'
                ) twice
                WHERE row_number > first_row
                """,
                self._label("role"),
                self.env._("only one in a household may have this role, and row %s has it"),
                self.id,
            )
        )
