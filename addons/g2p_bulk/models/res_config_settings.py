from odoo import api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.queue_job.jobrunner.channels import ChannelManager
from odoo.addons.queue_job.jobrunner.runner import _channels

SMALLEST_CHUNK = 100
LARGEST_CHUNK = 1_000_000


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    bulk_inline_threshold = fields.Integer(
        "Rows from which a step runs in the background",
        config_parameter="g2p_bulk.inline_threshold",
        default=20_000,
        help="Steps with fewer rows run at once, in the request of the user who starts them.",
    )
    bulk_chunk_size = fields.Integer(
        "Rows per chunk",
        config_parameter="g2p_bulk.chunk_size",
        default=10_000,
        help="Each chunk is one transaction: what a crash can undo, and what one worker does at a time.",
    )
    bulk_runner = fields.Char("Job runner", compute="_compute_bulk_runner")

    def _compute_bulk_runner(self):
        workers = next(
            (
                channel["capacity"]
                for channel in ChannelManager.parse_simple_config(_channels())
                if channel["name"] == "root"
            ),
            1,
        )
        # sudo: whether a lock is held, of no interest to access rights
        if self.env["g2p.bulk.operation"].sudo()._runner_is_alive():
            text = self.env._(
                "A job runner serves this database. This machine's setting is %(count)s chunks at a time.",
                count=workers,
            )
        else:
            text = self.env._("No job runner serves this database: every step runs at once, whatever its size.")
        self.bulk_runner = text

    @api.constrains("bulk_inline_threshold", "bulk_chunk_size")
    def _check_bulk_sizes(self):
        for settings in self:
            if settings.bulk_inline_threshold < 1:
                raise ValidationError(self.env._("Steps run in the background from 1 row on at the earliest."))
            if not SMALLEST_CHUNK <= settings.bulk_chunk_size <= LARGEST_CHUNK:
                raise ValidationError(
                    self.env._("A chunk holds %(least)s to %(most)s rows.", least=SMALLEST_CHUNK, most=LARGEST_CHUNK)
                )
