from odoo import http
from odoo.http import request


class PMTExport(http.Controller):
    @http.route("/g2p_pmt/model/<int:model_id>.<any(json,csv):kind>", type="http", auth="user")
    def model_file(self, model_id, kind):
        """The file of a model. Access rights and record rules decide; a model holds no person's data."""
        model = request.env["g2p.pmt.model"].search([("id", "=", model_id)])
        if not model:
            raise request.not_found()
        request.env["g2p.export.log"]._note(model._name, 1, "file", model)
        name = f"{model.display_name}.{kind}".replace("/", "-")
        content = model._to_json() if kind == "json" else model._to_csv()
        return request.make_response(
            content.encode(),
            [
                ("Content-Type", "application/json" if kind == "json" else "text/csv; charset=utf-8"),
                ("Content-Disposition", http.content_disposition(name)),
            ],
        )
