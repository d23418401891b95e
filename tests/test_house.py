"""What holds for all addons and is read from their source: layers, the map, icons and descriptions, versions, texts."""

import ast
import doctest
import functools
import re
import struct
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import module_map  # noqa: E402

ADDONS = module_map.manifests()
ICON_SIZE, ICON_BYTES = (128, 128), 10_000
# Where a name stands that is no use of it: what an upgrade moves, and what tests of the whole suite look at.
ASIDE = {"migrations", "tests"}
# (addon, what of an addon above it is named): what is still to be turned round.
UPWARDS_YET: set = set()


@functools.cache
def nodes(path):
    return tuple(ast.walk(ast.parse(path.read_text())))


def sources(addon, *endings):
    """The files of an addon that are loaded, by ending."""
    for path in sorted((ROOT / "addons" / addon).rglob("*")):
        if path.suffix in endings and not ASIDE & {*path.relative_to(ROOT).parts}:
            yield path


def imports(addon):
    """{addons of the suite that the Python of an addon imports, tests included}"""
    found = set()
    for path in (ROOT / "addons" / addon).rglob("*.py"):
        for node in nodes(path):
            if isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            found |= {part[2] for name in names if len(part := name.split(".")) > 2 and part[:2] == ["odoo", "addons"]}
    return found & ADDONS.keys() - {addon}


def models_of(addon):
    """{models that an addon makes}"""
    found = set()
    for path in sources(addon, ".py"):
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                said = {
                    target.id: statement.value
                    for statement in node.body
                    if isinstance(statement, ast.Assign)
                    for target in statement.targets
                    if isinstance(target, ast.Name)
                }
                name, inherit = said.get("_name"), said.get("_inherit")
                inherited = [getattr(one, "value", None) for one in getattr(inherit, "elts", [inherit])]
                if isinstance(name, ast.Constant) and name.value not in inherited:
                    found.add(name.value)
    return found


def names(addon):
    """{texts of an addon's Python, views, data and scripts that may name something}"""
    found = set()
    for path in sources(addon, ".py"):
        found |= {
            node.value
            for node in nodes(path)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value
        }
    for path in sources(addon, ".xml", ".csv", ".js"):
        found |= set(re.findall(r"[\w.]+", path.read_text()))
    return found


MAKES = {addon: models_of(addon) for addon in ADDONS}


def test_every_addon_stands_in_a_layer():
    assert [name for name in ADDONS if name not in module_map.LAYERS] == []
    assert all(0 <= layer < len(module_map.LAYER_NAMES) for layer in module_map.LAYERS.values())


def test_arrows_point_downwards():
    wrong = [
        (name, needed)
        for name, manifest in ADDONS.items()
        for needed in {*manifest["depends"], *imports(name)} & ADDONS.keys()
        if module_map.LAYERS[needed] >= module_map.LAYERS[name] and (name, needed) not in module_map.SIBLINGS
    ]
    assert sorted(wrong) == []


def test_what_is_imported_is_needed():
    wrong = [(name, one) for name in ADDONS for one in imports(name) - module_map.reached(ADDONS, name)]
    assert sorted(wrong) == []


@pytest.mark.parametrize("addon", ADDONS)
def test_nothing_names_a_model_or_a_record_of_what_it_does_not_need(addon):
    strangers = ADDONS.keys() - module_map.reached(ADDONS, addon) - {addon}
    models = {model for stranger in strangers for model in MAKES[stranger]}
    wrong = {name for name in names(addon) if name in models or strangers & {*re.findall(r"\w+", name)}}
    assert sorted(wrong - {what for where, what in UPWARDS_YET if where == addon}) == []


def test_the_reader_finds_what_it_is_there_for():
    assert "g2p.cycle" in MAKES["g2p_programs"]
    assert "res.partner" not in {model for models in MAKES.values() for model in models}
    assert "g2p_bulk" in imports("g2p_programs")
    assert {"g2p_programs.g2p_program_manager", "g2p.cycle"} <= names("g2p_deduplication") | names("g2p_payment_cash")


