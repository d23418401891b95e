"""Notification managers answer: whom to tell, once? The types live in plug-ins."""

from odoo import fields, models


class NotificationManager(models.Model):
    _name = "g2p.program.notification.manager"
    _description = "Notification manager reference"
    _inherit = "g2p.manager.mixin"


class BaseNotificationManager(models.AbstractModel):
    """Contract of the kind: `_messages(event)` returns SQL with the columns `registrant_id`, `channel`
    ("email" or "sms"), `template_id` and `event_key`; a message is sent once per (registrant, event_key)."""

    _name = "g2p.base.program.notification.manager"
    _description = "Notification manager"
    _inherit = "g2p.manager.source.mixin"
    _manager_reference = "g2p.program.notification.manager"

    on_enrolled_in_program = fields.Boolean("When enrolled", default=True)
    on_cycle_started = fields.Boolean("When a cycle starts", default=True)
    on_cycle_ended = fields.Boolean("When a cycle ends", default=True)
