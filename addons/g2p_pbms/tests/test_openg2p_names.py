"""Names that scripts of OpenG2P use, called as they call them: XML-RPC over HTTP, as a user with a role."""

import xmlrpc.client

from odoo.tests import HttpCase, new_test_user, tagged

from odoo.addons.g2p_programs.tests.money import MoneyCase

PASSWORD = "openg2p-names-1"

# Fields that a script reads with read() or search_read(), by model.
FIELDS = {
    "g2p.program": [
        "auto_enrol_partners",
        "auto_enrol_partners_domain",
        "auto_enrol_partners_delete_not_eligible",
        "is_multiple_form_submission",
        "locked",
        "locked_reason",
        "have_members",
        "eligible_beneficiaries_count",
        "beneficiaries_count",
        "duplicate_membership_count",
        "cycles_count",
        "date_ended",
        "pmt_config",
    ],
    "g2p.cycle": [
        "total_amount",
        "total_amount_in_words",
        "show_approve_entitlements_button",
        "locked",
        "members_count",
        "entitlements_count",
        "payments_count",
        "auto_approve_entitlements",
        "approved_date",
        "approved_by",
    ],
    "g2p.program_membership": [
        "registrant_id",
        "enrollment_date",
        "deduplication_status",
        "exit_date",
        "latest_registrant_info",
        "latest_registrant_info_status",
        "program_registrant_info_ids",
    ],
    "g2p.entitlement": [
        "code",
        "ern",
        "id_number",
        "disbursement_id",
        "balance",
        "payment_status",
        "payment_date",
        "show_payment_prepare",
        "program_registrant_info_ids",
    ],
    "res.partner": ["kind_as_str", "program_membership_count", "entitlements_count"],
}


@tagged("post_install", "-at_install")
class TestOpenG2PNames(MoneyCase, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.script = new_test_user(
            cls.env,
            login="script",
            password=PASSWORD,
            groups="g2p_programs.g2p_program_manager,g2p_registry_base.group_g2p_registrar",
        )

    def call(self, model, method, *args, **kwargs):
        """As xmlrpc.client.ServerProxy does it."""
        return self.xmlrpc_object.execute_kw(
            self.env.cr.dbname, self.script.id, PASSWORD, model, method, list(args), kwargs
        )

    def world(self):
        cycle = self.new_cycle()
        cycle.prepare_entitlement()
        self.env.flush_all()
        return {
            "g2p.program": self.grant,
            "g2p.cycle": cycle,
            "g2p.program_membership": self.grant.program_membership_ids,
            "g2p.entitlement": cycle.entitlement_ids,
            "res.partner": self.families,
        }

    def test_fields_are_read(self):
        for model, records in self.world().items():
            with self.subTest(model=model):
                rows = self.call(model, "read", records.ids, FIELDS[model])
                self.assertEqual(len(rows), len(records))
                self.assertEqual(set(rows[0]), {"id", *FIELDS[model]})

    def test_aliases_are_written_and_searched(self):
        program = self.grant
        self.call(
            "g2p.program", "write", [program.id], {"auto_enrol_partners_domain": "[('birth_place', '=', 'Adama')]"}
        )
        self.call("g2p.program", "write", [program.id], {"is_multiple_form_submission": True})
        self.env.invalidate_all()
        self.assertEqual(program.auto_enrol_domain, "[('birth_place', '=', 'Adama')]")
        self.assertTrue(program.multiple_form_submission)
        found = self.call("g2p.program", "search", [("is_multiple_form_submission", "=", True)])
        self.assertIn(program.id, found)

    def test_the_amount_in_words_and_the_registrant(self):
        world = self.world()
        [row] = self.call("g2p.cycle", "read", world["g2p.cycle"].ids, ["total_amount", "total_amount_in_words"])
        self.assertEqual(row["total_amount"], 380)
        self.assertIn("Three Hundred", row["total_amount_in_words"])
        member = world["g2p.program_membership"][0]
        [row] = self.call("g2p.program_membership", "read", member.ids, ["registrant_id"])
        self.assertEqual(row["registrant_id"], member.partner_id.id)

    def test_the_payment_of_an_entitlement(self):
        cycle = self.paid_out()
        entitlement = cycle.entitlement_ids[0]
        self.env.flush_all()
        [row] = self.call("g2p.entitlement", "read", entitlement.ids, ["disbursement_id"])
        self.assertEqual(row["disbursement_id"][0], entitlement.payment_ids.id)

    def test_beneficiaries_are_listed_and_counted(self):
        self.world()
        program = self.grant.id
        self.assertEqual(self.call("g2p.program", "get_beneficiaries", [program], ["enrolled"], count=True), 3)
        ids = self.call("g2p.program", "get_beneficiaries", [program], state="enrolled", offset=1, limit=1, order="id")
        self.assertEqual(ids, self.grant.program_membership_ids.sorted("id")[1].ids)

    def test_people_of_households_are_counted(self):
        self.world()
        counts = dict(self.call("res.partner", "count_individuals", self.families.ids))
        self.assertEqual(counts, {self.large.id: 5, self.small.id: 1})
        self.large.group_membership_ids[0].individual.birth_place = "Adama"
        self.env.flush_all()
        found = self.call("res.partner", "count_individuals", self.families.ids, [], [["birth_place", "=", "Adama"]])
        self.assertEqual(found, [[self.large.id, 1]])
        self.assertEqual(self.call("res.partner", "count_individuals", self.families.ids, ["Head"]), [])

    def test_methods_of_scripts(self):
        self.world()
        with self.assertRaisesRegex(xmlrpc.client.Fault, "Nobody is told"):
            self.call("g2p.program", "notify_eligible_beneficiaries", [self.grant.id])
        wizard = self.call(
            "g2p.disable.registrant.wizard", "create", {"partner_id": self.empty.id, "disabled_reason": "Moved away"}
        )
        self.call("g2p.disable.registrant.wizard", "disable_registrant", [wizard])
        self.env.invalidate_all()
        self.assertTrue(self.empty.disabled)
        other = self.program("To archive", "group")
        self.env.flush_all()
        self.call("g2p.program", "toggle_active", [other.id])
        self.env.invalidate_all()
        self.assertFalse(other.active)

    def test_an_entitlement_by_hand(self):
        cycle = self.new_cycle()
        self.env.flush_all()
        wizard = self.call(
            "g2p.entitlement.create.wizard",
            "create",
            {
                "partner_id": self.small.id,
                "cycle_id": cycle.id,
                "initial_amount": 42,
                "transfer_fee": 2,
                "reason": "From the old system",
            },
        )
        self.call("g2p.entitlement.create.wizard", "create_entitlement", [wizard])
        self.env.invalidate_all()
        self.assertEqual(cycle.entitlement_ids.mapped("balance"), [40])
