import json

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL, escape_psql

from ..tools import search

MEMBER_PART = 5  # so much of a member's ID or phone finds the household; less is everybody's
CANDIDATES = 10_000  # of whom a field that names somebody shows the first few in the order of names
DISABLE_FIELDS = ("disabled", "disabled_by", "disabled_reason")


class ResPartner(models.Model):
    """A registrant: an individual or a group (household, family …) known to the registry."""

    _name = "res.partner"
    _inherit = ["res.partner", "g2p.change.mixin", "g2p.bulk.row.mixin"]  # pylint: disable=consider-merging-classes-inherited
    _guarded = True
    # Changes of people are for those who may see the person, auditors too.
    _changes_personal = True
    _changes_where = "row.is_registrant"
    _watched_fields = (
        "name",
        "family_name",
        "given_name",
        "addl_name",
        "birthdate",
        "gender",
        "disability",
        "income",
        "area_id",
        "company_id",
        "active",
        "is_registrant",
        "is_group",
        "disabled",
        "disabled_reason",
    )
    _personal_fields = {
        **dict.fromkeys(
            (
                "phone",
                "phone_sanitized",
                "phone_number_ids",
                "email",
                "email_normalized",
                "email_formatted",
                "address",
                "street",
                "street2",
                "zip",
                "city",
                "contact_address",
                "contact_address_inline",
                "contact_address_complete",
                "website",
                "partner_latitude",
                "partner_longitude",
            ),
            "contact",
        ),
        **dict.fromkeys(
            (
                "birthdate",
                "birthdate_not_exact",
                "birth_place",
                "age",
                "reg_ids",
                "vat",
                "ref",
                "barcode",
                "company_registry",
                "income",
                "civil_status",
                "occupation",
                "registrant_attributes",
                "additional_g2p_info",
                "additional_g2p_info_text",
                "comment",
                "disabled_reason",
                "image_1920",
            ),
            "identity",
        ),
        "bank_ids": "account",
    }

    # Lists ask: the latest individuals or groups, of one area, disabled or not. The ORM writes IS TRUE and IS NOT TRUE, and
    # PostgreSQL uses a partial index only for a condition written like the index's own.
    _registrant_individual_idx = models.Index(
        "(id) WHERE is_registrant IS TRUE AND is_group IS NOT TRUE AND active IS TRUE"
    )
    _registrant_group_idx = models.Index("(id) WHERE is_registrant IS TRUE AND is_group IS TRUE AND active IS TRUE")
    _registrant_archived_idx = models.Index("(id) WHERE is_registrant IS TRUE AND active IS NOT TRUE")
    _registrant_no_area_idx = models.Index("(id) WHERE is_registrant IS TRUE AND area_id IS NULL")
    _registrant_search_idx = models.Index("USING gin (search_words gin_trgm_ops) WHERE is_registrant IS TRUE")
    _registrant_area_idx = models.Index("(area_id, is_group) WHERE area_id IS NOT NULL")
    _no_registrant_idx = models.Index("(id) WHERE is_registrant IS NOT TRUE")
    _registrant_disabled_idx = models.Index("(disabled) WHERE is_registrant IS TRUE AND disabled IS NOT NULL")
    _registrant_registered_idx = models.Index("(registration_date) WHERE is_registrant IS TRUE")

    _income_positive = models.Constraint("CHECK (income >= 0)", "An income can't be negative.")
    _income_bound = models.Constraint("CHECK (income <= 1e12)", "An income above 1,000,000,000,000 can't be right.")
    _registrant_named = models.Constraint(
        "CHECK (is_registrant IS NOT TRUE OR name ~ '[^[:space:]]')", "A registrant needs a name."
    )
    # A day more than the database's own date: somewhere it is tomorrow already.
    _birthdate_range = models.Constraint(
        "CHECK (birthdate >= '1900-01-01' AND birthdate <= CURRENT_DATE + 1)",
        "A date of birth lies between 1900 and today.",
    )
    _registration_range = models.Constraint(
        "CHECK (registration_date >= '1900-01-01' AND registration_date <= CURRENT_DATE + 1)",
        "A date of registration lies between 1900 and today.",
    )
    _registered_after_birth = models.Constraint(
        "CHECK (registration_date >= birthdate)", "Nobody can be registered before their birth."
    )

    name = fields.Char(compute="_compute_name", store=True, readonly=False, precompute=True)
    is_registrant = fields.Boolean(copy=True)
    is_group = fields.Boolean(string="Group")
    registration_date = fields.Date(string="Registration date", copy=False)
    area_id = fields.Many2one("g2p.area", string="Area", ondelete="restrict")
    address = fields.Text(help="The address as people write it, where street and city don't serve.")
    tags_ids = fields.Many2many("g2p.registrant.tags", string="Registrant tags")
    civil_status = fields.Char(string="Civil status")
    occupation = fields.Char()
    income = fields.Float(digits=(16, 2))
    additional_g2p_info = fields.Json(string="Additional info (data)")
    additional_g2p_info_text = fields.Text(
        string="Additional info",
        compute="_compute_additional_g2p_info_text",
        inverse="_inverse_additional_g2p_info_text",
        help="Further facts as a JSON object, such as {“Home Owned”: “yes”}.",
    )

    reg_ids = fields.One2many("g2p.reg.id", "partner_id", string="IDs")
    phone_number_ids = fields.One2many("g2p.phone.number", "partner_id", string="Phone numbers")
    related_1_ids = fields.One2many("g2p.reg.rel", "destination", string="Related from")
    related_2_ids = fields.One2many("g2p.reg.rel", "source", string="Related to")

    change_reason = fields.Char(
        "Reason for the change",
        compute="_compute_change_reason",
        readonly=False,
        exportable=False,
        help="Kept with what is changed now, in names, IDs, phones and accounts alike.",
    )

    disabled = fields.Datetime(string="Disabled on", readonly=True, copy=False)
    disabled_by = fields.Many2one("res.users", string="Disabled by", readonly=True, copy=False)
    disabled_reason = fields.Text(string="Reason for disabling", readonly=True, copy=False)

    def _messages_stay(self):
        """What was said about a registrant stays; a contact's messages are the contact's."""
        return super()._messages_stay() | self.filtered("is_registrant")

    def _compute_change_reason(self):
        """A reason belongs to one change: it is asked anew."""
        self.change_reason = False

    @api.depends("additional_g2p_info")
    def _compute_additional_g2p_info_text(self):
        for partner in self:
            info = partner.additional_g2p_info
            partner.additional_g2p_info_text = json.dumps(info, indent=2, ensure_ascii=False) if info else False

    def _inverse_additional_g2p_info_text(self):
        for partner in self:
            try:
                info = json.loads(partner.additional_g2p_info_text or "null")
            except ValueError as error:
                raise ValidationError(self.env._("The additional info is not valid JSON: %s", error)) from error
            if info is not None and not isinstance(info, dict):
                raise ValidationError(self.env._("The additional info must be a JSON object of names and values."))
            partner.additional_g2p_info = info

    @api.constrains("registration_date")
    def _check_registration_date(self):
        today = fields.Date.context_today(self)
        for partner in self:
            if partner.registration_date and partner.registration_date > today:
                raise ValidationError(self.env._("The registration date of %s can't be in the future.", partner.name))

    @api.constrains("is_registrant", "is_group")
    def _check_is_group(self):
        """A group with members can't become an individual, nor a member a group; one statement for all records."""
        self.env["g2p.group.membership"].flush_model(["group", "individual"])
        self.flush_recordset(["is_registrant", "is_group"])
        self.env.cr.execute(
            SQL(
                """
                SELECT partner.id
                FROM res_partner partner
                WHERE partner.id = ANY(%s)
                    AND (
                        EXISTS (
                            SELECT FROM g2p_group_membership m
                            WHERE m."group" = partner.id
                                AND (partner.is_registrant AND partner.is_group) IS NOT TRUE
                        )
                        OR EXISTS (
                            SELECT FROM g2p_group_membership m
                            WHERE m.individual = partner.id
                                AND (partner.is_registrant AND partner.is_group IS NOT TRUE) IS NOT TRUE
                        )
                    )
                LIMIT 1
                """,
                self.ids,
            )
        )
        if row := self.env.cr.fetchone():
            raise ValidationError(
                self.env._(
                    "%s has members or is a member of a group, so it can't change its type. End the memberships first.",
                    self.browse(row[0]).name,
                )
            )

    def _auto_init(self):
        """What search compares and indexes is computed by the database; it comes before the indexes."""
        self.env.cr.execute(search.FUNCTIONS)
        self.env.cr.execute(search.COLUMN)
        self.env.registry.has_trigram = True
        return super()._auto_init()

    def init(self):
        self.env.cr.execute(search.WORDS_TABLE)
        return super().init()

    # -- search

    @api.model
    def _search_display_name(self, operator, value):
        """Registrants are found by what people say of them: words of their name in any order, (a part of) an ID or of a
        phone number, in whatever spelling. Other contacts as ever. This is also the search of every list and field that
        names a registrant."""
        if operator == "ilike" and isinstance(value, str):
            value = search.sought(value)
        domain = super()._search_display_name(operator, value)
        if operator in Domain.NEGATIVE_OPERATORS or not isinstance(value, str) or not value:
            return domain
        others = Domain("is_registrant", "!=", True) & Domain(domain)
        if operator != "ilike":
            return Domain("is_registrant", "=", True) & Domain("complete_name", operator, value) | others
        return self._search_registrants(value, others)

    @api.model
    def name_search(self, name="", domain=None, operator="ilike", limit=100):
        if operator != "ilike" or not limit or not search.words(name or ""):
            return super().name_search(name, domain, operator, limit)
        query = self._first_named(name, Domain(domain or Domain.TRUE), limit)
        found = self.browse(partner_id for (partner_id,) in self.env.execute_query(query.select()))
        # sudo: how those are called whom the user may choose, as everywhere
        return [(partner.id, partner.display_name) for partner in found.sudo()]

    @api.model
    def _first_named(self, name, domain, limit):
        """A query of the first of those whom `name` means: whose names begin so, then by name. A word that half the country
        shares is not read to its end: so many are taken as they come, and sorted."""
        candidates = self._search(Domain("display_name", "ilike", name) & domain, limit=CANDIDATES)
        # the rules and the archived were looked at above
        query = self.with_context(active_test=False)._search(Domain("id", "in", candidates), bypass_access=True)
        called = self._field_to_sql(query.table, "complete_name", query)
        begins = escape_psql(name.strip()) + "%"
        query.order = SQL(
            "%s ILIKE %s DESC, %s, %s DESC", called, begins, called, self._field_to_sql(query.table, "id", query)
        )
        query.limit = limit
        return query

    @api.model
    def _search_registrants(self, text, others):
        """A domain of the registrants whom `text` means, and of `others` (a domain of other contacts).

        Only what the user may read is compared: who may not read phone numbers finds nobody by one.
        """
        words = search.words(text)[: search.WORDS]
        letters = [word for word in words if not any(map(str.isdigit, word))]
        if not words:
            return others
        if len(letters) == len(words):
            # names only: a plain condition, so that PostgreSQL may choose between the index of names and the order of ids
            domain = self._named([[word] for word in words])
            return domain | self._misspelt(domain, words) | others
        found = [
            self._search(self._named([[word] for word in words]), active_test=False, bypass_access=True).select(),
            self._search(others, active_test=False, bypass_access=True).select(),
        ]
        numbers = self._numbered(text)
        found += numbers
        if letters:
            # a name and a number: both must fit
            digits = " ".join(word for word in words if word not in letters)
            fits = Domain("id", "in", SQL("(%s)", self._union(self._numbered(digits) or [SQL("SELECT NULL::integer")])))
            both = self._named([[word] for word in letters]) & fits
            found.append(self._search(both, active_test=False, bypass_access=True).select())
        if numbers and len(search.number(text)) >= MEMBER_PART and self.env["g2p.group.membership"].has_access("read"):
            # who comes with an ID or a phone may be a member of the household that is in the list
            of_members = Domain("individual", "in", SQL("(%s)", self._union(numbers))) & (
                Domain("ended_date", "=", False) | Domain("ended_date", ">", fields.Datetime.now())
            )
            found.append(self._column(self.env["g2p.group.membership"]._search(of_members), "group"))
        return Domain("id", "in", SQL("(%s)", self._union(found)))

    @api.model
    def _named(self, sought):
        return Domain("is_registrant", "=", True) & Domain.custom(
            to_sql=lambda model, alias, query: search.named(
                SQL.identifier(alias, "search_words", to_flush=model._fields["complete_name"]), sought
            )
        )

    @api.model
    def _misspelt(self, exact, words):
        """A domain of individuals and of groups named nearly so: of those only of whom nobody is named so exactly."""
        nobody = [
            kind
            for kind in (Domain("is_group", "=", False), Domain("is_group", "=", True))
            if not self.with_context(active_test=False).search_count(exact & kind, limit=1)
        ]
        if not nobody:
            return Domain.FALSE
        sought = [[word, *(f" {other} " for other in search.near(self.env.cr, word))] for word in words]
        if all(len(spellings) == 1 for spellings in sought):
            return Domain.FALSE
        return self._named(sought) & Domain.OR(nobody)

    @api.model
    def _numbered(self, text):
        """Queries of the ids of registrants with an ID or a phone number that holds `text`, as the user may read them."""
        found = []
        number = search.number(text)
        ids = self.env["g2p.reg.id"]
        if len(number) >= search.LEAST and ids.has_access("read"):
            found.append(self._column(ids._search(ids._holds(number)), "partner_id"))
        phones = self.env["g2p.phone.number"]
        digits = search.phone_digits(text)
        if digits and phones.has_access("read"):
            found.append(self._column(phones._search(phones._holds(text)), "partner_id"))
        return found

    @api.model
    def _column(self, query, name):
        return query.select(SQL.identifier(query.table, name))

    @api.model
    def _union(self, queries):
        return SQL(" UNION ALL ").join(SQL("(%s)", query) for query in queries)

    # -- create, write, delete

    @api.model
    def default_get(self, fields_list):
        values = super().default_get(fields_list)
        if self.env.context.get("default_is_registrant"):
            for name, value in self._registrant_defaults().items():
                if name in fields_list:
                    values.setdefault(name, value)
            typed = self.env.context.get("default_name")
            if typed and not self.env.context.get("default_is_group"):
                # an individual's name is made of its parts: what was typed where they were looked for must not be lost
                for name, value in self._name_parts(typed).items():
                    if name in fields_list:
                        values.setdefault(name, value)
        return values

    @api.model
    def _registrant_defaults(self):
        # sudo: the user's own areas
        areas = self.env.user.sudo().g2p_area_ids
        return {
            "company_id": self.env.company.id,
            "registration_date": fields.Date.context_today(self),
            "area_id": areas.id if len(areas) == 1 else False,
        }

    def _guard_secret(self):
        # sudo: whether somebody is a registrant decides who may name them
        return self.sudo().filtered("is_registrant").sudo(False)

    @api.model_create_multi
    def create(self, vals_list):
        self._refuse_disable_fields(vals_list)
        context = self.env.context
        prepared = []
        defaults = None
        for vals in vals_list:
            if vals.get("is_registrant", context.get("default_is_registrant")):
                defaults = defaults or self._registrant_defaults()
                vals = {**defaults, **vals}
                if not vals.get("is_group", context.get("default_is_group")):
                    vals = self._individual_vals(vals)
            prepared.append(vals)
        if defaults is None:
            return super().create(prepared)

        # A registrant has no parent to share addresses with, and many at once leave no message each.
        extra = {}
        if not any(vals.get("parent_id") for vals in prepared) and not context.get("default_parent_id"):
            extra["_partners_skip_fields_sync"] = True
        if len(prepared) > 1:
            extra["tracking_disable"] = True
        partners = super(ResPartner, self.with_context(**extra)).create(prepared).with_env(self.env)
        registrants = partners.filtered("is_registrant").ids
        self.env["g2p.registration"]._registered(SQL("SELECT id FROM res_partner WHERE id = ANY(%s)", registrants))
        return partners

    def write(self, vals):
        self._refuse_disable_fields([vals])
        if "change_reason" in vals:
            reason = vals["change_reason"]
            vals = {name: value for name, value in vals.items() if name != "change_reason"}
            return self.with_context(g2p_reason=reason or self.env.context.get("g2p_reason")).write(vals)
        if "is_registrant" in vals and not self.env.su:
            self._check_registrant_change(vals["is_registrant"])
        # what the history of changes keeps needs no message for each person (rules of tables with a row a beneficiary)
        writer = (
            self if "mail_notrack" in self.env.context or not all(self.mapped("is_registrant")) else self._untracked()
        )
        with self.env["g2p.group.membership"]._roles_settled():
            result = super(ResPartner, writer).write(vals)
            if "name" in vals:
                named = self.filtered(lambda partner: partner._has_name_parts())
                self.env.add_to_compute(self._fields["name"], named)
        return result

    def _untracked(self):
        return self.with_context(mail_notrack=True)

    @api.ondelete(at_uninstall=False)
    def _unlink_registrants_by_administrators(self):
        if self.env.su or self.env.user.has_group("g2p_registry_base.group_g2p_admin"):
            return
        if self.filtered("is_registrant"):
            raise AccessError(
                self.env._("Only an administrator may delete registrants. Disable them instead: their history stays.")
            )

    def _refuse_disable_fields(self, vals_list):
        """On create the fields may be there, empty; on write they may not be there at all."""
        if not self.env.su and any(
            vals.get(name) or (self and name in vals) for vals in vals_list for name in DISABLE_FIELDS
        ):
            raise AccessError(self.env._("Registrants are disabled and enabled by the buttons, with a reason."))

    def _check_registrant_change(self, is_registrant):
        changed = self.filtered(lambda partner: bool(partner.is_registrant) != bool(is_registrant))
        role = "group_g2p_registrar" if is_registrant else "group_g2p_admin"
        if changed and not self.env.user.has_group(f"g2p_registry_base.{role}"):
            raise AccessError(
                self.env._("Only a registrar may make a contact a registrant, and only an administrator undo it.")
            )

    @api.model
    def get_import_templates(self):
        if not self.env.context.get("default_is_registrant"):
            return super().get_import_templates()
        name = "groups" if self.env.context.get("default_is_group") else "individuals"
        return [
            {
                "label": self.env._("Import template for %s", name),
                "template": f"/g2p_registry_base/static/import/{name}.xlsx",
            }
        ]

    # -- buttons

    def action_disable_registrant(self):
        """Ask for the reason."""
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Disable registrants") if len(self) > 1 else self.env._("Disable registrant"),
            "res_model": "g2p.disable.registrant.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_partner_ids": [fields.Command.set(self.ids)]},
        }

    def enable_registrant(self):
        disabled = self._check_may_disable().filtered("disabled")
        # sudo: role and rows were checked above
        disabled.sudo().write(dict.fromkeys(DISABLE_FIELDS, False))
        disabled._after_disable_change(dict.fromkeys(disabled.ids, self.env._("Enabled")))

    def _disable(self, reason):
        """Disable the registrants of `self` that are not disabled yet."""
        enabled = self._check_may_disable().filtered(lambda partner: not partner.disabled)
        # sudo: role and rows were checked above
        enabled.sudo().write(
            {"disabled": fields.Datetime.now(), "disabled_by": self.env.uid, "disabled_reason": reason}
        )
        enabled._after_disable_change(dict.fromkeys(enabled.ids, self.env._("Disabled: %s", reason)))

    def _check_may_disable(self):
        if not self.env.su and not self.env.user.has_group("g2p_registry_base.group_g2p_registrar"):
            raise AccessError(self.env._("Only a registrar may disable or enable registrants."))
        self.check_access("write")
        if self.filtered(lambda partner: not partner.is_registrant):
            raise UserError(self.env._("Only registrants can be disabled or enabled."))
        return self

    def _after_disable_change(self, bodies):
        """A disabled person is not counted as a member; the note stays in the history."""
        if not self:
            return
        self.flush_recordset(["disabled"])
        # sudo: the note is written for whoever was allowed to press the button
        self.sudo()._message_log_batch(bodies=bodies, author_id=self.env.user.partner_id.id)
