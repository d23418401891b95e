from werkzeug.exceptions import Forbidden, NotFound

from odoo import http
from odoo.exceptions import AccessError, UserError
from odoo.http import content_disposition, request


class CsvFiles(http.Controller):
    """Files of as many lines as there are payments, made while they are sent."""

    @http.route("/g2p_programs/batch/<int:record_id>/payments.csv", type="http", auth="user")
    def batch_payments(self, record_id):
        """The file of a batch, as it was made, for who pays it. Each time it is taken is on record."""
        batch = request.env["g2p.payment.batch"].browse(record_id).exists()
        if not batch or not batch.has_access("read"):
            raise NotFound()
        try:
            content = batch._take_file()
        except (AccessError, UserError) as error:
            raise Forbidden(str(error)) from error
        return request.make_response(content, headers=self._headers(batch._export_filename()))

    @http.route("/g2p_programs/reconciliation/<int:record_id>/outcome.csv", type="http", auth="user")
    def reconciliation_outcome(self, record_id):
        """The lines of a payer's file with what became of them."""
        return self._send(
            "g2p.payment.reconciliation", record_id, "_check_can_download", "_outcome_lines", "_outcome_filename"
        )

    def _send(self, model, record_id, check, lines, filename):
        record = request.env[model].browse(record_id).exists()
        if not record or not record.has_access("read"):
            raise NotFound()
        try:
            getattr(record, check)()
        except (AccessError, UserError) as error:
            raise Forbidden(str(error)) from error
        # On record with this request, before the first line is sent.
        request.env["g2p.export.log"]._note(model, record._export_count(), "file", record, personal=("account",))
        registry, uid, context = request.env.registry, request.env.uid, dict(request.env.context)

        def encoded():
            # the request's own cursor is closed by the time the file is sent
            with registry.cursor(readonly=True) as cr:
                mine = record.with_env(record.env(cr=cr, user=uid, context=context, su=False))
                for text in getattr(mine, lines)():
                    yield text.encode()

        return request.make_response(encoded(), headers=self._headers(getattr(record, filename)()))

    def _headers(self, filename):
        return [
            ("Content-Type", "text/csv; charset=utf-8"),
            ("Content-Disposition", content_disposition(filename)),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
        ]
