"""Matching by name, date of birth and area: blocks, candidates, scores, each one statement over everybody."""

from odoo import fields, models
from odoo.tools import SQL

# Of a similarity of names and a closeness of birth dates, how much the name counts.
NAME_WEIGHT = 0.6
# A date of birth that is given as approximate may be off by so many days; it counts like an unknown one then.
APPROXIMATE_DAYS = 366
# What an unknown date of birth counts, between different (0) and the same (1).
UNKNOWN_DATE = 0.4
# How alike names are that sound the same, at least.
SAME_SOUND = 0.75


class FuzzySettings(models.AbstractModel):
    """The thresholds, and the statements that find the pairs. Used by the manager of a program and by the registry."""

    _name = "g2p.deduplication.fuzzy.mixin"
    _description = "Matching by similar names"

    _name_similarity_range = models.Constraint(
        "CHECK (name_similarity BETWEEN 30 AND 100)", "The similarity of names is a percentage from 30 to 100."
    )
    _minimum_score_range = models.Constraint(
        "CHECK (minimum_score BETWEEN 30 AND 100)", "The score is a percentage from 30 to 100."
    )
    _birthdate_days_range = models.Constraint(
        "CHECK (birthdate_days BETWEEN 0 AND 1830)", "Dates of birth may differ by 0 to 1,830 days (five years)."
    )
    _largest_block_range = models.Constraint(
        "CHECK (largest_block BETWEEN 10 AND 1000)", "From 10 to 1,000 people are compared each with each."
    )

    name_similarity = fields.Integer(
        "Names alike by (%)",
        default=60,
        required=True,
        help="Of family name and given name the less similar one, by groups of three letters and by sound; which of the two "
        "was typed first does not matter.",
    )
    birthdate_days = fields.Integer(
        "Dates of birth differ by at most (days)",
        default=3,
        required=True,
        help="A missing date counts 40 %, and so does one that is given as approximate and differs by up to a year: with the "
        "same name that makes a score of 76 %.",
    )
    area_rule = fields.Selection(
        [("any", "Anywhere"), ("within", "The same area, or one within the other"), ("same", "The same area")],
        "Where they live",
        default="any",
        required=True,
        help="A missing area stands in nobody's way.",
    )
    minimum_score = fields.Integer(
        "Score from (%)",
        default=80,
        required=True,
        help="60 % of the score is the similarity of the names, 40 % the closeness of the dates of birth.",
    )
    largest_block = fields.Integer(
        "Compare at most (people)",
        default=100,
        required=True,
        help="People are compared with those of a similar name and date of birth only. Where more than this are alike, they "
        "are parted further, so that the work grows with their number and not with its square.",
    )
    parted_count = fields.Integer(
        "People parted for their number",
        readonly=True,
        copy=False,
        help="In the last run so many people were among too many alike; they were compared with their nearest neighbours "
        "in order of birth date and name only.",
    )

    def _fuzzy_pairs(self, people):
        """Pairs of registrants with people of similar names, see `_collision_pairs` of a manager.

        fuzzy_person has the names in comparable form; fuzzy_block says with whom each is compared; fuzzy_candidate are the
        pairs of one block whose dates of birth and genders allow it; only of those the names are compared.
        """
        self._prepare_names(people)
        self._prepare_blocks()
        self._prepare_candidates()
        return self._scored_pairs()

    def _prepare_names(self, people):
        execute = self.env.cr.execute
        execute("DROP TABLE IF EXISTS fuzzy_person, fuzzy_key, fuzzy_block, fuzzy_candidate, fuzzy_scored")
        execute(
            SQL(
                """
                CREATE TEMPORARY TABLE fuzzy_person ON COMMIT DROP AS
                SELECT registrant_id, partner_id, birthdate, birthdate_not_exact, gender, area_id, parent_path,
                       family, given, additional, given || ' ' || family AS name,
                       -- By sound where the letters are Latin; a key that is empty tells nothing.
                       octet_length(family || given) = char_length(family || given) AS latin,
                       COALESCE(NULLIF(CASE WHEN octet_length(family) = char_length(family)
                                            THEN dmetaphone(family) END, ''), left(family, 3)) AS family_sound,
                       COALESCE(NULLIF(CASE WHEN octet_length(given) = char_length(given)
                                            THEN dmetaphone(given) END, ''), left(given, 3)) AS given_sound
                  FROM (
                        SELECT people.registrant_id, people.partner_id, partner.birthdate, partner.birthdate_not_exact,
                               partner.gender, partner.area_id, area.parent_path,
                               COALESCE(g2p_plain_name(NULLIF(partner.family_name, '')),
                                        split_part(g2p_plain_name(partner.name), ' ', 1), '') AS family,
                               COALESCE(g2p_plain_name(NULLIF(partner.given_name, '')),
                                        CASE WHEN COALESCE(partner.family_name, '') = ''
                                             THEN regexp_replace(g2p_plain_name(partner.name), '^\\S+ ?', '') END, '')
                                   AS given,
                               COALESCE(g2p_plain_name(partner.addl_name), '') AS additional
                          FROM (%s) AS people
                          JOIN res_partner AS partner ON partner.id = people.partner_id
                          LEFT JOIN g2p_area AS area ON area.id = partner.area_id
                         -- The name of a household tells nothing about who lives there.
                         WHERE partner.is_group IS NOT TRUE
                         -- A fence: each name is made comparable once, not wherever it is used above.
                        OFFSET 0
                       ) AS named
                 WHERE given || family <> ''
                """,
                people,
            )
        )
        execute("CREATE INDEX ON fuzzy_person (partner_id)")
        execute("ANALYZE fuzzy_person")

    def _prepare_blocks(self):
        """Three ways of being alike, each from coarse to fine; a block that is too large is parted by the next finer key,
        and one that is too large at its finest is cut in the order of birth dates and names."""
        ways = SQL(" UNION ALL ").join(
            SQL(
                """
                SELECT registrant_id, partner_id, birthdate, name, birthdate_not_exact, gender,
                       hashtextextended(%(first)s, %(seed)s) AS first,
                       hashtextextended(concat_ws('|', %(first)s, %(second)s), %(seed)s) AS second,
                       hashtextextended(concat_ws('|', %(first)s, %(second)s, %(third)s), %(seed)s) AS third
                  FROM fuzzy_person
                 WHERE %(first)s IS NOT NULL
                """,
                seed=seed,
                first=SQL(first),
                second=SQL(second),
                third=SQL(third),
            )
            for seed, (first, second, third) in enumerate(
                (
                    # the same sound of the family name, born in the same year
                    ("family_sound || extract(year FROM birthdate)", "given_sound", "birthdate"),
                    # the same date of birth, and names of which the first in the alphabet begins alike, in either order
                    (
                        "birthdate || ':' || LEAST(left(family_sound, 1), left(given_sound, 1))",
                        "GREATEST(left(family_sound, 1), left(given_sound, 1))",
                        "LEAST(family_sound, given_sound)",
                    ),
                    # both names sound the same, in either order, in the same area
                    (
                        "area_id || ':' || LEAST(family_sound, given_sound) || '|' || GREATEST(family_sound, given_sound)",
                        "gender",
                        "extract(decade FROM birthdate)",
                    ),
                )
            )
        )
        execute = self.env.cr.execute
        execute(
            SQL(
                """
                CREATE TEMPORARY TABLE fuzzy_key ON COMMIT DROP AS
                SELECT registrant_id, partner_id, birthdate, name, birthdate_not_exact, gender,
                       CASE WHEN first_count <= %(most)s THEN first WHEN second_count <= %(most)s THEN second
                            ELSE third END AS key,
                       first_count > %(most)s AND second_count > %(most)s AND third_count > %(most)s AS parted
                  FROM (
                        SELECT keyed.*,
                               COUNT(*) OVER (PARTITION BY first) AS first_count,
                               COUNT(*) OVER (PARTITION BY first, second) AS second_count,
                               COUNT(*) OVER (PARTITION BY first, second, third) AS third_count
                          FROM (%(ways)s) AS keyed
                       ) AS counted
                 WHERE first_count > 1
                """,
                ways=ways,
                most=self.largest_block,
            )
        )
        execute(
            SQL(
                """
                CREATE TEMPORARY TABLE fuzzy_block ON COMMIT DROP AS
                SELECT key, 0 AS part, registrant_id, partner_id, birthdate, birthdate_not_exact, gender
                  FROM fuzzy_key WHERE NOT parted
                 UNION ALL
                SELECT key, 1 + (ROW_NUMBER() OVER (PARTITION BY key ORDER BY birthdate, name, partner_id) / %s)::integer,
                       registrant_id, partner_id, birthdate, birthdate_not_exact, gender
                  FROM fuzzy_key WHERE parted
                """,
                self.largest_block,
            )
        )
        execute("ANALYZE fuzzy_block")
        execute("SELECT COUNT(DISTINCT partner_id) FROM fuzzy_key WHERE parted")
        [parted] = self.env.cr.fetchone()
        self._note_parted(parted)

    def _note_parted(self, count):
        """Tell whoever reads the settings."""
        # sudo: a figure of the run whose start was checked
        self.sudo().parted_count = count

    def _vague_dates_reach_the_score(self):
        """Whether two of the same name can reach the score when a date of birth is missing, or approximate."""
        return 100 * (NAME_WEIGHT + (1 - NAME_WEIGHT) * UNKNOWN_DATE) >= self.minimum_score

    def _prepare_candidates(self):
        near = SQL("abs(one.birthdate - other.birthdate) <= %s", self.birthdate_days)
        if self._vague_dates_reach_the_score():
            near = SQL(
                """
                (one.birthdate IS NULL OR other.birthdate IS NULL OR %s
                 OR (one.birthdate_not_exact OR other.birthdate_not_exact)
                    AND abs(one.birthdate - other.birthdate) <= %s)
                """,
                near,
                APPROXIMATE_DAYS,
            )
        execute = self.env.cr.execute
        execute(
            SQL(
                """
                CREATE TEMPORARY TABLE fuzzy_candidate ON COMMIT DROP AS
                SELECT DISTINCT one.registrant_id AS registrant_a, one.partner_id AS person_a,
                       other.registrant_id AS registrant_b, other.partner_id AS person_b
                  FROM fuzzy_block AS one
                  JOIN fuzzy_block AS other ON other.key = one.key AND other.part = one.part
                   AND other.registrant_id > one.registrant_id AND other.partner_id <> one.partner_id
                 WHERE (one.gender IS NULL OR other.gender IS NULL OR one.gender = other.gender)
                   AND %s
                """,
                near,
            )
        )
        execute("ANALYZE fuzzy_candidate")

    def _alike(self, one, other):
        """0 … 1: how alike two names are, as SQL over `one` and `other`. Shared trigrams; in Latin letters, names of the
        same sound are alike whatever their spelling; in scripts whose letters are syllables one letter more counts, so
        those count letters."""
        terms = {
            "one": SQL.identifier("one", one),
            "other": SQL.identifier("other", other),
            "one_sound": SQL.identifier("one", f"{one}_sound"),
            "other_sound": SQL.identifier("other", f"{other}_sound"),
            "same_sound": SAME_SOUND,
        }
        return SQL(
            """
            CASE WHEN %(one)s = %(other)s THEN 1
                 WHEN one.latin AND other.latin
                 THEN GREATEST(similarity(%(one)s, %(other)s),
                               CASE WHEN length(%(one_sound)s) > 1 AND %(one_sound)s = %(other_sound)s
                                    THEN %(same_sound)s END)::numeric
                 ELSE GREATEST(similarity(%(one)s, %(other)s),
                               1 - levenshtein(left(%(one)s, 60), left(%(other)s, 60))::real
                                   / GREATEST(char_length(left(%(one)s, 60)), char_length(left(%(other)s, 60)), 1))::numeric
            END
            """,
            **terms,
        )

    def _scored_pairs(self):
        straight = SQL("LEAST(%s, %s)", self._alike("family", "family"), self._alike("given", "given"))
        crossed = SQL("LEAST(%s, %s)", self._alike("family", "given"), self._alike("given", "family"))
        area = {
            "any": SQL("TRUE"),
            "same": SQL("(one.area_id IS NULL OR other.area_id IS NULL OR one.area_id = other.area_id)"),
            "within": SQL(
                """(one.area_id IS NULL OR other.area_id IS NULL
                    OR starts_with(one.parent_path, other.parent_path) OR starts_with(other.parent_path, one.parent_path))"""
            ),
        }[self.area_rule]
        _ = self.env._
        self.env.cr.execute(
            SQL(
                """
                CREATE TEMPORARY TABLE fuzzy_scored ON COMMIT DROP AS
                SELECT DISTINCT ON (registrant_a, registrant_b) registrant_a, registrant_b, alike, days, same_area,
                       100 * (%(weight)s * alike + (1 - %(weight)s) * CASE
                            WHEN days IS NULL OR days > %(days)s THEN %(unknown)s
                            ELSE 1 - days::numeric / (%(days)s + 1) END) AS score
                  FROM (
                        SELECT candidate.registrant_a, candidate.registrant_b,
                               abs(one.birthdate - other.birthdate) AS days,
                               one.area_id = other.area_id AS same_area,
                               -- Both names must be alike, in the better of the two orders. A second given name that only
                               -- one of them has says nothing; two that differ do.
                               CASE WHEN '' IN (one.family, one.given, other.family, other.given)
                                    THEN similarity(one.name, other.name)::numeric
                                    WHEN one.family_sound = other.given_sound OR one.given_sound = other.family_sound
                                    THEN GREATEST(%(straight)s, %(crossed)s)
                                    ELSE %(straight)s END
                               * CASE WHEN one.additional <> '' AND other.additional <> ''
                                           AND similarity(one.additional, other.additional) < 0.3 THEN 0.8 ELSE 1 END
                               AS alike
                          FROM fuzzy_candidate AS candidate
                          JOIN fuzzy_person AS one ON one.partner_id = candidate.person_a
                           AND one.registrant_id = candidate.registrant_a
                          JOIN fuzzy_person AS other ON other.partner_id = candidate.person_b
                           AND other.registrant_id = candidate.registrant_b
                         WHERE %(area)s
                       ) AS compared
                 WHERE alike >= %(name_similarity)s
                 ORDER BY registrant_a, registrant_b, alike DESC, days NULLS LAST
                """,
                weight=NAME_WEIGHT,
                unknown=UNKNOWN_DATE,
                days=self.birthdate_days,
                straight=straight,
                crossed=crossed,
                area=area,
                name_similarity=self.name_similarity / 100,
            )
        )
        return SQL(
            """
            SELECT registrant_a, registrant_b, score,
                   concat_ws(', ',
                        CASE WHEN alike >= 0.995 THEN %(same_name)s
                             ELSE replace(%(similar_name)s, '#', round(100 * alike)::text) END,
                        CASE WHEN days IS NULL THEN %(no_date)s WHEN days = 0 THEN %(same_date)s
                             ELSE replace(%(near_date)s, '#', days::text) END,
                        CASE WHEN same_area THEN %(same_area)s END) AS evidence
              FROM fuzzy_scored
             WHERE score >= %(minimum)s
            """,
            same_name=_("same name"),
            similar_name=_("names alike by # %"),
            no_date=_("a date of birth is missing"),
            same_date=_("same date of birth"),
            near_date=_("born # days apart"),
            same_area=_("same area"),
            minimum=self.minimum_score,
        )


class FuzzyDeduplicationManager(models.Model):
    """Similar name, close date of birth and, if wanted, the same area. In group programs: of people of different groups."""

    _name = "g2p.deduplication.manager.fuzzy"
    _description = "Deduplication by similar name and date of birth"
    _inherit = ["g2p.base.deduplication.manager", "g2p.deduplication.fuzzy.mixin"]
    _only_a_sign = True

    def _looks_at(self):
        return self.env._("similar name")

    def _collision_pairs(self, people):
        return self._fuzzy_pairs(people)

    def _reason(self):
        return self.env._("Similar name and date of birth")