def test_what_is_drawn_from_the_manifests_is_current():
    stale = [path for path, text in module_map.wanted().items() if not path.exists() or path.read_text() != text]
    assert [str(path.relative_to(ROOT)) for path in stale] == [], "run scripts/module_map.py"


def test_the_examples_in_docstrings_hold():
    assert doctest.testmod(module_map).failed == 0
    assert doctest.testmod(sys.modules[__name__]).failed == 0


def png_size(path):
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n", path
    return struct.unpack(">II", content[16:24])


@pytest.mark.parametrize("addon", ADDONS)
def test_it_can_be_told_apart(addon):
    icon = ROOT / "addons" / addon / "static/description/icon.png"
    assert icon.exists(), "draw it in scripts/icons.py"
    assert png_size(icon) == ICON_SIZE
    assert icon.stat().st_size <= ICON_BYTES
    others = [ROOT / "addons" / other / "static/description/icon.png" for other in ADDONS if other != addon]
    assert icon.read_bytes() not in [other.read_bytes() for other in others if other.exists()]


@pytest.mark.parametrize("addon", ADDONS)
def test_its_manifest_says_what_it_is(addon):
    manifest = ADDONS[addon]
    assert manifest["license"] == "LGPL-3"
    assert manifest["summary"] and not manifest["summary"].endswith(".")
    assert manifest["author"] == "G2P PBMS contributors"
    assert (ROOT / "addons" / addon / "README.md").exists()


