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
    def _bulk_steps(self):
        return super()._bulk_steps() | {"move": "Move", "other": "Other", "undo": "Undo"}

    @api.model
    def _bulk_relies_on(self):
        return super()._bulk_relies_on() | {"move": (), "other": ("move",), "undo": (), "seal": ("move",), "touch": ()}

    @api.model
    def _bulk_acts(self):
        return (*super()._bulk_acts(), "touch")

    @api.model
    def _bulk_from_states(self):
        return super()._bulk_from_states() | {"move": ("open",)}

    @api.model
    def _bulk_completed_by(self):
        return super()._bulk_completed_by() | {"move": ("undo",)}

    def _bulk_shortfall(self, step, name):
        return self.complaint if step == "move" else super()._bulk_shortfall(step, name)

    def _bulk_source_other(self, operation):
        return SQL("SELECT 1 AS key")

    def _bulk_chunk_other(self, operation, low, high):
        return {"moved": 1}

    _bulk_source_undo = _bulk_source_other
    _bulk_chunk_undo = _bulk_chunk_other

    def seal(self):
        """A transition."""
        self._bulk_check("seal")
        self.state = "sealed"

    @api.model
    def _bulk_outcomes(self):
        return {"moved": ("Moved", "done"), "refused": ("Refused", "skipped")} | super()._bulk_outcomes()

    def _bulk_before_move(self, operation):
        if Hooks.on_before:
            Hooks.on_before(self, operation)

    def _bulk_source_move(self, operation):
        return SQL("SELECT key FROM g2p_bulk_test_book WHERE shelf_id = %s AND state = 'draft'", self.id)

    def _bulk_chunk_move(self, operation, low, high):
        if Hooks.on_chunk:
            Hooks.on_chunk(self, operation, low, high)
        book = self.env["g2p.bulk.test.book"]
        in_range = SQL("t.shelf_id = %s AND t.key > %s AND t.key <= %s", self.id, low, high)
        counted = {"touched": SQL("t.touched + 1")}
        return {
            "refused": book._transition_where(
                SQL("%s AND t.key %% 10 = 0", in_range), "refused", "divisible by ten", operation, counted, "draft"
            ),
            "moved": book._transition_where(in_range, "moved", None, operation, counted, "draft"),
        }

    def _bulk_finish_move(self, operation):
        if Hooks.on_finish:
            Hooks.on_finish(self, operation)
        self.env.cr.execute(SQL("UPDATE g2p_bulk_test_shelf SET finished = finished + 1 WHERE id = %s", self.id))


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


class WorldCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.addClassCleanup(Hooks.reset)
        cls.addClassCleanup(cls._forget_models)
        for model in (Shelf, Book):
            add_to_registry(cls.registry, model)
        cls.registry._setup_models__(cls.cr, [])
        cls._make_tables()

    @classmethod
    def _make_tables(cls):
        cls.registry.init_models(cls.cr, NAMES, {"module": "g2p_bulk"})

    @classmethod
    def _forget_models(cls):
        for name in NAMES:
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
