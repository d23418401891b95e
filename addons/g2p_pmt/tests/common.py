from odoo.tools import SQL

from odoo.addons.g2p_programs.tests.common import ProgramsCase


class PMTCase(ProgramsCase):
    """Households that answer an application form, and a model to score them with."""

    QUESTIONS = [
        {"name": "children", "string": "Children", "type": "integer"},
        {"name": "square_feet", "string": "Square feet", "type": "float"},
        {"name": "land", "string": "Land", "type": "float"},
        {"name": "electricity", "string": "Electricity", "type": "boolean"},
        {"name": "vehicle", "string": "Vehicles", "type": "integer"},
        {
            "name": "roof",
            "string": "Roof",
            "type": "selection",
            "selection": [["thatch", "Thatch"], ["iron", "Iron sheets"], ["tiles", "Tiles"]],
        },
        {"name": "known_poor", "string": "Known to be poor", "type": "boolean"},
    ]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.grant = cls.program("Child Grant", target_type="group", pmt_config=True)
        cls.grant.definition_id.sudo().application_schema = cls.QUESTIONS

    @classmethod
    def model(cls, terms, program=None, **values):
        """A draft of the manager's; terms as values or as (question, weight)."""
        program = program or cls.grant
        lines = []
        for position, term in enumerate(terms):
            if isinstance(term, tuple):
                term = {"pmt_field": term[0], "pmt_weightage": term[1]}
            term = {"source": "application", "sequence": position, **term}
            for name in ("category_ids", "class_ids", "weight_ids"):
                term[name] = [(0, 0, line) for line in term.get(name, ())]
            lines.append((0, 0, term))
        for name in ("band_ids", "cut_off_ids"):
            values[name] = [(0, 0, line) for line in values.get(name, ())]
        return (
            cls.env["g2p.pmt.model"]
            .with_user(cls.manager)
            .create({"program_id": program.id, "term_ids": lines, **values})
        )

    @classmethod
    def apply(cls, household, program=None, **answers):
        return cls.env["g2p.program.registrant_info"].create(
            {
                "registrant_id": household.id,
                "program_id": (program or cls.grant).id,
                "program_registrant_info": answers,
            }
        )

    @classmethod
    def applicant(cls, name="Household", program=None, area=None, **answers):
        """A household that has applied with these answers."""
        household = cls.household(name, area_id=area.id if area else False)
        cls.apply(household, program, **answers)
        return household

    def score(self, household, program=None):
        """The household's score by the active version."""
        score = self.env["g2p.pmt.score"].search(
            [
                ("partner_id", "=", household.id),
                ("program_id", "=", (program or self.grant).id),
                ("latest", "=", True),
                ("model_id.state", "=", "active"),
            ]
        )
        self.assertLessEqual(len(score), 1)
        return score

    def points(self, household):
        """The points of each term."""
        return [line["points"] for line in self.score(household).breakdown]

    def exact_score(self, household):
        """As the database keeps it."""
        [[text]] = self.env.execute_query(
            SQL("SELECT score::text FROM g2p_pmt_score WHERE id = %s", self.score(household).id)
        )
        return text

    @classmethod
    def activate(cls, model):
        model.with_user(cls.manager).action_activate()
        return model

    def compute(self, program=None, user=None):
        program = (program or self.grant).with_user(user or self.users["validator"])
        program.action_compute_pmt_scores()
        return self.operation(program, "score")
