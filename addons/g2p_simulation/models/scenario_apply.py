"""What a scenario changes, in words, and *Apply to program*."""

import hashlib

from odoo import fields, models
from odoo.exceptions import UserError

from odoo.addons.g2p_programs.tools.constants import GROUP_MANAGER, MANAGER_ELIGIBILITY, MANAGER_ENTITLEMENT

# The kinds of managers that a scenario tries out; the others stay as they are.
KINDS = (MANAGER_ELIGIBILITY, MANAGER_ENTITLEMENT)
NO_SETTING = ("program_id", *models.MAGIC_COLUMNS)


class ProgramScenario(models.Model):
    _inherit = "g2p.program.scenario"

    # What differs

    def _differences(self):
        """The settings that differ from the program's, a sentence each, as they are now on both sides."""
        self.ensure_one()
        lines = []
        for kind in KINDS:
            before, after = (self._settings(program, kind) for program in (self.program_id, self.sandbox_id))
            lines += self._compare(before, after)
        lines += self._compare(self._pmt_settings(self.program_id), self._pmt_settings(self.sandbox_id))
        return lines + self._compare(self._program_settings(self.program_id), self._program_settings(self.sandbox_id))

    def _compare(self, before, after):
        """Sentences about two {(who, setting): value}."""
        _ = self.env._
        lines = []
        for who, setting in {**before, **after}:
            old, new = before.get((who, setting)), after.get((who, setting))
            if old == new:
                continue
            if setting is None:
                lines.append(_("%s is removed", who) if new is None else _("%s is added", who))
            elif (who, None) not in before or (who, None) in after:
                lines.append(_("%(who)s: %(setting)s %(old)s → %(new)s", who=who, setting=setting, old=old, new=new))
        return lines

    def _program_settings(self, program):
        """{(program's name, label): value in words} of the program's own settings that a scenario may change."""
        labels = {}
        for name in self._program_fields():
            field = program._fields[name]
            labels[self.program_id.name, field._description_string(self.env)] = self._in_words(program, field)
        return {**labels, (self.program_id.name, None): True}

    def _program_fields(self):
        return ("eligibility_mode", "pmt_config")

    def _pmt_settings(self, program):
        """The same of the version of the proxy means test that the program works with."""
        model = program.pmt_model_id
        if not program.pmt_config or not model:
            return {}
        who = model._description
        fields_ = [field for field in model._fields.values() if self._is_setting(field)]
        return {
            (who, None): True,
            **{(who, field._description_string(self.env)): self._in_words(model, field) for field in fields_},
        }

    def _settings(self, program, kind):
        """{(manager, label): value in words} of the managers of a kind; the label None stands for the manager itself."""
        settings = {}
        types = {}
        for manager in program.get_managers(kind):
            # Managers of one type are matched in their order: what they are called may be what was changed.
            types[manager._name] = types.get(manager._name, 0) + 1
            number = types[manager._name]
            who = manager._description if number == 1 else f"{manager._description} {number}"
            settings[who, None] = True
            for field in manager._fields.values():
                if self._is_setting(field):
                    settings[who, field._description_string(self.env)] = self._in_words(manager, field)
        return settings

    def _is_setting(self, field):
        stored = field.store or field.type == "one2many"
        return stored and field.copy and not field.related and field.name not in NO_SETTING

    def _in_words(self, record, field):
        value = record[field.name]
        if field.type == "one2many":
            return "; ".join(
                ", ".join(
                    f"{part._description_string(self.env)} {self._in_words(line, part)}"
                    for part in line._fields.values()
                    if self._is_setting(part) and part.name != field.inverse_name and line[part.name]
                )
                for line in value
            )
        if field.type in ("many2one", "many2many"):
            return ", ".join(value.mapped("display_name")) or "–"
        if field.type == "boolean":
            return self.env._("yes") if value else self.env._("no")
        if field.type == "selection":
            return dict(field._description_selection(self.env)).get(value) or "–"
        exported = field.convert_to_export(value, record)
        return f"{exported:g}" if isinstance(exported, float) else str(exported or ("0" if value == 0 else "–"))

    def _fingerprint(self):
        """A text that changes whenever a setting of the scenario does."""
        self.ensure_one()
        # sudo, and no language: the text is the same whoever asks, and shows nothing
        scenario = self.sudo().with_context(lang=None)
        settings = [scenario._settings(scenario.sandbox_id, kind) for kind in KINDS]
        settings.append(scenario._program_settings(scenario.sandbox_id))
        settings.append(scenario._pmt_settings(scenario.sandbox_id))
        settings.append(scenario.benchmark_domain or "")
        return hashlib.sha256(repr(settings).encode()).hexdigest()

    # Apply

    def action_confirm_apply(self):
        """Button: say what will change, and ask."""
        self.ensure_one()
        self._check_apply()
        return {
            "type": "ir.actions.client",
            "tag": "g2p_confirm",
            "params": {
                "title": self.env._("Apply to %s", self.program_id.name),
                "message": self.env._(
                    "These settings of %(program)s change now: %(changes)s. Nobody is enrolled or leaves until you press "
                    "Import eligible, Enroll or Verify: then about %(entering)s would enter and %(leaving)s would leave.",
                    program=self.program_id.name,
                    changes="; ".join(self._differences()),
                    entering=self.entering,
                    leaving=self.leaving,
                ),
                "confirm_label": self.env._("Apply to program"),
                "model": self._name,
                "id": self.id,
                "method": "apply_to_program",
            },
        }

    def _check_apply(self):
        self.program_id._check_can(GROUP_MANAGER)
        self.check_access("write")
        self._require_state("simulated")
        if self.outdated:
            raise UserError(self.env._("The settings of %s changed since it was simulated: simulate again.", self.name))
        if not self._differences():
            raise UserError(
                self.env._("%s has the settings of the program already: there is nothing to apply.", self.name)
            )

    def apply_to_program(self):
        """The program takes the eligibility and entitlement settings of the scenario. Members stay as they are."""
        self.ensure_one()
        # Two people who apply at once do so one after the other.
        self.env.cr.execute("SELECT id FROM g2p_program WHERE id = %s FOR UPDATE", [self.program_id.id])
        self._check_apply()
        self._bulk_check("apply_to_program")
        # The program's own steps decide by one set of settings, from the first row to the last.
        self.program_id._bulk_check("settings")
        differences = self._differences()
        rescore = self._pmt_settings(self.sandbox_id) and self._pmt_settings(self.sandbox_id) != self._pmt_settings(
            self.program_id
        )
        self._take_settings(self.sandbox_id, self.program_id)
        self.program_id.message_post(
            body=self.env._(
                "The scenario “%(scenario)s” was applied: %(changes)s",
                scenario=self.name,
                changes="; ".join(differences),
            )
        )
        # sudo: role, access and state were checked above; these fields are protected
        self.sudo().write({"applied_on": fields.Datetime.now(), "applied_by_id": self.env.uid})
        self._transition("applied")
        if rescore and self.program_id.state == "active":
            return self.program_id.action_compute_pmt_scores()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._(
                    "%(program)s works by the settings of this scenario now.", program=self.program_id.name
                ),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def _take_settings(self, source, target):
        """`target` gets copies of the managers that `source` has, of the kinds that a scenario tries out, where they
        differ; and its proxy means test as a new version, in force at once if `target` is a program at work."""
        target.write({name: source[name] for name in self._program_fields()})
        wanted = self._pmt_settings(source)
        if wanted and wanted != self._pmt_settings(target):
            if target.is_sandbox:
                target.pmt_model_id.unlink()
            version = source.pmt_model_id.copy({"program_id": target.id})
            if not target.is_sandbox:
                version.action_activate()
            target.invalidate_recordset()
        for kind in KINDS:
            if self._settings(source, kind) == self._settings(target, kind):
                continue
            for manager in target.get_managers(kind):
                manager.unlink()
            target.invalidate_recordset()
            for manager in source.get_managers(kind):
                manager.copy({"program_id": target.id})
