"""One model is one class, in one file, once per addon, and nothing of it is shadowed by accident.

Read from the source: a model that an addon opens twice behaves as the second class that was loaded says, so that the order
of imports becomes behaviour, and nobody can read it top to bottom.
"""

import ast
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from odoo.tests import BaseCase, tagged

ADDONS = Path(__file__).parents[2]
BASES = {"Model", "AbstractModel", "TransientModel"}
# (addon, model, method, the model that loses it)
SHADOWED_YET = {
    ("g2p_registry_base", "res.partner.bank", "_search_reference_domains", "g2p.search.mixin"),
}


class Opened(NamedTuple):
    """A class that opens a model."""

    addon: str
    model: str
    is_new: bool  # it makes the model; otherwise it extends one
    mixins: tuple  # the models it inherits from, beside its own
    path: Path
    methods: dict  # name → its syntax tree


def assigned(body):
    """{name: what it is set to} of a module or a class."""
    return {
        target.id: statement.value
        for statement in body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }


def opened(addon, path, node, constants=None):
    """The :class:`Opened` of a class, or None where it is no model.

    :param constants: what is assigned in its module
    """

    def text_of(value):
        if isinstance(value, ast.Name):
            value = (constants or {}).get(value.id)
        return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None

    bases = {base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases}
    if not bases & BASES:
        return None
    said = assigned(node.body)
    inherit = said.get("_inherit")
    inherited = [text_of(one) for one in getattr(inherit, "elts", [inherit] if inherit is not None else [])]
    name = text_of(said.get("_name")) or (inherited[0] if inherited else None)
    methods = {one.name: one for one in node.body if isinstance(one, ast.FunctionDef)}
    mixins = tuple(mixin for mixin in inherited if mixin and mixin != name)
    return Opened(addon, name, name not in inherited, mixins, path, methods)


def read(addons=ADDONS):
    """[Opened] of all addons, tests and migrations aside."""
    found = []
    for path in sorted(addons.glob("g2p_*/**/*.py")):
        inside = path.relative_to(addons).parts
        if not {"tests", "migrations"} & {*inside}:
            tree = ast.parse(path.read_text())
            found += [
                one
                for node in ast.walk(tree)
                if isinstance(node, ast.ClassDef) and (one := opened(inside[0], path, node, assigned(tree.body)))
            ]
    return found


def is_promise(method):
    """Whether a method only says what an heir has to do."""
    raised = getattr(method.body[-1], "exc", None)
    return getattr(raised, "id", None) == "NotImplementedError"


def calls_super(method):
    return any(isinstance(node, ast.Name) and node.id == "super" for node in ast.walk(method))


def reopened(classes):
    """{(addon, model): [its classes]} where there are several."""
    found = defaultdict(list)
    for one in classes:
        found[one.addon, one.model].append(one)
    return {key: several for key, several in found.items() if len(several) > 1}


class Chains:
    """What inherits from what, and which methods are links of a chain."""

    def __init__(self, classes):
        self.by_model = defaultdict(list)
        for one in classes:
            self.by_model[one.model].append(one)
        self.reached = {
            (lost.model, name)
            for one in classes
            for name, method in one.methods.items()
            if calls_super(method)
            for lost in self.chain(one.model)
        }

    def chain(self, model, addon=None, seen=()):
        """The classes of a model and of what it inherits from, in one addon or in all."""
        for one in self.by_model[model] if model not in seen else ():
            if addon in (None, one.addon):
                yield one
                for mixin in one.mixins:
                    yield from self.chain(mixin, addon, (*seen, model))

    def links(self, model, addon, method):
        """The classes of the chain in an addon whose method is a link: it calls ``super`` itself, or somebody reaches it so."""
        for lost in self.chain(model, addon):
            if (
                method in lost.methods
                and not is_promise(lost.methods[method])
                and ((lost.model, method) in self.reached or calls_super(lost.methods[method]))
            ):
                yield lost

    def cut_by(self, one):
        """[(method, the class that loses it)] for one class: of what it inherits from in its addon; and, where it extends a
        model of another addon, of that model."""
        owners = [other for other in self.by_model[one.model] if other.addon != one.addon and other.is_new]
        for name, method in one.methods.items():
            if not calls_super(method):
                for mixin in one.mixins:
                    yield from ((name, lost) for lost in self.links(mixin, one.addon, name))
                if not one.is_new:
                    yield from ((name, owner) for owner in owners if name in owner.methods)

    def cut_between(self, one):
        """The same of mixins that stand side by side in its `_inherit`: the first wins."""
        for position, first in enumerate(one.mixins):
            for winner in self.chain(first, one.addon):
                for name, method in winner.methods.items():
                    if calls_super(method) or name in one.methods:
                        continue
                    for second in one.mixins[position + 1 :]:
                        yield from (
                            (name, lost) for lost in self.links(second, one.addon, name) if lost.model != winner.model
                        )


