from contextlib import contextmanager

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

TOUCHED = "g2p_touched_groups"  # where a cursor's cache keeps the groups whose roles are being changed

TRIGGERS = """
-- Who holds a unique role (such as Head), and when: the constraint is the promise that nobody else does.
CREATE TABLE IF NOT EXISTS g2p_group_role_holder (
    membership_id integer NOT NULL REFERENCES g2p_group_membership (id) ON DELETE CASCADE,
    kind_id integer NOT NULL REFERENCES g2p_group_membership_kind (id) ON DELETE CASCADE,
    group_id integer NOT NULL,
    period tsrange NOT NULL,
    PRIMARY KEY (membership_id, kind_id),
    CONSTRAINT g2p_group_role_holder_once
        EXCLUDE USING gist (group_id WITH =, kind_id WITH =, period WITH &&) DEFERRABLE INITIALLY IMMEDIATE
);

CREATE OR REPLACE FUNCTION g2p_group_membership_inserted() RETURNS trigger AS $$
BEGIN
    PERFORM g2p_group_refresh_indicators(ARRAY(SELECT DISTINCT "group" FROM added));
    RETURN NULL;
END $$ LANGUAGE plpgsql;

CREATE OR REPLACE FUNCTION g2p_group_membership_updated() RETURNS trigger AS $$
BEGIN
    UPDATE g2p_group_role_holder holder
    SET group_id = added."group", period = tsrange(added.start_date, added.ended_date)
    FROM added
    WHERE holder.membership_id = ANY(ARRAY(SELECT id FROM added))
        AND holder.membership_id = added.id
        AND (holder.group_id, holder.period)
            IS DISTINCT FROM (added."group", tsrange(added.start_date, added.ended_date));
    PERFORM g2p_group_refresh_indicators(ARRAY(
        SELECT unnest(ARRAY[added."group", removed."group"])
        FROM added
        JOIN removed USING (id)
        WHERE (added."group", added.individual, added.ended_date)
            IS DISTINCT FROM (removed."group", removed.individual, removed.ended_date)
    ));
    RETURN NULL;
END $$ LANGUAGE plpgsql SET enable_seqscan = off SET enable_nestloop = off;

CREATE OR REPLACE FUNCTION g2p_group_membership_deleted() RETURNS trigger AS $$
BEGIN
    PERFORM g2p_group_refresh_indicators(ARRAY(SELECT DISTINCT "group" FROM removed));
    RETURN NULL;
END $$ LANGUAGE plpgsql;

CREATE OR REPLACE FUNCTION g2p_group_role_added() RETURNS trigger AS $$
BEGIN
    INSERT INTO g2p_group_role_holder (membership_id, kind_id, group_id, period)
    SELECT m.id, kind.id, m."group", tsrange(m.start_date, m.ended_date)
    FROM added
    CROSS JOIN LATERAL (
        SELECT * FROM g2p_group_membership AS membership WHERE membership.id = added.g2p_group_membership_id OFFSET 0
    ) AS m
    JOIN g2p_group_membership_kind kind ON kind.id = added.g2p_group_membership_kind_id AND kind.is_unique
    ON CONFLICT (membership_id, kind_id) DO NOTHING;
    -- the members were counted when they came: only the head is new
    WITH head AS MATERIALIZED (
        SELECT m."group", max(NULLIF(individual.gender, '')) AS gender,
            max(EXTRACT(year FROM age(
                (statement_timestamp() AT TIME ZONE 'UTC')::date, individual.birthdate
            ))::integer) AS age
        FROM added
        CROSS JOIN LATERAL (
            SELECT membership."group", membership.individual
            FROM g2p_group_membership AS membership
            WHERE membership.id = added.g2p_group_membership_id
                AND (membership.ended_date IS NULL OR membership.ended_date > statement_timestamp() AT TIME ZONE 'UTC')
            OFFSET 0
        ) AS m
        CROSS JOIN LATERAL (
            SELECT partner.gender, partner.birthdate
            FROM res_partner AS partner
            WHERE partner.id = m.individual AND partner.active AND partner.disabled IS NULL
            OFFSET 0
        ) AS individual
        WHERE added.g2p_group_membership_kind_id = g2p_group_head_kind()
        GROUP BY m."group"
    )
    UPDATE g2p_group_indicator AS indicator
    SET female_headed = head.gender = 'female', head_age = head.age, head_gender = head.gender
    FROM head
    WHERE indicator.group_id = ANY(ARRAY(SELECT "group" FROM head))
        AND indicator.group_id = head."group"
        AND (indicator.head_age, indicator.head_gender) IS DISTINCT FROM (head.age, head.gender);
    RETURN NULL;
END $$ LANGUAGE plpgsql SET enable_seqscan = off;

CREATE OR REPLACE FUNCTION g2p_group_role_removed() RETURNS trigger AS $$
BEGIN
    DELETE FROM g2p_group_role_holder
    WHERE ctid = ANY(ARRAY(
        SELECT holder.place
        FROM removed
        CROSS JOIN LATERAL (
            SELECT known.ctid AS place
            FROM g2p_group_role_holder AS known
            WHERE known.membership_id = removed.g2p_group_membership_id
                AND known.kind_id + 0 = removed.g2p_group_membership_kind_id -- all heads have the same kind: not by that index
            OFFSET 0
        ) AS holder
    ));
    PERFORM g2p_group_refresh_indicators(ARRAY(
        SELECT m."group"
        FROM removed
        CROSS JOIN LATERAL (
            SELECT membership."group"
            FROM g2p_group_membership AS membership
            WHERE membership.id = removed.g2p_group_membership_id
            OFFSET 0
        ) AS m
        WHERE removed.g2p_group_membership_kind_id = g2p_group_head_kind()
    ));
    RETURN NULL;
END $$ LANGUAGE plpgsql SET enable_seqscan = off;

CREATE OR REPLACE FUNCTION g2p_group_membership_kind_changed() RETURNS trigger AS $$
BEGIN
    DELETE FROM g2p_group_role_holder WHERE kind_id = NEW.id AND NEW.is_unique IS NOT TRUE;
    INSERT INTO g2p_group_role_holder (membership_id, kind_id, group_id, period)
    SELECT m.id, NEW.id, m."group", tsrange(m.start_date, m.ended_date)
    FROM g2p_group_membership_g2p_group_membership_kind_rel rel
    JOIN g2p_group_membership m ON m.id = rel.g2p_group_membership_id
    WHERE rel.g2p_group_membership_kind_id = NEW.id AND NEW.is_unique
    ON CONFLICT (membership_id, kind_id) DO NOTHING;
    RETURN NULL;
END $$ LANGUAGE plpgsql;

CREATE OR REPLACE TRIGGER g2p_group_membership_inserted AFTER INSERT ON g2p_group_membership
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION g2p_group_membership_inserted();
CREATE OR REPLACE TRIGGER g2p_group_membership_updated AFTER UPDATE ON g2p_group_membership
    REFERENCING NEW TABLE AS added OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION g2p_group_membership_updated();
CREATE OR REPLACE TRIGGER g2p_group_membership_deleted AFTER DELETE ON g2p_group_membership
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION g2p_group_membership_deleted();
CREATE OR REPLACE TRIGGER g2p_group_role_added AFTER INSERT ON g2p_group_membership_g2p_group_membership_kind_rel
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION g2p_group_role_added();
CREATE OR REPLACE TRIGGER g2p_group_role_removed AFTER DELETE ON g2p_group_membership_g2p_group_membership_kind_rel
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION g2p_group_role_removed();
CREATE OR REPLACE TRIGGER g2p_group_membership_kind_changed AFTER UPDATE OF is_unique ON g2p_group_membership_kind
    FOR EACH ROW WHEN (OLD.is_unique IS DISTINCT FROM NEW.is_unique)
    EXECUTE FUNCTION g2p_group_membership_kind_changed();
"""


