from datetime import timedelta

from psycopg2 import IntegrityError

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests import TransactionCase, tagged
from odoo.tools import mute_logger


@tagged("post_install", "-at_install")
class TestRelationships(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.parent = cls.env.ref("g2p_registry_base.relationship_parent")
        cls.sibling = cls.env.ref("g2p_registry_base.relationship_sibling")
        cls.almaz, cls.hana = cls.env["res.partner"].create(
            [{"is_registrant": True, "given_name": name} for name in ("Almaz", "Hana")]
        )
        cls.household = cls.env["res.partner"].create({"is_registrant": True, "is_group": True, "name": "Tesfaye"})

    def relate(self, source, relation, destination, **values):
        return self.env["g2p.reg.rel"].create(
            {"source": source.id, "relation": relation.id, "destination": destination.id, **values}
        )

    def test_a_relation_is_seen_from_both_ends(self):
        rel = self.relate(self.almaz, self.parent, self.hana)
        self.assertEqual(self.almaz.related_2_ids, rel)
        self.assertEqual(self.hana.related_1_ids, rel)

    @mute_logger("odoo.sql_db")
    def test_nobody_is_related_to_themselves(self):
        with self.assertRaises(IntegrityError), self.env.cr.savepoint():
            self.relate(self.almaz, self.parent, self.almaz)

    @mute_logger("odoo.sql_db")
    def test_a_relation_ends_after_it_starts(self):
        now = fields.Datetime.now()
        with self.assertRaises(IntegrityError), self.env.cr.savepoint():
            self.relate(self.almaz, self.parent, self.hana, start_date=now, end_date=now - timedelta(days=1))

    @mute_logger("odoo.sql_db")
    def test_the_same_relation_does_not_overlap(self):
        first = self.relate(self.almaz, self.parent, self.hana)
        with self.assertRaises(IntegrityError), self.env.cr.savepoint():
            self.relate(self.almaz, self.parent, self.hana)
        first.disable_relationship()
        self.env.flush_all()
        self.assertTrue(self.relate(self.almaz, self.parent, self.hana))

    def test_a_mutual_relation_does_not_overlap_from_the_other_end(self):
        self.relate(self.almaz, self.sibling, self.hana)
        with self.assertRaises(ValidationError):
            self.relate(self.hana, self.sibling, self.almaz)

    def test_a_relation_fits_the_type_of_its_ends(self):
        with self.assertRaises(ValidationError):
            self.relate(self.household, self.parent, self.hana)

    def test_a_mutual_relation_reads_the_same_both_ways(self):
        with self.assertRaises(ValidationError):
            self.env["g2p.relationship"].create(
                {"name": "Friend of", "name_inverse": "Enemy of", "bidirectional": True}
            )
