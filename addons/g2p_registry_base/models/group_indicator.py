from odoo import fields, models

# Each row is looked up by its key, in a subquery that ends with OFFSET 0 (or LIMIT 1) and so is planned for itself: joined
# freely, tables whose statistics say that they are empty would be read whole for every group. And a plan that was made while a
# table was empty is kept by the session: so none of them reads a table from end to end (enable_seqscan).
# The bounds are whole years at the day of the database (UTC). Somebody is "at least n" from their n-th birthday on.
FUNCTIONS = """
DROP FUNCTION IF EXISTS g2p_group_count_members(integer[]);

-- What the statement at hand changed of persons; empty between statements, so it need not survive a crash.
CREATE UNLOGGED TABLE IF NOT EXISTS g2p_group_indicator_touched (group_id integer NOT NULL);

CREATE OR REPLACE FUNCTION g2p_group_head_kind() RETURNS integer AS $$
    SELECT res_id FROM ir_model_data WHERE module = 'g2p_registry_base' AND name = 'group_membership_kind_head'
$$ LANGUAGE sql STABLE;

-- Brings the rows of these groups up to date and returns how many were not.
CREATE OR REPLACE FUNCTION g2p_group_refresh_indicators(groups integer[]) RETURNS integer AS $$
DECLARE
    now_utc CONSTANT timestamp := statement_timestamp() AT TIME ZONE 'UTC';
    today CONSTANT date := now_utc::date;
    born_under_5 CONSTANT date := today - interval '5 years';
    born_under_6 CONSTANT date := today - interval '6 years';
    born_under_15 CONSTANT date := today - interval '15 years';
    born_under_18 CONSTANT date := today - interval '18 years';
    born_under_65 CONSTANT date := today - interval '65 years';
    head_kind CONSTANT integer := g2p_group_head_kind();
    changed integer;
BEGIN
    INSERT INTO g2p_group_indicator AS indicator (
        group_id, size, children, children_under_5, children_6_17, adults, elderly, working_age, women, females,
        female_headed, disabled_members, unknown_age_members, dependency_ratio, head_age, head_gender
    )
    SELECT grp.id,
        count(person.id),
        count(*) FILTER (WHERE person.birthdate > born_under_18),
        count(*) FILTER (WHERE person.birthdate > born_under_5),
        count(*) FILTER (WHERE person.birthdate <= born_under_6 AND person.birthdate > born_under_18),
        count(*) FILTER (WHERE person.birthdate <= born_under_18 AND person.birthdate > born_under_65),
        count(*) FILTER (WHERE person.birthdate <= born_under_65),
        count(*) FILTER (WHERE person.birthdate <= born_under_15 AND person.birthdate > born_under_65),
        count(*) FILTER (WHERE person.birthdate <= born_under_18 AND person.gender = 'female'),
        count(*) FILTER (WHERE person.gender = 'female'),
        max(person.gender) FILTER (WHERE person.is_head) = 'female',
        count(*) FILTER (WHERE person.disability = 'yes'),
        count(person.id) FILTER (WHERE person.birthdate IS NULL),
        round(
            count(*) FILTER (WHERE person.birthdate > born_under_15 OR person.birthdate <= born_under_65)::numeric
            / NULLIF(
                count(*) FILTER (WHERE person.birthdate <= born_under_15 AND person.birthdate > born_under_65), 0
            ),
            4
        ),
        max(EXTRACT(year FROM age(today, person.birthdate))::integer) FILTER (WHERE person.is_head),
        max(person.gender) FILTER (WHERE person.is_head)
    FROM (SELECT DISTINCT unnest(groups) AS id) AS given
    CROSS JOIN LATERAL (
        SELECT partner.id
        FROM res_partner AS partner
        WHERE partner.id = given.id AND partner.is_registrant AND partner.is_group
        OFFSET 0
    ) AS grp
    LEFT JOIN LATERAL (
        SELECT individual.id, individual.birthdate, individual.gender, individual.disability, member.is_head
        FROM (
            SELECT link.individual, bool_or(head.yes) IS TRUE AS is_head
            FROM (
                SELECT membership.id, membership.individual
                FROM g2p_group_membership AS membership
                WHERE membership."group" = grp.id
                    AND (membership.ended_date IS NULL OR membership.ended_date > now_utc)
                OFFSET 0
            ) AS link
            LEFT JOIN LATERAL (
                SELECT TRUE AS yes
                FROM g2p_group_membership_g2p_group_membership_kind_rel AS role
                WHERE role.g2p_group_membership_id = link.id AND role.g2p_group_membership_kind_id = head_kind
                LIMIT 1
            ) AS head ON TRUE
            GROUP BY link.individual
            OFFSET 0
        ) AS member
        CROSS JOIN LATERAL (
            SELECT partner.id, partner.birthdate, NULLIF(partner.gender, '') AS gender, partner.disability
            FROM res_partner AS partner
            WHERE partner.id = member.individual AND partner.active AND partner.disabled IS NULL
            OFFSET 0
        ) AS individual
    ) AS person ON TRUE
    GROUP BY grp.id
    ORDER BY grp.id
    ON CONFLICT (group_id) DO UPDATE
    SET size = EXCLUDED.size,
        children = EXCLUDED.children,
        children_under_5 = EXCLUDED.children_under_5,
        children_6_17 = EXCLUDED.children_6_17,
        adults = EXCLUDED.adults,
        elderly = EXCLUDED.elderly,
        working_age = EXCLUDED.working_age,
        women = EXCLUDED.women,
        females = EXCLUDED.females,
        female_headed = EXCLUDED.female_headed,
        disabled_members = EXCLUDED.disabled_members,
        unknown_age_members = EXCLUDED.unknown_age_members,
        dependency_ratio = EXCLUDED.dependency_ratio,
        head_age = EXCLUDED.head_age,
        head_gender = EXCLUDED.head_gender
    WHERE (
        indicator.size, indicator.children, indicator.children_under_5, indicator.children_6_17, indicator.adults,
        indicator.elderly, indicator.working_age, indicator.women, indicator.females, indicator.female_headed,
        indicator.disabled_members, indicator.unknown_age_members, indicator.dependency_ratio, indicator.head_age,
        indicator.head_gender
    ) IS DISTINCT FROM (
        EXCLUDED.size, EXCLUDED.children, EXCLUDED.children_under_5, EXCLUDED.children_6_17, EXCLUDED.adults,
        EXCLUDED.elderly, EXCLUDED.working_age, EXCLUDED.women, EXCLUDED.females, EXCLUDED.female_headed,
        EXCLUDED.disabled_members, EXCLUDED.unknown_age_members, EXCLUDED.dependency_ratio, EXCLUDED.head_age,
        EXCLUDED.head_gender
    );
    GET DIAGNOSTICS changed = ROW_COUNT;

    UPDATE res_partner
    SET z_ind_grp_num_individuals = indicator.size
    FROM (SELECT DISTINCT unnest(groups) AS id) AS given
    CROSS JOIN LATERAL (
        SELECT figures.group_id, figures.size FROM g2p_group_indicator AS figures WHERE figures.group_id = given.id OFFSET 0
    ) AS indicator
    WHERE res_partner.id = ANY(groups)
        AND res_partner.id = indicator.group_id
        AND res_partner.z_ind_grp_num_individuals IS DISTINCT FROM indicator.size;
    RETURN changed;
END $$ LANGUAGE plpgsql SET enable_seqscan = off SET enable_nestloop = on; -- also where who calls it has it off

CREATE OR REPLACE FUNCTION g2p_group_registered() RETURNS trigger AS $$
BEGIN
    INSERT INTO g2p_group_indicator (
        group_id, size, children, children_under_5, children_6_17, adults, elderly, working_age, women, females,
        disabled_members, unknown_age_members
    )
    VALUES (NEW.id, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    ON CONFLICT (group_id) DO NOTHING;
    RETURN NULL;
END $$ LANGUAGE plpgsql;

CREATE OR REPLACE FUNCTION g2p_group_starts_empty() RETURNS trigger AS $$
BEGIN
    NEW.z_ind_grp_num_individuals := 0;
    RETURN NEW;
END $$ LANGUAGE plpgsql;

CREATE OR REPLACE FUNCTION g2p_group_person_changed() RETURNS trigger AS $$
BEGIN
    INSERT INTO g2p_group_indicator_touched (group_id)
    SELECT member."group" FROM g2p_group_membership AS member WHERE member.individual = NEW.id
    UNION ALL
    SELECT NEW.id WHERE NEW.is_group OR OLD.is_group;
    RETURN NULL;
END $$ LANGUAGE plpgsql;

CREATE OR REPLACE FUNCTION g2p_group_persons_settled() RETURNS trigger AS $$
DECLARE
    groups integer[];
BEGIN
    WITH taken AS (DELETE FROM g2p_group_indicator_touched RETURNING group_id)
    SELECT array_agg(DISTINCT group_id) INTO groups FROM taken;
    IF groups IS NOT NULL THEN
        DELETE FROM g2p_group_indicator AS indicator
        USING res_partner AS partner
        WHERE indicator.group_id = ANY(groups)
            AND partner.id = ANY(groups)
            AND partner.id = indicator.group_id
            AND (partner.is_registrant AND partner.is_group) IS NOT TRUE;
        PERFORM g2p_group_refresh_indicators(groups);
    END IF;
    RETURN NULL;
END $$ LANGUAGE plpgsql SET enable_seqscan = off;
"""