def shadowed(classes):
    """[(class, method, the class that loses it)]"""
    chains = Chains(classes)
    return [(one, name, lost) for one in classes for name, lost in (*chains.cut_by(one), *chains.cut_between(one))]


@tagged("post_install", "-at_install")
class TestOneClass(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.classes = read()

    def test_a_model_is_opened_once_in_an_addon(self):
        found = {
            (addon, model): sorted(str(one.path.relative_to(ADDONS)) for one in several)
            for (addon, model), several in reopened(self.classes).items()
        }
        self.assertEqual(found, {}, "one model is one class, in one file")

    def test_nothing_is_shadowed(self):
        """A class that gives a method another body takes nothing from anybody, as long as nobody adds to that method: then it
        is an answer (a condition, a label, a query), and each kind has its own. Where others add to it by ``super`` (guards of
        `create` and `write`, declarations that plug-ins extend, hooks that go from mixin to mixin), it is a chain, and whoever
        does not call ``super`` cuts it: guards stop to guard, and what a plug-in added is gone, without an error. Three ways:

        - a class cuts off a mixin, or a model that it is made of, of its own addon;
        - of two mixins side by side the first cuts off the second: then the order in `_inherit` is behaviour;
        - an extension cuts off the addon that owns the model, and everybody who extended it before.
        """
        found = {(one.addon, one.model, name, lost.model) for one, name, lost in shadowed(self.classes)}
        self.assertEqual(found - SHADOWED_YET, set(), "call super, or make it an answer that nobody extends")
        self.assertEqual(SHADOWED_YET - found, set(), "these call super now: take them off the list")

    def test_every_addon_is_read(self):
        self.assertGreater(len(self.classes), 200)
        self.assertFalse([one for one in self.classes if not one.model], "classes whose model the test can't tell")


@tagged("post_install", "-at_install")
class TestReader(BaseCase):
    """That the reader finds what it is there for."""

    def classes(self, **files):
        return [
            one
            for addon, text in files.items()
            for node in ast.parse(text).body
            if isinstance(node, ast.ClassDef)
            for one in [opened(addon, ADDONS / addon / "models" / "one.py", node)]
            if one
        ]

    def model(self, name, inherit=(), body="pass", own=True):
        return (
            f"class {name}(models.Model):\n"
            + (f"    _name = '{name}'\n" if own else "")
            + (f"    _inherit = {list(inherit)!r}\n" if inherit else "")
            + f"    def hook(self):\n        {body}\n"
        )

    def cut(self, **files):
        return [(one.model, name, lost.model) for one, name, lost in shadowed(self.classes(**files))]

    def test_a_second_class_is_found_however_it_names_the_model(self):
        for second in (
            "class Two(models.Model):\n    _inherit = 'one'\n",
            "class Two(models.Model):\n    _inherit = ['one']\n",
            "class Two(models.Model):\n    _name = 'one'\n    _inherit = ['one', 'mixin']\n",
        ):
            classes = self.classes(a=self.model("one") + second)
            self.assertEqual(list(reopened(classes)), [("a", "one")])
            self.assertFalse(reopened(self.classes(a=self.model("one"), b=second)), "another addon may extend it")

    def test_a_link_that_is_cut_is_found(self):
        link = self.model("mixin", body="return super().hook()")
        self.assertEqual(self.cut(a=link + self.model("one", ["mixin"])), [("one", "hook", "mixin")])
        self.assertFalse(self.cut(a=link + self.model("one", ["mixin"], "super().hook()")))

    def test_an_answer_that_nobody_extends_may_be_another_one(self):
        answer, one = self.model("mixin"), self.model("one", ["mixin"])
        self.assertFalse(self.cut(a=answer + one))
        extended = self.model("mixin", ["mixin"], "super().hook()", own=False)
        self.assertEqual(self.cut(a=answer + one, b=extended), [("one", "hook", "mixin")])

    def test_of_two_mixins_the_first_cuts_off_the_second(self):
        first, second = self.model("first"), self.model("second", body="super().hook()")
        both = "class Both(models.Model):\n    _name = 'both'\n    _inherit = ['first', 'second']\n"
        self.assertEqual(self.cut(a=first + second + both), [("both", "hook", "second")])
        self.assertFalse(self.cut(a=first + second + both.replace("'first', 'second'", "'second', 'first'")))

    def test_an_extension_that_cuts_off_the_owner_is_found(self):
        owner, extension = self.model("one"), self.model("one", ["one"], own=False)
        self.assertEqual(self.cut(a=owner, b=extension), [("one", "hook", "one")])
