"""A registry of any size, made by a fixed number of statements.

Nothing here is random: each person is a function of (seed, number), drawn from the bytes of a SHA-256. The same call
gives the same people on every machine, and the first thousand people of a large registry are those of a small one.
"""

import logging
import time

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .demo_names import COUNTRY, DISTRICTS, FAMILY, GIVEN_FEMALE, GIVEN_MALE, OCCUPATIONS, REGIONS, WARDS

_logger = logging.getLogger(__name__)

# Ages are counted to this day: a demo registry does not change with the calendar.
REFERENCE_DATE = "2026-01-01"
# Sizes of eight households in a row, turned by a draw for each eight: 33 members in all.
HOUSEHOLD_SIZES = [1, 2, 3, 4, 4, 5, 6, 8]
# One person in so many is a planted duplicate, of four kinds in turn.
DUPLICATE_EVERY = 50
BANKS = ("National Savings Bank of the Demo Republic", "Rural Credit Union of the Demo Republic")
WALLET_PROVIDERS = ("DemoPay", "SafiCash")
NATIONAL_ID_PATTERN = r"[A-Za-z]{2}-?[0-9]{3}-?[0-9]{3}-?[0-9]{3}"
BIRTH_CERTIFICATE_PATTERN = r"BC-[0-9]{4}-[0-9]{7}"
# Some phone numbers lack digits, as typed by someone in a hurry.
TYPED_PHONE = SQL("CASE WHEN person.phone_badly_typed THEN '0' || substr(person.phone, 5, 6) ELSE person.phone END")
TAGS = ("Displaced", "Returnee")
DUPLICATE_KINDS = ("id_typed_differently", "same_phone", "two_households", "similar_name")


def draw(position):
    """The ``position``-th of the sixteen draws of a row, 0 … 65535; the row's bytes are its column ``bytes``."""
    return SQL("(get_byte(bytes, %s) * 256 + get_byte(bytes, %s))", 2 * position, 2 * position + 1)


def below(position, limit):
    """A whole number from 0 to ``limit`` - 1."""
    return SQL("((%s * (%s)) >> 16)", draw(position), limit)


def chance(position, percent):
    """True for ``percent`` of the rows."""
    return SQL("(%s < %s)", draw(position), round(percent * 655.36))


def flat(lists):
    return [name for names in lists for name in names]


