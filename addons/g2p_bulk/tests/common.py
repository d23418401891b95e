"""A world for the engine's tests: a target with rows to move, in models that exist in these tests only."""

from odoo import api, fields, models
from odoo.orm.model_classes import add_to_registry
from odoo.tests import TransactionCase
from odoo.tools import SQL


class Hooks:
    """What a test wants to happen inside a step."""

    on_before = None
    on_chunk = None
    on_finish = None

    @classmethod
    def reset(cls):
        cls.on_before = cls.on_chunk = cls.on_finish = None


class Shelf(models.Model):
    """Moves its books: those with a key divisible by ten are refused, the others moved."""

    _name = "g2p.bulk.test.shelf"
    _inherit = ["g2p.bulk.mixin"]
    _description = "Shelf"
    _module = "g2p_bulk"

    name = fields.Char()
    company_id = fields.Many2one("res.company")
    finished = fields.Integer(default=0)
    state = fields.Selection([("open", "Open"), ("sealed", "Sealed")], default="open", required=True)
    complaint = fields.Char(help="What the step *Move* has left wrong.")

    @api.model
    def _bulk_relies_on(self):
        return super()._bulk_relies_on() | {"seal": ("move",), "touch": ()}

    @api.model
    def _bulk_acts(self):
        return (*super()._bulk_acts(), "touch")

    def seal(self):
        """A transition."""
        self._bulk_check("seal")
        self.state = "sealed"


class Move(models.AbstractModel):
    _name = "g2p.bulk.test.step.move"
    _inherit = "g2p.bulk.step"
    _description = "Move"
    _module = "g2p_bulk"

    _target = "g2p.bulk.test.shelf"
    _step = "move"
    _place = 10
    _from_states = ("open",)
    _completed_by = ("undo",)

    def _label(self):
        return "Move"

    def _outcomes(self):
        return {"moved": ("Moved", "done"), "refused": ("Refused", "skipped")}

    def _shortfall(self, record, name):
        return record.complaint

    def _before(self, record, operation):
        if Hooks.on_before:
            Hooks.on_before(record, operation)

    def _source(self, record, operation):
        return SQL("SELECT key FROM g2p_bulk_test_book WHERE shelf_id = %s AND state = 'draft'", record.id)

    def _chunk(self, record, operation, low, high):
        if Hooks.on_chunk:
            Hooks.on_chunk(record, operation, low, high)
        book = self.env["g2p.bulk.test.book"]
        in_range = SQL("t.shelf_id = %s AND %s", record.id, self._range("t", "key", low, high))
        counted = {"touched": SQL("t.touched + 1")}
        return {
            "refused": book._transition_where(
                SQL("%s AND t.key %% 10 = 0", in_range), "refused", "divisible by ten", operation, counted, "draft"
            ),
            "moved": book._transition_where(in_range, "moved", None, operation, counted, "draft"),
        }

    def _finish(self, record, operation):
        if Hooks.on_finish:
            Hooks.on_finish(record, operation)
        self.env.cr.execute(SQL("UPDATE g2p_bulk_test_shelf SET finished = finished + 1 WHERE id = %s", record.id))


class Other(models.AbstractModel):
    _name = "g2p.bulk.test.step.other"
    _inherit = "g2p.bulk.step"
    _description = "Other"
    _module = "g2p_bulk"

    _target = "g2p.bulk.test.shelf"
    _step = "other"
    _place = 20
    _relies_on = ("move",)

    def _label(self):
        return "Other"

    def _source(self, record, operation):
        return SQL("SELECT 1 AS key")

    def _chunk(self, record, operation, low, high):
        return {"moved": 1}


class Undo(models.AbstractModel):
    _name = "g2p.bulk.test.step.undo"
    _inherit = "g2p.bulk.test.step.other"
    _description = "Undo"
    _module = "g2p_bulk"

    _step = "undo"
    _place = 30
    _relies_on = ()

    def _label(self):
        return "Undo"


class Book(models.Model):
    _name = "g2p.bulk.test.book"
    _inherit = ["g2p.state.mixin"]
    _description = "Book"
    _module = "g2p_bulk"

    _protected_fields = ("state", "price")

    shelf_id = fields.Many2one("g2p.bulk.test.shelf")
    key = fields.Integer()
    touched = fields.Integer(default=0)
    price = fields.Integer()
    title = fields.Char()
    state = fields.Selection(
        [("draft", "Draft"), ("moved", "Moved"), ("refused", "Refused")], default="draft", copy=False
    )


NAMES = ["g2p.bulk.test.shelf", "g2p.bulk.test.book"]
STEPS = ["g2p.bulk.test.step.move", "g2p.bulk.test.step.other", "g2p.bulk.test.step.undo"]


class WorldCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.addClassCleanup(Hooks.reset)
        cls.addClassCleanup(cls._forget_models)
        for model in (Shelf, Move, Other, Undo, Book):
            add_to_registry(cls.registry, model)
        cls.registry._setup_models__(cls.cr, [])
        cls._make_tables()

    @classmethod
    def _make_tables(cls):
        cls.registry.init_models(cls.cr, NAMES, {"module": "g2p_bulk"})

    @classmethod
    def _forget_models(cls):
        for name in (*NAMES, *reversed(STEPS)):
            del cls.registry[name]
        with cls.registry.cursor() as cr:
            cls.registry._setup_models__(cr)

    def setUp(self):
        super().setUp()
        self.addCleanup(Hooks.reset)

    @staticmethod
    def fill(env, rows, **values):
        """A shelf with ``rows`` books with keys 1 … rows."""
        shelf = env["g2p.bulk.test.shelf"].create({"name": "Shelf", **values})
        env.flush_all()
        env.cr.execute(
            SQL(
                """
            INSERT INTO g2p_bulk_test_book (shelf_id, key, touched, state)
            SELECT %s, key, 0, 'draft' FROM generate_series(1, %s) AS key
            """,
                shelf.id,
                rows,
            )
        )
        return shelf

    def touched(self, shelf):
        """{times touched: books}: what shows that nothing was done twice."""
        shelf.env.cr.execute(
            SQL("SELECT touched, COUNT(*) FROM g2p_bulk_test_book WHERE shelf_id = %s GROUP BY touched", shelf.id)
        )
        return dict(shelf.env.cr.fetchall())
