from odoo.addons.g2p_programs.tests.common import ProgramsCase


class DeduplicationCase(ProgramsCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.admin, cls.registrar, cls.manager = (cls.users[role] for role in ("admin", "registrar", "manager"))
        cls.id_type = cls.env["g2p.id.type"].create({"name": "Kebele card", "is_unique": False})
        cls.other_type = cls.env["g2p.id.type"].create({"name": "Refugee card", "is_unique": False})
        cls.settings = cls.env.ref("g2p_deduplication.registry_deduplication_individual")
        cls.settings.company_id = cls.env.company

    def only(self, model, target_type="individual", **values):
        """A program whose one deduplication manager is of this type."""
        program = self.program(f"Only {model} {self.env['g2p.program'].search_count([])}", target_type=target_type)
        program.deduplication_managers.unlink()
        manager = self.env[f"g2p.deduplication.manager.{model}"].create(
            {"name": model, "program_id": program.id, **values}
        )
        return program, manager

    def sets(self, program):
        """{names of the registrants} of each open set of a program."""
        records = self.env["g2p.program.membership.duplicate"].search(
            [("program_id", "=", program.id), ("state", "=", "duplicate")]
        )
        return {frozenset(record.beneficiary_ids.partner_id.mapped("name")) for record in records}

    def document(self, partner, value, id_type=None):
        return self.env["g2p.reg.id"].create(
            {"partner_id": partner.id, "id_type": (id_type or self.id_type).id, "value": value}
        )

    def phone(self, partner, number):
        return self.env["g2p.phone.number"].create({"partner_id": partner.id, "phone_no": number})

    def account(self, partner, number, **values):
        return self.env["res.partner.bank"].create({"partner_id": partner.id, "acc_number": number, **values})