class DemoGenerator(models.AbstractModel):
    _name = "g2p.demo.generator"
    _description = "Generator of the demo country's registry"

    @api.model
    def _generate(self, households=2500, seed=2026):
        """Fill an empty registry with ``households`` households of 33 members in eight of them.

        :return: counts: households, individuals, and the planted duplicates of each kind
        """
        if (
            self.env["res.partner"]
            .with_context(active_test=False)
            .search_count([("is_registrant", "=", True)], limit=1)
        ):
            raise UserError(self.env._("The demo country needs an empty registry: there are registrants already."))
        started = time.monotonic()
        self.env.cr.execute("DROP TABLE IF EXISTS demo_household, demo_person")
        self._set_date_format()
        wards = self._create_areas()
        self.env.flush_all()
        self._draw_households(households, seed, wards)
        self._draw_people(seed)
        self._plant_duplicates()
        household, person = self._reserve_partner_ids()
        self._insert_partners(household, person)
        self._insert_documents(person)
        self._insert_phones(person)
        self._insert_accounts(person)
        self._insert_memberships(household, person)
        counts = self._count_and_analyze()
        counts["seconds"] = round(time.monotonic() - started, 1)
        _logger.info("demo country: %s", counts)
        return counts

    def _set_date_format(self):
        """The Demo Republic writes the day first: American English reads 3/4 as the 4th of March."""
        american = self.env["res.lang"].search([("date_format", "=", "%m/%d/%Y")])
        american.date_format = "%d/%m/%Y"

    # Places and types: few, through the ORM ---------------------------------------------------------------------------

    def _create_areas(self):
        """Tags; country, regions, districts and wards, with codes that nest; return the wards' ids in order of their codes."""
        kinds = {}
        for name in ("Country", "Region", "District", "Ward"):
            kinds[name] = self._find_or_create("g2p.area.kind", {"name": name})
        code, name = COUNTRY
        for tag in TAGS:
            self._find_or_create("g2p.registrant.tags", {"name": tag})
        country = self._create_level([{"code": code, "name": name, "kind_id": kinds["Country"].id}])
        regions = self._create_level(
            {"code": f"{code}-{r}", "name": region, "kind_id": kinds["Region"].id, "parent_id": country.id}
            for r, region in enumerate(REGIONS, 1)
        )
        districts = self._create_level(
            {"code": f"{parent.code}{d:02}", "name": district, "kind_id": kinds["District"].id, "parent_id": parent.id}
            for parent, names in zip(regions, DISTRICTS, strict=True)
            for d, district in enumerate(names, 1)
        )
        wards = self._create_level(
            {
                "code": f"{parent.code}{w:02}",
                "name": f"{parent.name} {ward}",
                "kind_id": kinds["Ward"].id,
                "parent_id": parent.id,
            }
            for parent in districts
            for w, ward in enumerate(WARDS, 1)
        )
        return wards.ids

    def _create_level(self, rows):
        areas = self.env["g2p.area"].browse()
        for row in rows:
            areas += self.env["g2p.area"].search([("code", "=", row["code"])]) or areas.create(row)
        return areas

    def _find_or_create(self, model, values):
        domain = [(field, "=", value) for field, value in values.items()]
        return self.env[model].search(domain, limit=1) or self.env[model].create(values)

    # Draws: temporary tables of what will be ---------------------------------------------------------------------------

    def _draw_households(self, households, seed, wards):
        """demo_household(number, size, ward, region, head_female, attributes): one row a household."""
        attributes = self._household_attributes(draw, chance) if self._define_attributes() else SQL("NULL::jsonb")
        self.env.flush_all()
        size = SQL(
            "(%s::int[])[1 + (number - 1 + get_byte(sha256(convert_to(%s || (number - 1) / 8, 'UTF8')), 0)) %% 8]",
            HOUSEHOLD_SIZES,
            f"{seed}:eight:",
        )
        # The larger of two draws: some wards are towns.
        ward = SQL("((greatest(%s, %s) * %s) >> 16)", draw(0), draw(1), len(wards))
        self.env.cr.execute(
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
                attributes=attributes,
                salt=f"{seed}:household:",
                households=households,
            )
        )

    def _draw_people(self, seed):
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
        self.env.cr.execute(
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
                salt=f"{seed}:person:",
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
        cr = self.env.cr
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

    # The registry's tables ------------------------------------------------------------------------------------------------

    def _reserve_partner_ids(self):
        """Reserve consecutive partner ids; from here on a demo row's partner is its number and an offset."""
        cr = self.env.cr
        cr.execute("LOCK TABLE res_partner IN SHARE ROW EXCLUSIVE MODE")
        cr.execute(
            """
            SELECT nextval('res_partner_id_seq'),
                   (SELECT count(*) FROM demo_household),
                   (SELECT count(*) FROM demo_person)
            """
        )
        first, households, people = cr.fetchone()
        cr.execute("SELECT setval('res_partner_id_seq', %s)", [first + households + people])
        household = SQL("%s + household.number", first)
        # One person in two households is one partner: the original's.
        person = SQL(
            "%s + CASE WHEN person.duplicate_kind = 2 AND person.original IS NOT NULL THEN person.original ELSE person.number END",
            first + households,
        )
        return household, person

    def _insert_partners(self, household, person):
        common = SQL(
            """
            active, type, lang, color, message_bounce, is_company, partner_share, is_registrant, company_id,
            create_uid, write_uid, create_date, write_date
            """
        )
        common_values = SQL(
            "true, 'contact', %s, 0, 0, false, true, true, %s, %s, %s, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'",
            self.env.lang or "en_US",
            self.env.company.id,
            self.env.uid,
            self.env.uid,
        )
        kind = self.env.ref("g2p_registry_base.group_kind_household", raise_if_not_found=False)
        kind = kind or self._find_or_create("g2p.group.kind", {"name": "Household"})
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO res_partner (
                    id, commercial_partner_id, ref, name, complete_name, is_group, kind, area_id, registration_date,
                    z_ind_grp_num_individuals, registrant_attributes, %(common)s)
                SELECT %(id)s, %(id)s, 'HH-' || lpad(household.number::text, 7, '0'), named.name, named.name,
                       true, %(kind)s, CASE WHEN %(no_area)s THEN NULL ELSE household.area_id END,
                       %(reference)s::date - head.registered_days, 0, household.attributes, %(common_values)s
                  FROM demo_household AS household
                  JOIN demo_person AS head ON head.household = household.number AND head.member = 1
                 CROSS JOIN LATERAL (SELECT 'Household of ' || head.given_name || ' ' || head.family_name AS name) AS named
                 ORDER BY household.number
                """,
                id=household,
                kind=kind.id,
                no_area=SQL("get_byte(household.bytes, 31) < 3"),
                reference=REFERENCE_DATE,
                common=common,
                common_values=common_values,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO res_partner (
                    id, commercial_partner_id, ref, name, complete_name, family_name, given_name, addl_name, is_group,
                    birthdate, birthdate_not_exact, gender, disability, income, occupation, civil_status, phone, area_id,
                    registration_date, %(common)s)
                SELECT %(id)s, %(id)s, 'IN-' || lpad(person.number::text, 7, '0'), named.name, named.name,
                       person.family_name, person.given_name, person.addl_name, false,
                       CASE WHEN NOT person.no_birthdate THEN person.birthdate END,
                       person.approximate_birthdate AND NOT person.no_birthdate,
                       CASE WHEN person.no_gender THEN NULL WHEN person.female THEN 'female' ELSE 'male' END,
                       person.disability,
                       CASE WHEN NOT person.no_income THEN person.income END, person.occupation,
                       CASE WHEN person.age_days < 18 * 365 THEN 'single'
                            WHEN person.role = 'spouse' THEN 'married'
                            WHEN person.role = 'elder' THEN 'widowed' END,
                       typed.phone, CASE WHEN %(no_area)s THEN NULL ELSE household.area_id END,
                       greatest(%(reference)s::date - person.registered_days, person.birthdate), %(common_values)s
                  FROM demo_person AS person
                  JOIN demo_household AS household ON household.number = person.household
                 CROSS JOIN LATERAL (
                       SELECT upper(person.family_name || ', ' || concat_ws(' ', person.given_name, person.addl_name)) AS name
                       ) AS named
                 CROSS JOIN LATERAL (SELECT %(typed_phone)s AS phone) AS typed
                 WHERE person.duplicate_kind <> 2 OR person.original IS NULL
                 ORDER BY person.number
                """,
                id=person,
                no_area=SQL("get_byte(household.bytes, 31) < 3"),
                reference=REFERENCE_DATE,
                typed_phone=TYPED_PHONE,
                common=common,
                common_values=common_values,
            )
        )

    def _insert_documents(self, person):
        national_id = self._id_type("National ID", NATIONAL_ID_PATTERN)
        birth_certificate = self._id_type("Birth certificate", BIRTH_CERTIFICATE_PATTERN)
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_reg_id (partner_id, id_type, value, status, expiry_date, %(log)s)
                SELECT %(person)s, document.id_type, document.value, 'valid', document.expiry_date, %(log_values)s
                  FROM demo_person AS person
                 CROSS JOIN LATERAL (VALUES
                       (%(national_id)s::int, person.national_id, %(reference)s::date + 400 + person.registered_days * 4),
                       (%(birth_certificate)s::int, person.birth_certificate, NULL)
                       ) AS document (id_type, value, expiry_date)
                 WHERE document.value IS NOT NULL AND (person.duplicate_kind <> 2 OR person.original IS NULL)
                 ORDER BY person.number
                """,
                person=person,
                national_id=national_id.id,
                birth_certificate=birth_certificate.id,
                reference=REFERENCE_DATE,
                **self._log(),
            )
        )

    def _id_type(self, name, pattern):
        types = self.env["g2p.id.type"]
        return types.search([("name", "=ilike", name)], limit=1) or types.create(
            {"name": name, "id_validation": pattern, "target_type": "individual", "is_unique": True}
        )

    def _insert_phones(self, person):
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_phone_number (
                    partner_id, phone_no, phone_sanitized, is_valid, country_id, date_collected, %(log)s)
                SELECT %(person)s, typed.phone, CASE WHEN typed.phone = person.phone THEN person.phone END,
                       typed.phone = person.phone, %(country)s, %(reference)s::date - person.registered_days, %(log_values)s
                  FROM demo_person AS person
                 CROSS JOIN LATERAL (SELECT %(typed_phone)s AS phone) AS typed
                 WHERE person.phone IS NOT NULL AND (person.duplicate_kind <> 2 OR person.original IS NULL)
                 ORDER BY person.number
                """,
                person=person,
                country=self.env.ref("base.ke").id,
                reference=REFERENCE_DATE,
                typed_phone=TYPED_PHONE,
                **self._log(),
            )
        )

    def _insert_accounts(self, person):
        """Adults' bank accounts and mobile wallets; a household is paid on its head's."""
        banks = [self._find_or_create("res.bank", {"name": name}).id for name in BANKS]
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO res_partner_bank (
                    partner_id, acc_number, sanitized_acc_number, acc_holder_name, account_type, provider, bank_id,
                    is_primary, active, sequence, allow_out_payment, company_id, %(log)s)
                SELECT partner.id, account.number, account.number, partner.name, account.type, account.provider,
                       account.bank_id, true, true, 10, false, %(company)s, %(log_values)s
                  FROM demo_person AS person
                 CROSS JOIN LATERAL (
                       SELECT person.phone IS NOT NULL AND person.account_draw %% 100 < 55 AS wallet,
                              person.account_draw %% 100 < 90 AS any_account) AS holds
                 CROSS JOIN LATERAL (
                       SELECT CASE WHEN holds.wallet THEN ltrim(person.phone, '+')
                                   ELSE '01' || lpad((person.number::bigint * 49979687 %% 9999999967)::text, 10, '0')
                              END AS number,
                              CASE WHEN holds.wallet THEN 'mobile_wallet' ELSE 'bank' END AS type,
                              CASE WHEN holds.wallet THEN (%(providers)s::text[])[1 + person.number %% 2] END AS provider,
                              CASE WHEN NOT holds.wallet THEN (%(banks)s::int[])[1 + person.number %% 2] END AS bank_id
                       ) AS account
                  JOIN res_partner AS partner ON partner.id = %(person)s
                 WHERE person.age_days >= 18 * 365 AND holds.any_account
                   AND (person.duplicate_kind <> 2 OR person.original IS NULL)
                 ORDER BY person.number
                """,
                person=person,
                providers=list(WALLET_PROVIDERS),
                banks=banks,
                company=self.env.company.id,
                **self._log(),
            )
        )

    def _insert_memberships(self, household, person):
        """Members, then the heads' role; the registry's own triggers count members and hold the role unique."""
        head = self.env["g2p.group.membership.kind"].search([("name", "=", "Head")], limit=1)
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_group_membership ("group", individual, start_date, %(log)s)
                SELECT %(household)s, %(person)s, %(reference)s::timestamp - person.registered_days * interval '1 day',
                       %(log_values)s
                  FROM demo_person AS person
                  JOIN demo_household AS household ON household.number = person.household
                 ORDER BY person.number
                """,
                household=household,
                person=person,
                reference=REFERENCE_DATE,
                **self._log(),
            )
        )
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_group_membership_g2p_group_membership_kind_rel (
                    g2p_group_membership_id, g2p_group_membership_kind_id)
                SELECT membership.id, %(head)s
                  FROM demo_person AS person
                  JOIN demo_household AS household ON household.number = person.household
                  JOIN g2p_group_membership AS membership
                    ON membership."group" = %(household)s AND membership.individual = %(person)s
                 WHERE person.member = 1
                """,
                household=household,
                person=person,
                head=head.id,
            )
        )

    def _log(self):
        """Who wrote a row and when: the column names and their values."""
        return {
            "log": SQL("create_uid, write_uid, create_date, write_date"),
            "log_values": SQL("%s, %s, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'", self.env.uid, self.env.uid),
        }

    def _count_and_analyze(self):
        """Count what was made, tell the planner about it, forget what the cache knew."""
        cr = self.env.cr
        cr.execute(
            """
            SELECT (SELECT count(*) FROM demo_household),
                   (SELECT count(*) FROM demo_person WHERE duplicate_kind <> 2 OR original IS NULL)
            """
        )
        households, individuals = cr.fetchone()
        cr.execute("SELECT duplicate_kind, count(*) FROM demo_person WHERE original IS NOT NULL GROUP BY 1 ORDER BY 1")
        counts = {"households": households, "individuals": individuals}
        counts.update({DUPLICATE_KINDS[kind]: count for kind, count in cr.fetchall()})
        cr.execute(
            """
            ANALYZE res_partner, g2p_reg_id, g2p_phone_number, res_partner_bank, g2p_group_membership, g2p_group_indicator,
                    g2p_group_membership_g2p_group_membership_kind_rel
            """
        )
        self.env.invalidate_all(flush=False)
        return counts