# A trigger for some columns can't have transition tables, and one for all columns would burden every change of a contact:
# the rows whose values differ are noted one by one, and worked on together at the end of the statement.
TRIGGERS = """
CREATE OR REPLACE TRIGGER g2p_group_starts_empty BEFORE INSERT ON res_partner
    FOR EACH ROW WHEN (NEW.is_registrant AND NEW.is_group AND NEW.z_ind_grp_num_individuals IS NULL)
    EXECUTE FUNCTION g2p_group_starts_empty();
CREATE OR REPLACE TRIGGER g2p_group_registered AFTER INSERT ON res_partner
    FOR EACH ROW WHEN (NEW.is_registrant AND NEW.is_group)
    EXECUTE FUNCTION g2p_group_registered();
CREATE OR REPLACE TRIGGER g2p_group_person_changed
    AFTER UPDATE OF birthdate, gender, disability, disabled, active, is_registrant, is_group ON res_partner
    FOR EACH ROW WHEN (
        (OLD.birthdate, OLD.gender, OLD.disability, OLD.disabled IS NULL, OLD.active, OLD.is_registrant, OLD.is_group)
        IS DISTINCT FROM
        (NEW.birthdate, NEW.gender, NEW.disability, NEW.disabled IS NULL, NEW.active, NEW.is_registrant, NEW.is_group)
    )
    EXECUTE FUNCTION g2p_group_person_changed();
CREATE OR REPLACE TRIGGER g2p_group_persons_settled
    AFTER UPDATE OF birthdate, gender, disability, disabled, active, is_registrant, is_group ON res_partner
    FOR EACH STATEMENT EXECUTE FUNCTION g2p_group_persons_settled();

-- groups that were there before this table
SELECT g2p_group_refresh_indicators(ARRAY(
    SELECT grp.id
    FROM res_partner AS grp
    WHERE grp.is_registrant
        AND grp.is_group
        AND NOT EXISTS (SELECT FROM g2p_group_indicator AS indicator WHERE indicator.group_id = grp.id)
));
"""


