"""A registry of any size, made by a fixed number of statements.

Nothing here is random: each person is a function of (seed, number), drawn from the bytes of a SHA-256. The same call
gives the same people on every machine, and the first thousand people of a large registry are those of a small one.
"""

import logging
import time

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..tools.names import COUNTRY, DISTRICTS, REGIONS, WARDS
from ..tools.population import REFERENCE_DATE, Population
from ..tools.questions import QUESTIONS

_logger = logging.getLogger(__name__)

BANKS = ("National Savings Bank of the Demo Republic", "Rural Credit Union of the Demo Republic")
WALLET_PROVIDERS = ("DemoPay", "SafiCash")
NATIONAL_ID_PATTERN = r"[A-Za-z]{2}-?[0-9]{3}-?[0-9]{3}-?[0-9]{3}"
BIRTH_CERTIFICATE_PATTERN = r"BC-[0-9]{4}-[0-9]{7}"
# Some phone numbers lack digits, as typed by someone in a hurry.
TYPED_PHONE = SQL("CASE WHEN person.phone_badly_typed THEN '0' || substr(person.phone, 5, 6) ELSE person.phone END")
TAGS = ("Displaced", "Returnee")
DUPLICATE_KINDS = ("id_typed_differently", "same_phone", "two_households", "similar_name")


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
        self._set_date_format()
        wards, asked = self._create_areas(), self._define_attributes()
        self.env.flush_all()
        Population(self.env.cr, seed, wards, asked).draw(households)
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

    # Places and types: few, through the ORM

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

    def _define_attributes(self):
        """Ask every household the demo's questions, unless somebody asks others already; whether they are asked."""
        schema = self.env.ref("g2p_registry_base.registrant_schema_group")
        if not schema.attributes_definition:
            schema.attributes_definition = QUESTIONS
        return schema.attributes_definition == QUESTIONS

    def _create_level(self, rows):
        areas = self.env["g2p.area"].browse()
        for row in rows:
            areas += self.env["g2p.area"].search([("code", "=", row["code"])]) or areas.create(row)
        return areas

    def _find_or_create(self, model, values):
        domain = [(field, "=", value) for field, value in values.items()]
        return self.env[model].search(domain, limit=1) or self.env[model].create(values)

    # The registry's tables

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
                INSERT INTO g2p_reg_id (partner_id, id_type, value, status, expiry_date, kept_twice, %(log)s)
                SELECT %(person)s, document.id_type, document.value, 'valid', document.expiry_date,
                       -- as in a registry that was filled before such an ID was refused: for deduplication to find
                       NULLIF(person.duplicate_kind = 0 AND person.original IS NOT NULL, FALSE), %(log_values)s
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
