"""What the cells of a column may hold, as SQL: what is wrong with one, and the value that it becomes."""

import json

from odoo.fields import Date
from odoo.tools import SQL

from odoo.addons.g2p_bulk.tools import bounds, decimal_text

from . import import_file, rows

FORMULA = SQL("('=', '+', '-', '@')")
# How each date format splits into year, month, day.
DATE_PARTS = {
    "%Y-%m-%d": (r"^\d{4}-\d{1,2}-\d{1,2}$", "-", (1, 2, 3)),
    "%d-%m-%Y": (r"^\d{1,2}-\d{1,2}-\d{4}$", "-", (3, 2, 1)),
    "%d/%m/%Y": (r"^\d{1,2}/\d{1,2}/\d{4}$", "/", (3, 2, 1)),
    "%m/%d/%Y": (r"^\d{1,2}/\d{1,2}/\d{4}$", "/", (3, 1, 2)),
    "%d.%m.%Y": (r"^\d{1,2}\.\d{1,2}\.\d{4}$", ".", (3, 2, 1)),
}


def pattern_reason(env, id_type):
    return env._("does not match the pattern of %(type)s: %(value)s", type=id_type.name, value=rows.VALUE)


class Cells:
    """The columns of one statement over the cells of a file: a method for each thing that a column may become.

    They fill `joins` and `extra` (what the statement looks up, and the columns that this gives it), and return
    ``{"problems": [(condition, reason)], "values": [SQL of a key and its value in the row's data]}``; a reason may hold
    :data:`rows.VALUE`.
    """

    def __init__(self, record):
        self.record = record
        self.env = record.env
        self.joins = []
        self.extra = []

    def check(self, column, cell):
        """
        :param column: an item of the layout
        :param SQL cell: its text, NULL where the cell is empty
        """
        target = column["target"]
        if target in self.env["g2p.registrant.import.mapping.line"]._question_targets():
            return self._check_answer(column, cell)
        return getattr(self, f"_check_{target}", self._check_text)(column, cell)

    def _formula(self, cell):
        return SQL("left(%s, 1) IN %s", cell, FORMULA), self.env._(
            "starts like a spreadsheet formula: %(value)s", value=rows.VALUE
        )

    def _check_text(self, column, cell):
        target = column["target"]
        values = []
        if target in ("account_number", "wallet_number"):
            values = [SQL("%s, %s", f"account_{column['position']}", cell)]
        elif target not in (*rows.NAME_TARGETS, "addl_name", "info"):
            values = [SQL("%s, %s", target, cell)]
        return {"problems": [self._formula(cell)], "values": values}

    def _check_phone(self, column, cell):
        """A phone number as it was given: whether a numbering plan knows it is flagged later, not refused."""
        formula, reason = self._formula(cell)
        return {
            "problems": [(SQL(r"%s AND %s !~ '^\+?[0-9\s().\-/]+$'", formula, cell), reason)],
            "values": [SQL("%s, %s", f"phone_{column['position']}", cell)],
        }

    def _date_sql(self, column, cell):
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
        self.joins.append(
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
        self.extra.append(date)
        label = dict(import_file.DATE_FORMATS)[column["date_format"]]
        return date, [
            (
                SQL("%s IS NOT NULL AND %s IS NULL", cell, date),
                self.env._("is not a date in the form %(form)s: %(value)s", form=label, value=rows.VALUE),
            ),
            (SQL("%s < '1900-01-01'", date), self.env._("is before 1900: %(value)s", value=rows.VALUE)),
            (SQL("%s > '2200-01-01'", date), self.env._("is after 2200: %(value)s", value=rows.VALUE)),
        ]

    def _check_birthdate(self, column, cell):
        """A day that has come already."""
        date, problems = self._date_sql(column, cell)
        today = Date.context_today(self.record)
        return {
            "problems": [
                *problems[:1],
                (SQL("%s > %s", date, today), self.env._("is in the future: %(value)s", value=rows.VALUE)),
                *problems[1:],
            ],
            "values": [SQL("%s, %s", column["target"], date)],
        }

    _check_registration_date = _check_birthdate

    def _check_id_expiry(self, column, cell):
        """When the ID of the same row, of this type, ends."""
        date, problems = self._date_sql(column, cell)
        [of] = [other for other in self.record._columns("id") if other["id_type"] == column["id_type"]]
        alone = SQL("%s IS NOT NULL AND %s IS NULL", cell, SQL(f"c{int(of['position'])}"))
        return {
            "problems": [*problems, (alone, self.env._("is the expiry date of an ID that the row doesn't hold"))],
            "values": [SQL("%s, %s", f"expiry_{column['id_type']}", date)],
        }

    def _check_answer(self, column, cell):
        """An answer, as JSON of the question's type, in the column a<position> of the statement."""
        kind = column["kind"]
        check = {"float": "number", "monetary": "number", "char": "words", "text": "words"}.get(kind, kind)
        answer, problems = getattr(self, f"_answer_{check}")(column, cell)
        name = SQL(f"a{int(column['position'])}")
        self.joins.append(
            SQL(
                "LEFT JOIN LATERAL (SELECT %s AS %s OFFSET 0) AS %s ON TRUE",
                answer,
                name,
                SQL(f"answer_{int(column['position'])}"),
            )
        )
        self.extra.append(name)
        return {"problems": problems}

    def _answer_words(self, column, cell):
        return SQL("to_jsonb(%s)", cell), [self._formula(cell)]

    def _answer_number(self, column, cell):
        number = decimal_text.number_sql(cell, column.get("mark"))
        return SQL("to_jsonb((%s)::numeric)", number), [
            (
                SQL("%s IS NOT NULL AND %s IS NULL", cell, number),
                self.env._("is not a number: %(value)s", value=rows.VALUE),
            ),
            (SQL("abs((%s)::numeric) >= 1e15", number), self.env._("is too large: %(value)s", value=rows.VALUE)),
        ]

    def _answer_integer(self, column, cell):
        _answer, problems = self._answer_number(column, cell)
        number = SQL("(%s)::numeric", decimal_text.number_sql(cell, column.get("mark")))
        whole = self.env._("is not a whole number: %(value)s", value=rows.VALUE)
        return SQL("to_jsonb(trunc(%s))", number), [*problems, (SQL("%s <> trunc(%s)", number, number), whole)]

    def _answer_boolean(self, column, cell):
        _ = self.env._
        known = {"true": True, "yes": True, "1": True, _("Yes").lower(): True}
        known |= {"false": False, "no": False, "0": False, _("No").lower(): False}
        answer = SQL("(%s::jsonb)->lower(%s %s)", json.dumps(known), cell, rows.COLLATION)
        unknown = self.env._("is neither yes nor no: %(value)s", value=rows.VALUE)
        return answer, [self._formula(cell), (SQL("%s IS NOT NULL AND (%s) IS NULL", cell, answer), unknown)]

    def _answer_selection(self, column, cell):
        answer = SQL("(%s::jsonb)->lower(%s %s)", json.dumps(column["choices"]), cell, rows.COLLATION)
        unknown = self.env._("is none of the choices: %(value)s", value=rows.VALUE)
        return answer, [self._formula(cell), (SQL("%s IS NOT NULL AND (%s) IS NULL", cell, answer), unknown)]

    def _answer_tags(self, column, cell):
        answer = SQL(
            "(SELECT jsonb_agg((%s::jsonb)->lower(btrim(word) %s)) FROM unnest(string_to_array(%s, ';')) AS word "
            "WHERE btrim(word) <> '')",
            json.dumps(column["choices"]),
            rows.COLLATION,
            cell,
        )
        unknown = self.env._("holds what is none of the tags: %(value)s", value=rows.VALUE)
        return answer, [self._formula(cell), (SQL("%s @> 'null'", answer), unknown)]

    def _answer_date(self, column, cell):
        date, problems = self._date_sql(column, cell)
        return SQL("to_jsonb(%s)", date), problems

    def _answer_many2one(self, column, cell):
        """An area, by its code."""
        area = SQL(f"area_{int(column['position'])}")
        self.joins.append(SQL("LEFT JOIN g2p_area AS %s ON %s.code = %s AND %s.active", area, area, cell, area))
        unknown = self.env._("is no area of the registry: %(value)s", value=rows.VALUE)
        answer = SQL("to_jsonb(%s.id)", area)
        name = SQL(f"a{int(column['position'])}")
        return answer, [self._formula(cell), (SQL("%s IS NOT NULL AND %s IS NULL", cell, name), unknown)]

    def _check_related_id(self, column, cell):
        """Another registrant, by an ID, whom the row's registrant is related to: registered before this file."""
        name = SQL(f"related_{int(column['position'])}")
        relation = self.env["g2p.relationship"].browse(column["relation"])
        self.joins.append(
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
                company=self.record.company_id.id,
                areas=SQL("AND other.area_id = ANY(%s)", self.record._allowed_area_ids())
                if self.record._areas()
                else SQL(),
                alias=SQL(f"other_{int(column['position'])}"),
            )
        )
        self.extra.append(name)
        unknown = self.env._("is the ID of no registrant whom this relationship fits: %(value)s", value=rows.VALUE)
        return {
            "problems": [self._formula(cell), (SQL("%s IS NOT NULL AND %s IS NULL", cell, name), unknown)],
            "values": [SQL("%s, %s", f"related_{column['position']}", name)],
        }

    def _check_income(self, column, cell):
        number = decimal_text.number_sql(cell, column.get("mark"))
        return {
            "problems": [
                (
                    SQL("%s IS NOT NULL AND %s IS NULL", cell, number),
                    self.env._("is not a number: %(value)s", value=rows.VALUE),
                ),
                (SQL("left(%s, 1) = '-'", cell), self.env._("is negative: %(value)s", value=rows.VALUE)),
                (
                    SQL("(%s)::numeric >= %s", number, bounds.MOST),
                    self.env._("is too large: %(value)s", value=rows.VALUE),
                ),
            ],
            "values": [SQL("'income', %s", number)],
        }

    def _check_email(self, column, cell):
        wrong = SQL(r"%s !~ '^[^@\s]+@[^@\s]+\.[^@\s]+$'", cell)
        return {
            "problems": [
                self._formula(cell),
                (wrong, self.env._("is not an e-mail address: %(value)s", value=rows.VALUE)),
            ],
            "values": [SQL("'email', %s", cell)],
        }

    def _check_gender(self, column, cell):
        known = json.dumps(self.env["gender.type"]._values_by_name())
        value = SQL("(%s::jsonb)->>lower(%s %s)", known, cell, rows.COLLATION)
        return {
            "problems": [
                self._formula(cell),
                (
                    SQL("%s IS NOT NULL AND (%s) IS NULL", cell, value),
                    self.env._("is no gender of the registry: %(value)s", value=rows.VALUE),
                ),
            ],
            "values": [SQL("'gender', %s", value)],
        }

    def _check_disability(self, column, cell):
        answers = dict(self.env["res.partner"]._fields["disability"]._description_selection(self.env))
        known = {key: key for key in answers} | {label.lower(): key for key, label in answers.items()}
        value = SQL("(%s::jsonb)->>lower(%s %s)", json.dumps(known), cell, rows.COLLATION)
        return {
            "problems": [
                self._formula(cell),
                (
                    SQL("%s IS NOT NULL AND (%s) IS NULL", cell, value),
                    self.env._("is neither yes nor no: %(value)s", value=rows.VALUE),
                ),
            ],
            "values": [SQL("'disability', %s", value)],
        }

    def _check_id(self, column, cell):
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
            problems.append((SQL("%s !~ %s", cell, pattern), pattern_reason(self.env, id_type)))
        return {"problems": problems, "values": [SQL("%s, %s", f"id_{id_type.id}", cell)]}

    def _check_area_code(self, column, cell):
        """Areas by code, in the areas of the user where they are limited to some."""
        self.joins.append(SQL("LEFT JOIN g2p_area area ON area.code = %s AND area.active", cell))
        problems = [
            self._formula(cell),
            (
                SQL("%s IS NOT NULL AND area_id IS NULL", cell),
                self.env._("is no area of the registry: %(value)s", value=rows.VALUE),
            ),
        ]
        limits = self.record._areas()
        if limits:
            # the one area of who brings the file stands for an empty cell
            problems[1] = (SQL("%s IS NOT NULL AND NOT known_area", cell), problems[1][1])
            self.extra.append(SQL("area.id IS NOT NULL AS known_area"))
            problems.append(
                (
                    SQL("(area_id = ANY(%s)) IS NOT TRUE", self.record._allowed_area_ids()),
                    self.env._("is outside the areas you work in"),
                )
            )
        return {"problems": problems}

    def _check_kind(self, column, cell):
        self.joins.append(SQL("LEFT JOIN g2p_group_kind kind ON lower(kind.name) = lower(%s)", cell))
        self.extra.append(SQL("kind.id AS kind_id"))
        unknown = self.env._("is no group type of the registry: %(value)s", value=rows.VALUE)
        return {
            "problems": [self._formula(cell), (SQL("%s IS NOT NULL AND kind_id IS NULL", cell), unknown)],
            "values": [SQL("'kind', kind_id")],
        }

    def _check_role(self, column, cell):
        self.joins.append(SQL("LEFT JOIN g2p_group_membership_kind role ON lower(role.name) = lower(%s)", cell))
        self.extra.append(SQL("role.id AS role_id"))
        unknown = self.env._("is no role of the registry: %(value)s", value=rows.VALUE)
        return {
            "problems": [self._formula(cell), (SQL("%s IS NOT NULL AND role_id IS NULL", cell), unknown)],
            "values": [SQL("'role', role_id")],
        }

    def _check_tags(self, column, cell):
        """Tags by name, with a semicolon between them."""
        self.joins.append(
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
        self.extra.append(SQL("tag_ids"))
        unknown = self.env._("holds a tag that the registry doesn't know: %(value)s", value=rows.VALUE)
        return {
            "problems": [self._formula(cell), (SQL("tag_ids @> 'null'"), unknown)],
            "values": [SQL("'tags', tag_ids")],
        }

    def _check_group_id(self, column, cell):
        """A group that is registered, by its ID: the second of two files."""
        limits = self.record._areas()
        self.joins.append(
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
                self.record.company_id.id,
                self.record.company_id.id,
                SQL("AND grp.area_id = ANY(%s)", self.record._allowed_area_ids()) if limits else SQL(),
            )
        )
        self.extra.append(SQL("group_id"))
        unknown = self.env._("is the ID of no group of the registry: %(value)s", value=rows.VALUE)
        return {
            "problems": [self._formula(cell), (SQL("%s IS NOT NULL AND group_id IS NULL", cell), unknown)],
            "values": [SQL("'group', group_id")],
        }