class GroupMembership(models.Model):
    """An individual belongs to a group, in one or more roles, for a period. Several roles are one person."""

    _name = "g2p.group.membership"
    _inherit = ["g2p.change.mixin"]
    _description = "Group Membership"
    _rec_names_search = ["individual", "group"]
    _order = "id"
    # Who left, and who was taken out: that decides to whom money goes. Who came, and who gave a role, is on the row itself.
    _changes_on = "group"
    _watched_fields = ("individual", "ended_date")

    _dates = models.Constraint("CHECK (ended_date >= start_date)", "A membership can't end before it starts.")
    _individual_once = models.UniqueIndex(
        '("group", individual) WHERE ended_date IS NULL', "This individual is a member of the group already."
    )
    _ended_idx = models.Index("(ended_date) WHERE ended_date IS NOT NULL")

    group = fields.Many2one(
        "res.partner",
        required=True,
        ondelete="cascade",
        index=True,
        domain=[("is_registrant", "=", True), ("is_group", "=", True)],
    )
    individual = fields.Many2one(
        "res.partner",
        string="Person",
        required=True,
        ondelete="cascade",
        index=True,
        domain=[("is_registrant", "=", True), ("is_group", "=", False)],
    )
    kind = fields.Many2many("g2p.group.membership.kind", string="Roles", ondelete="restrict")
    start_date = fields.Datetime(string="Start date", default=fields.Datetime.now)
    ended_date = fields.Datetime(string="End date")
    status = fields.Selection(
        [("active", "Active"), ("inactive", "Inactive")], compute="_compute_is_ended", search="_search_status"
    )
    is_ended = fields.Boolean("Membership has ended", compute="_compute_is_ended", search="_search_is_ended")
    individual_birthdate = fields.Date(related="individual.birthdate", string="Date of birth")
    individual_age = fields.Char(related="individual.age", string="Age")
    individual_age_in_years = fields.Integer(
        related="individual.age_in_years", string="Age of the member", aggregator=None
    )
    individual_gender = fields.Selection(related="individual.gender", string="Gender")
    individual_disabled = fields.Datetime(related="individual.disabled", string="Member disabled on")

    def init(self):
        self.env.cr.execute(TRIGGERS)

    @api.depends("group.name", "individual.name")
    def _compute_display_name(self):
        for membership in self:
            membership.display_name = f"{membership.individual.name} – {membership.group.name}"

    @api.depends("ended_date")
    def _compute_is_ended(self):
        now = fields.Datetime.now()
        for membership in self:
            membership.is_ended = bool(membership.ended_date and membership.ended_date <= now)
            membership.status = "inactive" if membership.is_ended else "active"

    @api.model
    def _search_is_ended(self, operator, value):
        if operator != "in":
            return NotImplemented
        now = fields.Datetime.now()
        if True in value:
            return [("ended_date", "<=", now)]
        return ["|", ("ended_date", "=", False), ("ended_date", ">", now)]

    @api.model
    def _search_status(self, operator, value):
        if operator != "in":
            return NotImplemented
        statuses = set(value) & {"active", "inactive"}
        if len(statuses) != 1:
            return [(1, "=", len(statuses) // 2)]
        return [("is_ended", "=", statuses == {"inactive"})]

    @api.constrains("group", "individual")
    def _check_registrant_types(self):
        for membership in self:
            group, individual = membership.group, membership.individual
            if not (group.is_registrant and group.is_group):
                raise ValidationError(self.env._("%s is not a group of the registry.", group.display_name))
            if not individual.is_registrant or individual.is_group:
                raise ValidationError(self.env._("%s is not an individual of the registry.", individual.display_name))

    # -- create, write, delete

    @api.model_create_multi
    def create(self, vals_list):
        # a membership ended a moment ago must reach the database before the one that follows it
        self.flush_model(["group", "individual", "start_date", "ended_date"])
        with self._roles_settled():
            self._touch(vals["group"] for vals in vals_list if vals.get("group"))
            memberships = super().create(vals_list)
        memberships._after_change()
        return memberships

    def write(self, vals):
        with self._roles_settled():
            if vals.keys() & {"group", "individual", "kind", "start_date", "ended_date"}:
                self._touch([*self.group.ids, *filter(None, [vals.get("group")])])
            result = super().write(vals)
        if vals.keys() & {"group", "individual", "kind", "ended_date"}:
            self._after_change()
        return result

    def unlink(self):
        result = super().unlink()
        self._after_change()
        return result

    @api.model
    def get_import_templates(self):
        return [
            {
                "label": self.env._("Import template for group members"),
                "template": "/g2p_registry_base/static/import/group_members.xlsx",
            }
        ]

    def action_end(self):
        """End the memberships of `self` now."""
        self.filtered(lambda membership: not membership.is_ended).write({"ended_date": fields.Datetime.now()})

    def action_open_individual(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "res.partner",
            "res_id": self.individual.id,
            "view_mode": "form",
            "views": [(self.env.ref("g2p_registry_base.g2p_individual_view_form").id, "form")],
        }

    # -- roles and counts, by statements over all groups at once

    @contextmanager
    def _roles_settled(self):
        """Let commands on several members pass in any order (the new Head before the old one has left), and check
        at the outermost end that each unique role has one holder and each individual one membership at a time."""
        cache = self.env.cr.cache
        if TOUCHED in cache:
            yield
            return
        touched = cache[TOUCHED] = set()
        try:
            yield
            if touched:
                self.flush_model()
                self._check_unique_roles(list(touched))
                self._check_periods(list(touched))
        finally:
            del cache[TOUCHED]
        if touched:
            self.env.cr.execute("SET CONSTRAINTS g2p_group_role_holder_once IMMEDIATE")

    def _touch(self, group_ids):
        """Note that members of these groups change; call it inside `_roles_settled`, before the change."""
        touched = self.env.cr.cache[TOUCHED]
        if not touched:
            self.env.cr.execute("SET CONSTRAINTS g2p_group_role_holder_once DEFERRED")
        touched.update(group_ids)

    def _check_unique_roles(self, group_ids):
        self.env.cr.execute(
            SQL(
                """
                SELECT one.group_id, one.kind_id
                FROM unnest(%s::integer[]) AS touched (id)
                JOIN g2p_group_role_holder one ON one.group_id = touched.id
                JOIN g2p_group_role_holder other ON other.group_id = one.group_id
                    AND other.kind_id = one.kind_id
                    AND other.membership_id > one.membership_id
                    AND other.period && one.period
                LIMIT 1
                """,
                group_ids,
            )
        )
        if row := self.env.cr.fetchone():
            raise ValidationError(
                self.env._(
                    "%(group)s can have only one %(role)s at a time.",
                    # sudo: only names, of a group whose member was just written
                    group=self.env["res.partner"].sudo().browse(row[0]).name,
                    role=self.env["g2p.group.membership.kind"].browse(row[1]).name,
                )
            )

    def _check_periods(self, group_ids):
        self.env.cr.execute(
            SQL(
                """
                SELECT one.id
                FROM unnest(%s::integer[]) AS touched (id)
                JOIN g2p_group_membership one ON one."group" = touched.id
                JOIN g2p_group_membership other ON other."group" = one."group"
                    AND other.individual = one.individual
                    AND other.id > one.id
                    AND tsrange(other.start_date, other.ended_date) && tsrange(one.start_date, one.ended_date)
                LIMIT 1
                """,
                group_ids,
            )
        )
        if row := self.env.cr.fetchone():
            membership = self.sudo().browse(row[0])  # sudo: only names, for the message
            raise ValidationError(
                self.env._(
                    "%(individual)s is a member of %(group)s already in that period.",
                    individual=membership.individual.name,
                    group=membership.group.name,
                )
            )

    def _after_change(self):
        """The database has counted; forget what the cache knew."""
        self.flush_model()
        self.env["res.partner"]._forget_indicators()
