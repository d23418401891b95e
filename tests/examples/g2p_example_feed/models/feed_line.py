from odoo import fields, models


class FeedLine(models.Model):
    _name = "g2p.example.feed.line"
    _description = "Line of the feed"
    _order = "id desc"
    _rec_name = "state"
    _log_access = False

    _move_uniq = models.Constraint("UNIQUE (move)", "This move is in the feed already.")

    move = fields.Char(required=True, readonly=True)
    entitlement_id = fields.Many2one("g2p.entitlement", required=True, readonly=True, index=True, ondelete="cascade")
    state = fields.Char("Came to", required=True, readonly=True)
