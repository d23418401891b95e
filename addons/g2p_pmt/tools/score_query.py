"""The SQL of a model: everybody's score, and how it came about, in one query."""

from odoo.tools import SQL

from odoo.addons.g2p_programs.tools.money import decimal

# A score is kept with so many decimals. Logarithms and roots are cut off before they are weighted, so that whoever
# calculates with the figures shown comes to the same score.
SCORE_DECIMALS = 6
VALUE_DECIMALS = 10
# jsonb_build_array takes 100 arguments at most.
ARGUMENTS = 96
# What is kept of each term, in this order.
KEPT = ("value", "transformed", "weight", "points")


class ScoreQuery:
    """The scores by one model.

    :param model: a record of g2p.pmt.model
    :param means: {term: mean}, by default those of the last computation for everybody
    """

    def __init__(self, model, means=None):
        self.model = model
        self.means = (model.means or {}) if means is None else means
        self.terms = list(model.term_ids._with_variables())

    # One term

    def _answer(self, variable):
        """What is known, as it is kept with the score: a number, 1 or 0 for yes or no, the choice; NULL if it is not."""
        return SQL("%s::integer::numeric", variable.sql) if variable.kind == "boolean" else variable.sql

    def _number(self, term, variable, answer):
        """The number of an answer: of a choice or class its points. NULL where nobody has said what it is worth."""
        if term.transform == "classes":
            steps = [
                SQL(
                    "WHEN %s THEN %s::numeric",
                    SQL("%s IS NOT NULL", answer)
                    if line.is_rest
                    else SQL("%s <= %s::numeric", answer, decimal(line.bound)),
                    decimal(line.points),
                )
                for line in term.class_ids._lowest_first()
            ]
            return SQL("CASE %s END", SQL(" ").join(steps))
        if not term.category_ids:
            return answer
        values = {"true": SQL("1"), "false": SQL("0")} if variable.kind == "boolean" else {}
        points = [
            SQL("WHEN %s THEN %s::numeric", values.get(line.value, line.value), decimal(line.points))
            for line in term.category_ids
        ]
        return SQL("CASE %s %s END", answer, SQL(" ").join(points))

    def _only_where(self, term):
        """Whether the term counts for a registrant: true, false, or NULL where the answer is not known; None: always."""
        found = term._only_where_variable()
        if not found:
            return None
        variable, choice = found
        return SQL("(%s = %s)", variable.sql, choice == "true" if variable.kind == "boolean" else choice)

    def _transformed(self, term, value):
        """NULL where there is no such value: the logarithm of 0, the root of a negative number."""
        # ln and sqrt give as many decimals as their argument has.
        fine = SQL("ROUND(%s, 16)", value)
        if term.transform == "log":
            return SQL("CASE WHEN %s > 0 THEN ROUND(LN(%s), %s) END", fine, fine, VALUE_DECIMALS)
        if term.transform == "sqrt":
            return SQL("CASE WHEN %s >= 0 THEN ROUND(SQRT(%s), %s) END", value, fine, VALUE_DECIMALS)
        if term.transform == "square":
            return SQL("%s * %s", value, value)
        if term.transform == "capped":
            # GREATEST and LEAST pass over NULL, which must stay unknown.
            return SQL(
                "CASE WHEN %(value)s IS NOT NULL THEN LEAST(GREATEST(%(value)s, %(low)s::numeric), %(high)s::numeric) END",
                value=value,
                low=decimal(term.cap_min),
                high=decimal(term.cap_max),
            )
        return value

    def _fallback(self, term):
        """What counts, transformed, when the value is missing; NULL: there is no score."""
        if term.missing == "zero":
            return SQL("0::numeric")
        if term.missing == "value":
            given = decimal(term.missing_value)
        elif term.missing == "mean" and self.means.get(term._mean_key) is not None:
            given = decimal(self.means[term._mean_key])
        else:
            return SQL("NULL::numeric")
        return self._transformed(term, SQL("%s::numeric", given))

    def _by_area(self, lines, field, default):
        """The number of the first line that fits the registrant's area, otherwise `default`."""
        cases = []
        for line in lines._nearest_first():
            conditions = []
            if line.area_id:
                conditions.append(SQL("starts_with(area.parent_path, %s)", line.area_id.parent_path))
            if line.residence:
                conditions.append(SQL("area.effective_residence = %s", line.residence))
            cases.append(SQL("WHEN %s THEN %s::numeric", SQL(" AND ").join(conditions), decimal(line[field])))
        if not cases:
            return default
        return SQL("CASE %s ELSE %s END", SQL(" ").join(cases), default)

    # All of them

    def scores(self, low=None, high=None, ids=None, limit=None):
        """The scores of the registrants in `low < id <= high`, or of those given.

        :return SQL: columns `registrant_id`, `application_id`, `area_id`, `score` (NULL: can't be scored), `band` (position
            among the bands from the poorest on, 1 is the poorest), `cut_off`, `is_poor`, `missing` (positions of the terms
            that prevent a score, from 1 on), `terms` (for each term in order: value, transformed, weight, points; value is
            NULL when it is missing).
        """
        model, terms = self.model, self.terms
        columns = range(1, len(terms) + 1)

        def name(letter, number):
            return SQL.identifier(f"{letter}{number}")

        raw, values, weights = [], [], []
        for number, (term, variable) in zip(columns, terms, strict=True):
            answer = name("r", number)
            raw.append(SQL("%s AS %s", self._answer(variable), answer))
            transformed = self._transformed(term, self._number(term, variable, answer))
            fallback = self._fallback(term)
            value = SQL("COALESCE(%s, %s)", transformed, fallback)
            if condition := self._only_where(term):
                raw.append(SQL("%s AS %s", condition, name("c", number)))
                value = SQL(
                    "CASE WHEN %(holds)s THEN %(value)s WHEN NOT %(holds)s THEN 0 ELSE %(fallback)s END",
                    holds=name("c", number),
                    value=value,
                    fallback=fallback,
                )
            values.append(SQL("%s AS %s", value, name("x", number)))
            weight = self._by_area(term.weight_ids, "weight", SQL("%s::numeric", decimal(term.pmt_weightage)))
            weights.append(SQL("%s AS %s", weight, name("w", number)))
        cut_off = SQL("%s::numeric", decimal(model.cut_off) if model.has_cut_off else None)
        by_area = any(term.weight_ids for term, _variable in terms) or model.cut_off_ids
        household = any("household" in term._reads_from() for term, _variable in terms)

        # OFFSET 0 keeps PostgreSQL from working an expression out again wherever its name occurs above.
        return SQL(
            """
            SELECT registrant_id, application_id, area_id, score, %(band)s AS band, cut_off,
                   score %(poor)s cut_off AS is_poor, missing, terms
              FROM (
                    SELECT registrant_id, application_id, area_id, cut_off, %(missing)s AS missing, %(kept)s AS terms,
                           ROUND(%(constant)s::numeric %(sum)s, %(decimals)s) AS score
                      FROM (
                            SELECT valued.*, %(points)s
                              FROM (
                                    SELECT asked.*, %(values)s
                                      FROM (
                                            SELECT registrant.id AS registrant_id, application.application_id,
                                                   registrant.area_id, %(raw)s, %(weights)s, %(cut_off)s AS cut_off
                                              FROM (%(scored)s) AS application
                                              JOIN res_partner AS registrant ON registrant.id = application.registrant_id
                                              %(household)s
                                              %(area)s
                                            OFFSET 0
                                           ) AS asked
                                    OFFSET 0
                                   ) AS valued
                            OFFSET 0
                           ) AS weighted
                    OFFSET 0
                   ) AS summed
            """,
            band=self._band(),
            poor=SQL(">=") if model.direction == "high" else SQL("<="),
            missing=self._missing(),
            kept=self._kept(),
            constant=decimal(model.constant),
            sum=SQL(" ").join(SQL("+ %s", name("p", number)) for number in columns),
            decimals=SCORE_DECIMALS,
            points=SQL(", ").join(
                SQL("%s * %s AS %s", name("w", number), name("x", number), name("p", number)) for number in columns
            ),
            values=SQL(", ").join(values),
            raw=SQL(", ").join(raw),
            weights=SQL(", ").join(weights),
            cut_off=self._by_area(model.cut_off_ids, "cut_off", cut_off) if model.has_cut_off else cut_off,
            scored=model._scored_registrants(low, high, ids, limit),
            household=SQL("LEFT JOIN g2p_group_indicator AS household ON household.group_id = registrant.id")
            if household
            else SQL(),
            area=SQL("LEFT JOIN g2p_area AS area ON area.id = registrant.area_id") if by_area else SQL(),
        )

    def _band(self):
        """The position of the first band, from the poorest on, that reaches to the score."""
        reaches = SQL(">=") if self.model.direction == "high" else SQL("<=")
        cases = [
            SQL(
                "WHEN %s THEN %s",
                SQL("TRUE") if band.is_rest else SQL("score %s %s", reaches, decimal(band.bound)),
                position,
            )
            for position, band in enumerate(self.model.band_ids._poorest_first(), 1)
        ]
        if not cases:
            return SQL("NULL::integer")
        return SQL("CASE WHEN score IS NULL THEN NULL %s END", SQL(" ").join(cases))

    def _missing(self):
        """Positions of the terms without which there is no score; NULL when none is missing."""
        needed = [
            SQL("CASE WHEN %s IS NULL THEN %s END", SQL.identifier(f"x{number}"), number)
            for number, (term, _variable) in enumerate(self.terms, 1)
            if term.missing == "refuse" or (term.missing == "mean" and self.means.get(term._mean_key) is None)
        ]
        if not needed:
            return SQL("NULL::integer[]")
        return SQL("NULLIF(array_remove(ARRAY[%s]::integer[], NULL), '{}')", SQL(", ").join(needed))

    def _kept(self):
        """What is kept of each term, see KEPT. No weight: the term does not count here."""
        arguments = []
        for number, (term, _variable) in enumerate(self.terms, 1):
            answer, value, weight, points = (SQL.identifier(f"{letter}{number}") for letter in ("r", "x", "w", "p"))
            if term.only_where_key:
                weight = SQL("CASE WHEN %s IS NOT FALSE THEN %s END", SQL.identifier(f"c{number}"), weight)
            arguments += [answer, value, weight, points]
        return SQL(" || ").join(
            SQL("jsonb_build_array(%s)", SQL(", ").join(arguments[start : start + ARGUMENTS]))
            for start in range(0, len(arguments), ARGUMENTS)
        )

    def computed_means(self, limit=None):
        """{term: mean of the known values where it counts, as text; None if nobody's is known}: one query."""
        asked = [(term, variable) for term, variable in self.terms if term.missing == "mean"]
        if not asked:
            return {}
        [row] = self.model.env.execute_query(
            SQL(
                """
                SELECT %(means)s
                  FROM (%(scored)s) AS application
                  JOIN res_partner AS registrant ON registrant.id = application.registrant_id
                  LEFT JOIN g2p_group_indicator AS household ON household.group_id = registrant.id
                """,
                means=SQL(", ").join(
                    SQL(
                        "ROUND(AVG(%s) FILTER (WHERE %s), %s)::text",
                        self._number(term, variable, self._answer(variable)),
                        self._only_where(term) or SQL("TRUE"),
                        VALUE_DECIMALS,
                    )
                    for term, variable in asked
                ),
                scored=self.model._scored_registrants(limit=limit),
            )
        )
        return {term._mean_key: mean for (term, _variable), mean in zip(asked, row, strict=True)}
