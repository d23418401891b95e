"""A program that finds its beneficiaries by a proxy means test: what the demo country shows of applications, scores and
scenarios. Made by the buttons that a program manager presses; only the applications are written by one statement."""

from odoo import api, models
from odoo.fields import Command
from odoo.tools import SQL

from odoo.addons.g2p_program_registrant_info.tools.numbers import Numbering
from odoo.addons.g2p_registry_base.tools import standing

from ..tools.questions import QUESTIONS

PROGRAM = "Poor Households Grant"
BENEFIT = "CASH-GRANT"
# What applicants are asked: what the registry knows of households, but not what the survey found.
ASKED = [question for question in QUESTIONS if question["name"] != "known_poor"]
CUT_OFF = 95
WEIGHTS = {"rooms": 20, "land": 10, "electricity": 25, "roof": 1, "water": 1}
POINTS = {
    "roof": {"thatch": 0, "tin": 15, "tiles": 40},
    "water": {"river": 0, "well": 10, "tap": 20, "piped": 40},
}
BANDS = (("Extremely poor", 60), ("Poor", CUT_OFF), ("Near poor", 140))
# Of 256 households so many have applied.
APPLICANTS = 205
PAPER = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj "
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)


class DemoTargeting(models.AbstractModel):
    _name = "g2p.demo.targeting"
    _description = "Program of the demo country by means test"

    @api.model
    def _generate(self):
        """Make the program, its applications, its means test and a scenario, with the rights of a program manager.

        :return: the program, the active model and the scenario
        """
        program = self._create_program()
        self._insert_applications(program)
        self._hand_in_paper(program)
        model = self._create_model(program)
        program.action_compute_pmt_scores()
        program.enroll_eligible_registrants()
        scenario = self._simulate(program)
        self._pause_one(program)
        return program, model, scenario

    def _create_program(self):
        """Active, with questions, a benefit code, and the means test as its only rule."""
        # sudo: benefit codes are the administrators'; who makes the demo has made the country
        codes = self.env["g2p.benefit.codes"].sudo()
        code = codes.with_context(active_test=False).search([("benefit_mnemonic", "=", BENEFIT)]) or codes.create(
            {
                "benefit_mnemonic": BENEFIT,
                "benefit_description": "Cash grant to a household",
                "measurement_unit": self.env.company.currency_id.name,
            }
        )
        wizard = self.env["g2p.program.create.wizard"].create(
            {
                "name": PROGRAM,
                "target_type": "group",
                "amount_per_cycle": 150,
                "benefit_code_id": code.id,
                "no_account_policy": "desk",
            }
        )
        # sudo: nobody is asked to agree to the start of the demo's program
        program = self.env["g2p.program"].browse(wizard.sudo().create_program()["res_id"])
        program.definition_id.application_schema = ASKED
        program.pmt_config = True
        program.eligibility_managers.unlink()
        self.env["g2p.program_membership.manager.pmt"].create({"name": "Means test", "program_id": program.id})
        return program

    def _insert_applications(self, program):
        """Most households have applied, with what the registry knows of them as their answers: draft members, each with an
        application. One statement for each table, whatever their number."""
        log = {
            "uid": self.env.uid,
            "now": SQL("now() AT TIME ZONE 'UTC'"),
            "program": program.id,
        }
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                WITH inserted AS (
                    INSERT INTO g2p_program_membership
                           (partner_id, program_id, state, create_uid, write_uid, create_date, write_date)
                    SELECT id, %(program)s, 'draft', %(uid)s, %(uid)s, %(now)s, %(now)s
                      FROM res_partner
                     WHERE is_registrant AND is_group AND %(present)s AND registrant_attributes IS NOT NULL
                       AND get_byte(sha256(convert_to('application:' || ref, 'UTF8')), 0) < %(applicants)s
                     ORDER BY id
                 RETURNING id
                )
                %(history)s
                """,
                applicants=APPLICANTS,
                present=standing.present("res_partner"),
                history=self.env["g2p.program_membership"]._history_sql(
                    SQL("SELECT id, NULL::varchar, 'draft', NULL::varchar FROM inserted")
                ),
                **log,
            )
        )
        numbering = Numbering(self.env)
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO g2p_program_registrant_info
                       (application_id, applied_date, program_membership_id, registrant_id, program_id, definition_id, state,
                        is_latest, several, program_registrant_info, create_uid, write_uid, create_date, write_date)
                SELECT %(number)s, %(now)s, membership_id, partner_id, %(program)s, %(definition)s, 'active', TRUE, FALSE, answers,
                       %(uid)s, %(uid)s, %(now)s, %(now)s
                  FROM (SELECT membership.id AS membership_id, membership.partner_id, %(drawn)s AS number,
                               household.registrant_attributes - 'known_poor' AS answers
                          FROM g2p_program_membership AS membership
                          JOIN res_partner AS household ON household.id = membership.partner_id
                         WHERE membership.program_id = %(program)s
                         ORDER BY membership.id) AS drawn
                """,
                number=numbering.text(SQL("drawn.number")),
                drawn=numbering.drawn,
                definition=program.definition_id.id,
                **log,
            )
        )
        self.env.cr.execute("ANALYZE g2p_program_membership, g2p_program_registrant_info")
        self.env.invalidate_all(flush=False)
        program._refresh_counters()

    def _hand_in_paper(self, program):
        """The first applicant has handed in a paper, and was visited."""
        # sudo: types of documents are the administrators'; who makes the demo has made the country
        tags = self.env["g2p.document.tag"].sudo()
        tag = tags.search([("name", "=", "Proof of residence")]) or tags.create({"name": "Proof of residence"})
        application = self.env["g2p.program.registrant_info"].search(
            [("program_id", "=", program.id)], order="id", limit=1
        )
        application.document_ids = [
            Command.create({"name": "residence.pdf", "raw": PAPER, "g2p_document_tag_id": tag.id})
        ]
        self.env["g2p.program.assessment"].create(
            {"registrant_info_id": application.id, "remarks": "Visited: the answers are as stated."}
        )

    def _create_model(self, program):
        """The means test, active."""
        kinds = {question["name"]: question for question in ASKED}
        model = self.env["g2p.pmt.model"].create(
            {
                "program_id": program.id,
                "note": "Made up for the demo country: not fitted to any survey.",
                "has_cut_off": True,
                "cut_off": CUT_OFF,
                "known_poor_key": "attribute:known_poor",
                "term_ids": [
                    Command.create(
                        {
                            "sequence": number,
                            "source": "application",
                            "pmt_field": name,
                            "pmt_weightage": weight,
                            "category_ids": [
                                Command.create({"value": choice, "points": POINTS[name][choice]})
                                for choice, _label in kinds[name].get("selection", ())
                            ],
                        }
                    )
                    for number, (name, weight) in enumerate(WEIGHTS.items())
                ],
                "band_ids": [
                    *(Command.create({"name": name, "bound": bound}) for name, bound in BANDS),
                    Command.create({"name": "Not poor", "is_rest": True}),
                ],
            }
        )
        model.action_activate()
        return model

    def _simulate(self, program):
        """What a higher amount would cost, and whom of the known poor the program reaches."""
        scenario = self.env["g2p.program.scenario"].create(
            {
                "name": "200 a household",
                "description": "May the amount be raised by a third?",
                "program_id": program.id,
                "benchmark_domain": '[("registrant_attributes.known_poor", "=", True)]',
            }
        )
        [entitlement] = scenario.sandbox_id.get_managers(scenario.sandbox_id.MANAGER_ENTITLEMENT)
        entitlement.amount_per_cycle = 200
        scenario.action_simulate()
        return scenario

    def _pause_one(self, program):
        """The member who was enrolled last has moved away."""
        member = self.env["g2p.program_membership"].search(
            [("program_id", "=", program.id), ("state", "=", "enrolled")], order="id DESC", limit=1
        )
        wizard = self.env["g2p.membership.change.wizard"].browse(member.action_pause()["res_id"])
        wizard.reason_id = self.env.ref("g2p_program_membership_change.change_reason_moved_away")
        wizard.action_confirm()
