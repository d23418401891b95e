"""What a person may fill in on a screen makes a difference: something reads it, or it is there to be read by people."""

import ast
import re
from pathlib import Path

from lxml import etree

from odoo.tests import TransactionCase, tagged

ADDONS = Path(__file__).parents[2]
# (model, field): who reads it, where the source doesn't name it.
READ_BY = {
    **{
        ("g2p.membership.change.reason", f"for_{kind}"): "read as for_ and the kind of change"
        for kind in ("exit", "graduate", "pause", "readmit", "resume")
    },
    **{
        ("g2p.payment.reconciliation", f"{column}_column"): "read as the name of a column of the file, and _column"
        for column in ("reference", "status", "amount", "date", "bank_reference", "reason")
    },
    ("g2p.cycle", "payment_batch_ids"): "the batches themselves, which are made by the step",
    ("g2p.program", "approval_mapping_ids"): "the stages themselves, which are read where something is asked for",
}


class WithoutDefinitions(ast.NodeTransformer):
    """Python source without docstrings, comments and the definitions of fields.

    >>> tree = ast.parse("class A:\\n    'It.'\\n    x = fields.Char(help='x')\\n    y = x + 1  # x")
    >>> print(ast.unparse(WithoutDefinitions().visit(tree)))
    class A:
        y = x + 1
    """

    def visit_Expr(self, node):
        return None if isinstance(node.value, ast.Constant) else node

    def visit_Assign(self, node):
        function = getattr(node.value, "func", None)
        return None if isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == "fields" else node


def conditions_of(arch):
    """What of a view is more than showing a field: attributes that are evaluated, and what searches look for."""
    for node in arch.iter(etree.Element):
        for name, value in node.items():
            if name != "name" or node.tag == "filter":
                yield value
        if node.tag == "field" and any(
            parent.tag in ("search", "pivot", "graph", "calendar") for parent in node.iterancestors()
        ):
            yield node.get("name")


@tagged("post_install", "-at_install")
class TestFieldsDoSomething(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        code = []
        for path in ADDONS.glob("g2p_*/**/*"):
            if "tests" in path.parts or path.name == "__manifest__.py" or "g2p_demo" in path.parts:
                continue
            if path.suffix == ".py":
                code.append(ast.unparse(WithoutDefinitions().visit(ast.parse(path.read_text()))))
            elif path.suffix in (".js",):
                code.append(path.read_text())
        views = cls.env["ir.ui.view"].search([("model_data_id.module", "=like", "g2p\\_%")])
        cls.shown = {}  # {(model, field): a view}
        for view in views:
            arch = etree.fromstring(view.arch)
            code.extend(conditions_of(arch))
            for node in arch.iter("field"):
                model = view.model
                for outer in reversed([parent for parent in node.iterancestors("field") if parent.get("name")]):
                    field = model in cls.env and cls.env[model]._fields.get(outer.get("name"))
                    model = field.comodel_name if field and field.relational else None
                if model in cls.env and any(parent.tag in ("form", "list") for parent in node.iterancestors()):
                    cls.shown.setdefault((model, node.get("name")), view.xml_id)
        for rule in cls.env["ir.rule"].search([]):
            code.append(rule.domain_force or "")
        cls.words = set(re.findall(r"\w+", "\n".join(code)))
        # what a related field or a declaration of another field reads
        for model in cls.env.registry.values():
            for field in model._fields.values():
                if field.related:
                    cls.words.update(field.related.split("."))
                if isinstance(field.compute, str):
                    cls.words.update(
                        part for path in field.get_depends(cls.env[model._name])[0] for part in path.split(".")
                    )

    def editable(self, model, name):
        field = self.env[model]._fields.get(name)
        return (
            field is not None
            and not field.readonly
            and not field.related
            and any(module.startswith("g2p_") for module in field._modules)
        )

    def test_every_field_on_a_screen_does_something(self):
        idle = {
            (model, name): view
            for (model, name), view in self.shown.items()
            if self.editable(model, name) and name not in self.words
        }
        self.assertFalse({field: view for field, view in idle.items() if field not in READ_BY})

    def test_what_is_named_here_is_still_there(self):
        for (model, name), reason in READ_BY.items():
            with self.subTest(model=model, field=name):
                self.assertTrue(reason)
                self.assertTrue(self.editable(model, name))
                self.assertIn((model, name), self.shown)
                self.assertNotIn(name, self.words, "something reads it now")
