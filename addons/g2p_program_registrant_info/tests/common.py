import base64

from odoo.addons.g2p_programs.tests.money import MoneyCase

QUESTIONS = [
    {"name": "rooms", "string": "Rooms", "type": "integer"},
    {"name": "land", "string": "Land in hectares", "type": "float"},
    {"name": "roof", "string": "Roof", "type": "selection", "selection": [["thatch", "Thatch"], ["tin", "Tin"]]},
    {"name": "works", "string": "Somebody works", "type": "boolean"},
]
PDF = base64.b64encode(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF")


class ApplicationCase(MoneyCase):
    """The family grant asks four questions."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.grant.definition_id.application_schema = QUESTIONS
        cls.applications = cls.env["g2p.program.registrant_info"]
        cls.registrar = cls.users["registrar"]
        cls.validator = cls.users["validator"]

    @classmethod
    def apply(cls, family, answers=None, program=None, user=None):
        return (
            cls.applications.with_user(user or cls.registrar)
            .create(
                {
                    "registrant_id": family.id,
                    "program_id": (program or cls.grant).id,
                    "program_registrant_info": answers or {},
                }
            )
            .with_env(cls.env)
        )

    def assess(self, application, remarks="Seen at home"):
        wizard = (
            self.env["g2p.program.assessment.wizard"]
            .with_user(self.validator)
            .create({"registrant_info_id": application.id, "remarks": remarks})
        )
        wizard.action_add()
        return application.assessment_ids.sorted("id")[-1]

    def membership(self, family):
        return self.env["g2p.program_membership"].search(
            [("program_id", "=", self.grant.id), ("partner_id", "=", family.id)]
        )

    def history(self, record):
        rows = self.env["g2p.state.history"].search(
            [("res_model", "=", record._name), ("res_id", "=", record.id)], order="id"
        )
        return [(row.from_state, row.to_state, row.reason or None) for row in rows]
