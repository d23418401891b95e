from werkzeug.exceptions import NotFound

from odoo.addons.web.controllers.json import WebJsonController


class JsonRoute(WebJsonController):
    def _check_json_route_active(self):
        """Odoo's experimental way to read any list as JSON by the right to export: it would be an export that is not on record."""
        raise NotFound()