@pytest.mark.parametrize("addon", ADDONS)
def test_it_carries_the_version_of_the_suite(addon):
    """The addons are released together: whoever reads a version of one knows the section of the change log."""
    [version] = re.findall(r"^## (\d\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[:1]
    assert ADDONS[addon]["version"] == version
    assert version.startswith("19.0.")


# What holds a lazily translated sentence, so that nothing is lost by its not being written there.
LAZY = {"self.sentence", "error.sentence", "cells.reason"}


def untranslatable(nodes):
    """[(line, what is translated)] where that is no literal, which no translator ever sees.

    >>> untranslatable(ast.walk(ast.parse("self.env._('Yes'), _lt('No', x=1)\\nself.env._(WORDS[0])\\n_(f'{name} left')")))
    [(2, 'WORDS[0]'), (3, "f'{name} left'")]
    """
    found = []
    for node in nodes:
        called = getattr(node, "func", None)
        if getattr(called, "attr", getattr(called, "id", None)) not in ("_", "_lt") or not node.args:
            continue
        given = node.args[0]
        if not (isinstance(given, ast.Constant) and isinstance(given.value, str)) and ast.unparse(given) not in LAZY:
            found.append((node.lineno, ast.unparse(given)))
    return sorted(found)


@pytest.mark.parametrize("addon", ADDONS)
def test_what_is_translated_is_a_text_that_translators_see(addon):
    """A sentence that is chosen elsewhere is written there as `_lt("…")` of `LazyTranslate(__name__)`: then it is in the template
    of the module that says it, and is read in the language of who reads it."""
    found = {str(path.relative_to(ROOT)): untranslatable(nodes(path)) for path in sources(addon, ".py")}
    assert {path: places for path, places in found.items() if places} == {}


@pytest.mark.parametrize("addon", ADDONS)
def test_a_sentence_that_is_said_later_belongs_to_its_module(addon):
    """`LazyTranslate` takes the module from the name it is given; Odoo's templates know it by `_lt` only."""
    for path in sources(addon, ".py"):
        text = path.read_text()
        assert text.count("LazyTranslate(") == text.count("_lt = LazyTranslate(__name__)"), path


# Where a role is asked for, and refused: the one guard of the suite.
ROLES = "g2p_bulk/tools/roles.py"


def own_guards(nodes):
    """[(line, test)] where code asks for a role in words of its own: superuser or a role; no role, so a refusal.

    >>> own_guards(ast.walk(ast.parse("if not self.env.su and not user.has_group(ADMIN):\\n    raise AccessError()")))
    [(1, 'not self.env.su and (not user.has_group(ADMIN))'), (1, 'not self.env.su and (not user.has_group(ADMIN))')]
    >>> own_guards(ast.walk(ast.parse("may = user.has_group(ADMIN) and self.state == 'draft'")))
    []
    """

    def asks(node, name):
        return any(isinstance(part, ast.Attribute) and part.attr == name for part in ast.walk(node))

    found = []
    for node in nodes:
        if isinstance(node, ast.BoolOp) and asks(node, "su") and asks(node, "has_group"):
            found.append((node.lineno, ast.unparse(node)))
        if isinstance(node, ast.If) and asks(node.test, "has_group"):
            found += [(node.lineno, ast.unparse(node.test)) for line in node.body if isinstance(line, ast.Raise)]
    return sorted(found)


@pytest.mark.parametrize("addon", ADDONS)
def test_a_role_is_asked_for_by_the_one_guard(addon):
    found = {
        str(path.relative_to(ROOT)): own_guards(nodes(path))
        for path in sources(addon, ".py")
        if not str(path).endswith(ROLES)
    }
    assert {path: places for path, places in found.items() if places} == {}, f"call {ROLES}"


# {how it is written, white space folded: (where it is said, where else it may stand)}. Everybody else calls it.
SAID_ONCE = {
    r"members of the role": (ROLES, ()),
    # Payments that have not left fail.
    r"SET state = 'stopped', status = 'failed'": ("g2p_programs/models/payment.py", ()),
    # Registrants who are disabled or archived, and the others. Triggers are plain text of the database.
    r"(\w+\.)?disabled IS NOT NULL OR NOT (\w+\.)?active|(\w+\.)?active (AND|OR) (\w+\.)?disabled IS"
    r"|(\w+\.)?disabled IS (NOT )?NULL (AND|OR) (\w+\.)?active": (
        "g2p_registry_base/tools/standing.py",
        ("g2p_registry_base/models/group_indicator.py", "g2p_registry_base/models/group_membership.py"),
    ),
}


@pytest.mark.parametrize("pattern", SAID_ONCE)
def test_it_is_said_once(pattern):
    home, aside = SAID_ONCE[pattern]
    found = {
        str(path.relative_to(ROOT / "addons"))
        for addon in ADDONS
        for path in sources(addon, ".py")
        if re.search(pattern, " ".join(path.read_text().split()))
    }
    assert found - {*aside, home} == set(), f"say it by addons/{home}"


def said_twice(nodes):
    """[(line, name)] of methods and functions that take the place of one before them in the same class or file.

    >>> said_twice(ast.walk(ast.parse("class A:\\n    def hook(self): return 1\\n    def hook(self): return 2")))
    [(3, 'hook')]
    >>> said_twice(ast.walk(ast.parse("class A:\\n    @property\\n    def x(self): ...\\n    @x.setter\\n    def x(self, x): ...")))
    []
    """
    found = []
    for node in nodes:
        if isinstance(node, ast.ClassDef | ast.Module):
            known = set()
            for part in node.body:
                if isinstance(part, ast.FunctionDef):
                    decorated = {ast.unparse(decorator) for decorator in part.decorator_list}
                    if part.name in known and f"{part.name}.setter" not in decorated:
                        found.append((part.lineno, part.name))
                    known.add(part.name)
    return found


@pytest.mark.parametrize("folder", ["addons", "tests", "scripts"])
def test_no_method_takes_the_place_of_one_in_its_own_class(folder):
    found = {str(path.relative_to(ROOT)): said_twice(nodes(path)) for path in (ROOT / folder).rglob("*.py")}
    assert {path: places for path, places in found.items() if places} == {}
