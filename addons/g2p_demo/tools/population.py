"""The people of the demo country before they are registrants: temporary tables, drawn row by row from a seed."""

from odoo.tools import SQL

from . import questions
from .draws import below, chance, draw
from .names import FAMILY, GIVEN_FEMALE, GIVEN_MALE, OCCUPATIONS, REGIONS

# Ages are counted to this day: a demo registry does not change with the calendar.
REFERENCE_DATE = "2026-01-01"
# Sizes of eight households in a row, turned by a draw for each eight: 33 members in all.
HOUSEHOLD_SIZES = [1, 2, 3, 4, 4, 5, 6, 8]
# One person in so many is a planted duplicate, of four kinds in turn.
DUPLICATE_EVERY = 50


def flat(lists):
    """
    >>> flat([("Abeba", "Almaz"), ("Achieng",)])
    ['Abeba', 'Almaz', 'Achieng']
    """
    return [name for names in lists for name in names]


class Population:
    """demo_household and demo_person, which go with the transaction.

    :param wards: ids of the wards, in the order of their codes
    :param bool asked: whether households have answers to the demo's questions
    """

    def __init__(self, cr, seed, wards, asked):
        self.cr, self.seed, self.wards, self.asked = cr, seed, wards, asked

    def draw(self, households):
        self.cr.execute("DROP TABLE IF EXISTS demo_household, demo_person")
        self._draw_households(households)
        self._draw_people()
        self._plant_duplicates()

    def _draw_households(self, households):
        """demo_household(number, size, ward, region, head_female, attributes): one row a household."""
        seed, wards = self.seed, self.wards
        size = SQL(
            "(%s::int[])[1 + (number - 1 + get_byte(sha256(convert_to(%s || (number - 1) / 8, 'UTF8')), 0)) %% 8]",
            HOUSEHOLD_SIZES,
            f"{seed}:eight:",
        )
        # The larger of two draws: some wards are towns.
        ward = SQL("((greatest(%s, %s) * %s) >> 16)", draw(0), draw(1), len(wards))
        self.cr.execute(
            SQL(
                """
                CREATE TEMPORARY TABLE demo_household ON COMMIT DROP AS
                SELECT number, size, (%(wards)s::int[])[1 + ward] AS area_id, ward / %(wards_a_region)s AS region,
                       head_female, bytes, %(attributes)s AS attributes
                  FROM (SELECT number, bytes, %(size)s AS size, %(ward)s AS ward, %(head_female)s AS head_female
                          FROM (SELECT number, sha256(convert_to(%(salt)s || number, 'UTF8')) AS bytes
                                  FROM generate_series(1, %(households)s) AS number) AS drawn) AS sized
                """,
                wards=wards,
                wards_a_region=len(wards) // len(REGIONS),
                size=size,
                ward=ward,
                head_female=chance(2, 32),
                attributes=questions.answers() if self.asked else SQL("NULL::jsonb"),
                salt=f"{seed}:household:",
                households=households,
            )
        )

    def _draw_people(self):
        """demo_person: one row a member, numbered household by household; member 1 is the head."""
        columns = SQL(
            """
            number, household, member, role, region, bytes,
            CASE role
                WHEN 'head' THEN head_age_days
                WHEN 'spouse' THEN greatest(18 * 365, head_age_days - 3650 + %(spouse_days)s)
                WHEN 'elder' THEN least(95 * 365, head_age_days + 20 * 365 + %(elder_days)s)
                ELSE %(child_days)s
            END AS age_days,
            CASE WHEN role = 'head' THEN head_female WHEN role = 'spouse' THEN NOT head_female ELSE %(female)s
            END AS female
            """,
            spouse_days=below(2, 14 * 365),
            elder_days=below(2, 12 * 365),
            child_days=below(2, SQL("least(greatest(head_age_days - 18 * 365, 365), 23 * 365)")),
            female=chance(3, 51),
        )
        self.cr.execute(
            SQL(
                """
                CREATE TEMPORARY TABLE demo_person ON COMMIT DROP AS
                WITH member AS (
                    SELECT row_number() OVER (ORDER BY household.number, member)::int AS number,
                           household.number AS household, member, household.region, household.head_female,
                           20 * 365 + %(head_days)s AS head_age_days, household.bytes AS family_bytes
                      FROM demo_household AS household
                     CROSS JOIN LATERAL generate_series(1, household.size) AS member
                ),
                drawn AS MATERIALIZED (
                    SELECT *, sha256(convert_to(%(salt)s || number, 'UTF8')) AS bytes FROM member
                ),
                cast_in_roles AS (
                    SELECT *, CASE WHEN member = 1 THEN 'head'
                                   WHEN member = 2 AND %(spouse)s THEN 'spouse'
                                   WHEN member <= 3 AND head_age_days < 60 * 365 AND %(elder)s THEN 'elder'
                                   ELSE 'child' END AS role
                      FROM drawn
                ),
                aged AS (SELECT %(columns)s, family_bytes FROM cast_in_roles),
                named AS (
                    SELECT *,
                           CASE WHEN female THEN (%(given_female)s::text[])[1 + region * 24 + %(given)s]
                                ELSE (%(given_male)s::text[])[1 + region * 24 + %(given)s] END AS given_name,
                           CASE WHEN %(second)s THEN NULL
                                WHEN female THEN (%(given_female)s::text[])[1 + region * 24 + %(additional)s]
                                ELSE (%(given_male)s::text[])[1 + region * 24 + %(additional)s] END AS addl_name,
                           CASE WHEN role = 'spouse' AND %(own_family)s
                                THEN (%(family)s::text[])[1 + region * 24 + %(family_draw)s]
                                ELSE (%(family)s::text[])[1 + region * 24 + get_byte(family_bytes, 30) %% 24]
                           END AS family_name
                      FROM aged
                )
                SELECT number, household, member, role, region, age_days, female, given_name,
                       NULLIF(addl_name, given_name) AS addl_name, family_name,
                       %(reference)s::date - age_days AS birthdate,
                       %(no_birthdate)s AS no_birthdate, %(approximate)s AS approximate_birthdate,
                       %(no_gender)s AS no_gender, %(no_income)s AS no_income,
                       CASE WHEN age_days < 15 * 365 THEN NULL
                            ELSE round(20 + 780.0 * %(income_a)s / 65536 * %(income_b)s / 65536, 2) END AS income,
                       CASE WHEN age_days < 15 * 365 THEN NULL
                            ELSE (%(occupations)s::text[])[1 + get_byte(bytes, 21) %% 16] END AS occupation,
                       CASE WHEN age_days >= 16 * 365 AND %(has_national_id)s
                            THEN 'DM' || (100000000 + number::bigint * 387420489 %% 899999963) END AS national_id,
                       CASE WHEN age_days < 16 * 365 AND %(has_birth_certificate)s
                            THEN 'BC-' || extract(year FROM %(reference)s::date - age_days) || '-' || lpad(number::text, 7, '0')
                       END AS birth_certificate,
                       CASE WHEN age_days >= 15 * 365 AND %(has_phone)s
                            THEN '+2547' || lpad((number::bigint * 32452843 %% 99999989)::text, 8, '0') END AS phone,
                       CASE WHEN get_byte(bytes, 27) < 90 THEN NULL
                            WHEN get_byte(bytes, 28) < CASE WHEN age_days >= 60 * 365 THEN 50 ELSE 8 END THEN 'yes'
                            ELSE 'no' END AS disability,
                       %(badly_typed)s AS phone_badly_typed, %(account_draw)s AS account_draw,
                       %(registered)s AS registered_days, number %% %(duplicate_every)s = 17 AS duplicate,
                       number / %(duplicate_every)s %% 4 AS duplicate_kind, NULL::int AS original
                  FROM named
                """,
                # Young heads are more frequent than old ones.
                head_days=SQL("((%s * (32768 + %s / 2)) >> 16)", below(3, 58 * 365), draw(4)),
                salt=f"{self.seed}:person:",
                spouse=chance(0, 76),
                elder=chance(1, 14),
                columns=columns,
                given_female=flat(GIVEN_FEMALE),
                given_male=flat(GIVEN_MALE),
                family=flat(FAMILY),
                given=SQL("get_byte(bytes, 24) %% 24"),
                additional=SQL("get_byte(bytes, 25) %% 24"),
                family_draw=SQL("get_byte(bytes, 26) %% 24"),
                second=chance(4, 45),
                own_family=chance(5, 60),
                reference=REFERENCE_DATE,
                no_birthdate=chance(6, 3),
                approximate=chance(6, 12),
                no_gender=chance(7, 1),
                no_income=chance(7, 9),
                income_a=draw(8),
                income_b=draw(9),
                occupations=list(OCCUPATIONS),
                has_national_id=chance(10, 91),
                has_birth_certificate=chance(10, 55),
                has_phone=chance(11, 72),
                badly_typed=chance(14, 2),
                account_draw=draw(14),
                registered=below(15, 700),
                duplicate_every=DUPLICATE_EVERY,
            )
        )

    def _plant_duplicates(self):
        """Two in a hundred are somebody who is in the registry already, two to eight households before.

        0: the same national ID typed in another way · 1: the same phone number · 2: one person in two households (the
        duplicate's place is taken by the other person) · 3: nearly the same name, the same date of birth
        """
        cr = self.cr
        cr.execute("CREATE UNIQUE INDEX ON demo_person (number)")
        cr.execute("ANALYZE demo_household, demo_person")
        # The original: an adult with an ID and a phone who is no duplicate, the nearest of a household before.
        cr.execute(
            SQL(
                """
                UPDATE demo_person AS copy
                   SET original = candidate.original
                  FROM (SELECT place.number,
                               (SELECT before.number
                                  FROM demo_person AS before
                                 WHERE before.number < place.number AND before.number >= place.number - 40
                                   AND before.household < place.household - 1 AND NOT before.duplicate
                                   AND before.role IN ('head', 'spouse')
                                   AND before.national_id IS NOT NULL AND before.phone IS NOT NULL
                                 ORDER BY before.number DESC
                                 LIMIT 1) AS original
                          FROM demo_person AS place
                         WHERE place.duplicate) AS candidate
                 WHERE candidate.number = copy.number AND candidate.original IS NOT NULL
                """
            )
        )
        cr.execute(
            SQL(
                """
                UPDATE demo_person AS copy
                   SET family_name = original.family_name,
                       given_name = CASE copy.duplicate_kind
                           WHEN 3 THEN regexp_replace(original.given_name, '([aeiou])([^aeiou]*)$', '\\1\\1\\2')
                           ELSE original.given_name END,
                       addl_name = CASE WHEN copy.duplicate_kind = 3 THEN NULL ELSE original.addl_name END,
                       female = original.female, age_days = original.age_days, birthdate = original.birthdate,
                       no_birthdate = false, occupation = original.occupation, income = original.income,
                       role = CASE WHEN copy.role = 'head' THEN 'head' ELSE 'other' END,
                       birth_certificate = NULL,
                       national_id = CASE copy.duplicate_kind
                           WHEN 0 THEN lower(regexp_replace(original.national_id, '(..)(...)(...)(...)', '\\1-\\2-\\3-\\4'))
                           END,
                       phone = CASE copy.duplicate_kind WHEN 1 THEN original.phone END,
                       phone_badly_typed = false
                  FROM demo_person AS original
                 WHERE original.number = copy.original AND copy.duplicate_kind IN (0, 1, 3)
                """
            )
        )
