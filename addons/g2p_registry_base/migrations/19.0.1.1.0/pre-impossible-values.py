"""What the database refuses from this version on is put aside first, so that nothing that works on these rows fails later.

Impossible dates and incomes become unknown; what stood there is kept in the registrant's additional info. Blank names and
names that differ from another one only in spaces get the record's number. ID types whose values differ only in case keep
telling them apart.
"""

import logging

_logger = logging.getLogger(__name__)

NAMES = (
    ("g2p_id_type", "name"),
    ("g2p_registrant_tags", "name"),
    ("g2p_group_kind", "name"),
    ("g2p_group_membership_kind", "name"),
    ("g2p_area_kind", "name"),
    ("g2p_registrant_import_mapping", "name"),
)


def migrate(cr, version):
    if not version:
        return
    cr.execute(
        """
        UPDATE res_partner
        SET additional_g2p_info = (COALESCE(additional_g2p_info::jsonb, '{}') || jsonb_strip_nulls(jsonb_build_object(
                'Date of birth before the upgrade', CASE WHEN wrong.birth THEN birthdate END,
                'Date of registration before the upgrade', CASE WHEN wrong.registered THEN registration_date END,
                'Income before the upgrade', CASE WHEN wrong.earned THEN income::text END
            )))::jsonb,
            birthdate = CASE WHEN NOT wrong.birth THEN birthdate END,
            registration_date = CASE WHEN NOT wrong.registered THEN registration_date END,
            income = CASE WHEN NOT wrong.earned THEN income END
        FROM (
            SELECT id,
                (birthdate < '1900-01-01' OR birthdate > CURRENT_DATE + 1) IS TRUE AS birth,
                (registration_date < '1900-01-01' OR registration_date > CURRENT_DATE + 1) IS TRUE AS registered,
                (income > 1e12) IS TRUE AS earned
            FROM res_partner
            WHERE birthdate < '1900-01-01' OR birthdate > CURRENT_DATE + 1 OR registration_date < '1900-01-01'
                OR registration_date > CURRENT_DATE + 1 OR income > 1e12
        ) AS wrong
        WHERE res_partner.id = wrong.id
        """
    )
    _say(cr, "registrants had dates or incomes that can't be; they are kept in the additional info")
    cr.execute(
        """
        UPDATE res_partner SET name = 'Unnamed ' || id, complete_name = 'Unnamed ' || id
        WHERE is_registrant AND (name ~ '[^[:space:]]') IS NOT TRUE
        """
    )
    _say(cr, "registrants had no name; they are called by their number")
    for table, column in NAMES:
        key = f"lower(regexp_replace(btrim({column}), '\\s+', ' ', 'g'))"
        cr.execute(
            f"""
            UPDATE {table} SET {column} = btrim({column}) || ' (#' || {table}.id || ')'
            FROM (
                SELECT id, row_number() OVER (PARTITION BY {key} ORDER BY {column} <> btrim({column}), id) AS place
                FROM {table}
            ) AS twin
            WHERE twin.id = {table}.id AND twin.place > 1
            """  # noqa: S608 - the names stand above
        )
        _say(cr, f"names of {table} differed from another one only in spaces; they got their number")
    cr.execute(
        """
        ALTER TABLE g2p_id_type ADD COLUMN IF NOT EXISTS case_sensitive boolean;
        UPDATE g2p_id_type SET case_sensitive = TRUE
        WHERE id IN (
            SELECT id_type FROM g2p_reg_id
            WHERE value IS NOT NULL
            GROUP BY id_type, upper(btrim(value) COLLATE "und-x-icu")
            HAVING count(DISTINCT btrim(value)) > 1
        )
        """
    )
    _say(cr, "ID types have values that differ only in case; they go on telling them apart")
    # what differs in spaces around it only would be the same ID from now on
    cr.execute(
        """
        UPDATE g2p_reg_id SET value = btrim(value) || ' (#' || g2p_reg_id.id || ')'
        FROM (
            SELECT id, row_number() OVER (PARTITION BY id_type, btrim(value) ORDER BY value <> btrim(value), id) AS place
            FROM g2p_reg_id WHERE is_unique AND value IS NOT NULL
        ) AS twin
        WHERE twin.id = g2p_reg_id.id AND twin.place > 1
        """
    )
    _say(cr, "IDs differed from another one only in spaces; they got their number")


def _say(cr, what):
    if cr.rowcount > 0:
        _logger.warning("%s %s.", cr.rowcount, what)
