from werkzeug.exceptions import NotFound

from odoo import http
from odoo.exceptions import AccessError
from odoo.http import content_disposition, request

KINDS = {"result": "result", "refused_file": "refused"}


class RegistrantImportController(http.Controller):
    @http.route("/g2p_registry_base/import/<int:import_id>/<string:kind>.csv", type="http", auth="user")
    def import_file(self, import_id, kind):
        """The file with what became of its rows, made while it is sent: it may have millions of rows."""
        record = request.env["g2p.registrant.import"].browse(import_id).exists()
        if kind not in KINDS or not record:
            raise NotFound()
        try:
            record.check_access("read")
            request.env["g2p.registrant.import.line"].check_access("read")
        except AccessError as error:
            raise NotFound() from error
        # On record with this request, before the first line is sent.
        rows = record.refused_count if KINDS[kind] == "refused" else record.total_count
        request.env["g2p.export.log"]._note(
            record._name, rows, "file", record, personal=("contact", "identity", "account")
        )
        registry, uid, context = request.env.registry, request.env.uid, dict(request.env.context)

        def lines():
            # the request's own cursor is closed by the time the file is sent
            with registry.cursor(readonly=True) as cr:
                yield from (
                    line.encode()
                    for line in record.with_env(record.env(cr=cr, user=uid, context=context))._result_file(KINDS[kind])
                )

        name = record.name.rsplit(".", 1)[0]
        return request.make_response(
            lines(),
            headers=[
                ("Content-Type", "text/csv; charset=utf-8"),
                ("Content-Disposition", content_disposition(f"{name}-{KINDS[kind]}.csv")),
                ("X-Content-Type-Options", "nosniff"),
            ],
        )