class GroupIndicator(models.Model):
    """What a group's current members make of it: one row per group, written by the database's triggers only.

    A current member is one whose membership has not ended and who is neither archived nor disabled. A member without a
    date of birth counts in `size` and `unknown_age_members`, and in no age class.
    """

    _name = "g2p.group.indicator"
    _description = "Household Figures"
    _log_access = False
    _rec_name = "group_id"
    _order = "group_id"

    _group_once = models.Constraint("UNIQUE (group_id)", "A group has one row of figures.")

    group_id = fields.Many2one("res.partner", "Group", required=True, readonly=True, ondelete="cascade")
    size = fields.Integer("Members", readonly=True, help="Current members who are not disabled.")
    children = fields.Integer(readonly=True, help="Members aged 0 to 17.")
    children_under_5 = fields.Integer(
        "Children under 5", readonly=True, help="Members aged 0 to 4. Those aged 5 count among the children only."
    )
    children_6_17 = fields.Integer(
        "Children of 6 to 17", readonly=True, help="Members aged 6 to 17. Those aged 5 count among the children only."
    )
    adults = fields.Integer(readonly=True, help="Members aged 18 to 64.")
    elderly = fields.Integer(readonly=True, help="Members aged 65 and over.")
    working_age = fields.Integer("Of working age", readonly=True, help="Members aged 15 to 64.")
    women = fields.Integer(readonly=True, help="Female members aged 18 and over.")
    females = fields.Integer(readonly=True, help="Female members of any age, known or not.")
    female_headed = fields.Boolean(
        "Headed by a woman",
        readonly=True,
        help="Empty in the database where there is no head or their gender is unknown.",
    )
    disabled_members = fields.Integer(
        "With a disability", readonly=True, help="Members whose disability is recorded as yes."
    )
    unknown_age_members = fields.Integer("Of unknown age", readonly=True, help="Members without a date of birth.")
    dependency_ratio = fields.Float(
        digits=(16, 4),
        readonly=True,
        help="Members aged 0 to 14 and 65 and over, for each member aged 15 to 64; empty where nobody is of that age.",
    )
    head_age = fields.Integer("Age of the head", readonly=True, aggregator=None, help="In whole years.")
    head_gender = fields.Selection(
        selection=lambda self: self.env["gender.type"]._selection(), string="Gender of the head", readonly=True
    )

    def init(self):
        self.env.cr.execute(FUNCTIONS)
        self.env.cr.execute(TRIGGERS)
