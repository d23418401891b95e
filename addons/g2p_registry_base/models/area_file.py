from odoo import api, fields, models

MIXIN = "g2p.area.file.mixin"


class PeopleFile(fields.Binary):
    """A file of people of any area, kept as an attachment: nobody gets it who may not have it, whatever is in the cache."""

    def convert_to_read(self, value, record, use_display_name=True):
        return super().convert_to_read(value, record, use_display_name) if record._may_have_files() else False

    def convert_to_export(self, value, record):
        return super().convert_to_export(value, record) if record._may_have_files() else ""


class AreaFileMixin(models.AbstractModel):
    """A record with a file that holds people of any area. Who is limited to areas gets the whole file only where they brought it
    themselves; of others they see the record and its counts, and the rows of their areas. Files of people are not indexed."""

    _name = MIXIN
    _description = "Record with a File of People"

    def _may_have_files(self):
        """Whether the user may have the files of all these records; access to the records is checked elsewhere."""
        # sudo: the user's own areas, and who brought the file
        return self.env.su or not self.env.user.sudo().g2p_area_ids or self.sudo().create_uid <= self.env.user

    @api.model_create_multi
    def create(self, vals_list):
        return super(AreaFileMixin, self.with_context(g2p_no_text_index=True)).create(vals_list).with_env(self.env)

    def write(self, vals):
        return super(AreaFileMixin, self.with_context(g2p_no_text_index=True)).write(vals)
