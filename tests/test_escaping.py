"""What people type, and what they call their files, is text wherever it is shown: never HTML, never part of a header."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path for path in ROOT.glob("addons/*/**/*.py") if "/tests/" not in str(path))
# Templates put text on a page by t-out and t-esc, which escape.
TEMPLATES = sorted([*ROOT.glob("addons/*/static/src/**/*.xml"), *ROOT.glob("addons/*/**/views/*.xml")])
SCRIPTS = sorted(ROOT.glob("addons/*/static/src/**/*.js"))


def named(node):
    """The name of what is called: `f` of f(…), a.f(…)."""
    return getattr(node.func, "id", None) or getattr(node.func, "attr", None)


def faults(tree):
    """[(line, what)]: text that becomes HTML or a header without being escaped."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            literal = all(isinstance(argument, ast.Constant) for argument in node.args)
            if named(node) == "Markup" and not literal:
                found.append((node.lineno, "Markup of what is no literal: Markup('…%s…') % value escapes the value"))
            if any(keyword.arg == "body_is_html" for keyword in node.keywords):
                found.append((node.lineno, "a body that is given as HTML"))
        if isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.elts[0], ast.Constant):
            name, value = node.elts
            if str(name.value).lower() == "content-disposition" and not (
                isinstance(value, ast.Call) and named(value) == "content_disposition"
            ):
                found.append((node.lineno, "a file's name in a header, not by content_disposition()"))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "addons")))
def test_text_stays_text(path):
    text = path.read_text()
    if "Markup" not in text and "isposition" not in text and "body_is_html" not in text:
        return
    assert faults(ast.parse(text)) == []


def test_html_that_is_not_sanitized_is_computed():
    """A field whose HTML is shown as it is takes nothing from outside."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and named(node) == "Html":
                given = {keyword.arg for keyword in node.keywords}
                if "sanitize" in given:
                    assert "compute" in given, (path, node.lineno)


@pytest.mark.parametrize("path", [*TEMPLATES, *SCRIPTS], ids=lambda path: str(path.relative_to(ROOT / "addons")))
def test_templates_escape(path):
    text = path.read_text()
    assert not re.search(r"t-raw|innerHTML|\bmarkup\(", text)


def test_the_reader_finds_what_it_is_there_for():
    bad = """
body = Markup(f"<p>{name}</p>")
body = Markup("<p>" + name + "</p>")
record.message_post(body=name, body_is_html=True)
headers = [("Content-Disposition", f"attachment; filename={name}")]
"""
    assert sorted(line for line, _what in faults(ast.parse(bad))) == [2, 3, 4, 5]
    good = """
body = Markup("<p>%s</p>") % name
headers = [("Content-Disposition", content_disposition(name))]
"""
    assert faults(ast.parse(good)) == []
