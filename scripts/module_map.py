#!/usr/bin/env python3
"""Draws the map of the addons from their manifests: docs/modules.md, and the page of each addon in Odoo's list of apps.

    scripts/module_map.py           writes docs/modules.md and addons/*/static/description/index.html
    scripts/module_map.py --check   fails when one of them is not what the manifests and READMEs say

Plain Python, without Odoo. `LAYERS` is the only place that says in which layer an addon stands; `tests/test_house.py` keeps it.
"""

import ast
import html
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAP = ROOT / "docs/modules.md"

LAYER_NAMES = (
    "engines that know nothing of programs",
    "who is registered",
    "files become registrants; who is due what",
    "one capability or plug-in each",
    "faces: pages and interfaces",
    "the suite in one",
)
LAYERS = {
    "g2p_bulk": 0,
    "g2p_approval": 0,
    "g2p_outbox": 0,
    "g2p_registry_base": 1,
    "g2p_registry_import": 2,
    "g2p_programs": 2,
    "g2p_deduplication": 3,
    "g2p_entitlement_cash": 3,
    "g2p_payment_cash": 3,
    "g2p_payment_files": 3,
    "g2p_pmt": 3,
    "g2p_program_membership_change": 3,
    "g2p_program_registrant_info": 3,
    "g2p_simulation": 3,
    "g2p_pbms": 5,
    "g2p_demo": 5,
}
# Who needs a sibling of the same layer, and nobody else does.
SIBLINGS = {
    ("g2p_approval", "g2p_bulk"),
    ("g2p_outbox", "g2p_bulk"),
    ("g2p_pmt", "g2p_program_registrant_info"),
    ("g2p_simulation", "g2p_pmt"),
    ("g2p_demo", "g2p_pbms"),
}


def manifests(folder=ROOT / "addons"):
    """{addon: its manifest}, lowest layer first."""
    found = {path.parent.name: ast.literal_eval(path.read_text()) for path in sorted(folder.glob("*/__manifest__.py"))}
    return dict(sorted(found.items(), key=lambda item: (LAYERS.get(item[0], len(LAYER_NAMES)), item[0])))


def reached(addons, name):
    """All addons of the suite that an addon needs, directly or not.

    >>> sorted(reached({"a": {"depends": ["b"]}, "b": {"depends": ["c", "mail"]}, "c": {}}, "a"))
    ['b', 'c']
    """
    found = set()
    todo = [name]
    while todo:
        for needed in addons[todo.pop()].get("depends", ()):
            if needed in addons and needed not in found:
                found.add(needed)
                todo.append(needed)
    return found


def arrows(addons, name):
    """The addons of the suite that an addon needs and that no other one of them brings along.

    >>> arrows({"a": {"depends": ["b", "c"]}, "b": {"depends": ["c"]}, "c": {}}, "a")
    ['b']
    """
    needed = [one for one in addons[name].get("depends", ()) if one in addons]
    brought = set().union(*(reached(addons, one) for one in needed))
    return sorted(set(needed) - brought)


def drawn(addons):
    """The text of docs/modules.md."""
    lines = [
        "# The modules",
        "",
        "Drawn from the manifests by `scripts/module_map.py`. An arrow says *needs*; it points downwards, and to a sibling of the same",
        "layer only where `SIBLINGS` of the script says so. Nothing names what stands above it. `tests/test_house.py` keeps all this.",
        "",
        "```mermaid",
        "flowchart TD",
    ]
    for layer in sorted({LAYERS[name] for name in addons}, reverse=True):
        lines.append(f'  subgraph layer{layer} ["{layer}: {LAYER_NAMES[layer]}"]')
        lines += [f"    {name}" for name in addons if LAYERS[name] == layer]
        lines.append("  end")
    lines += [f"  {name} --> {needed}" for name in reversed(addons) for needed in arrows(addons, name)]
    lines += ["```", "", "| layer | module | its promise | needs |", "|---|---|---|---|"]
    for name, manifest in addons.items():
        needs = ", ".join(f"`{needed}`" for needed in manifest["depends"])
        lines.append(f"| {LAYERS[name]} | [`{name}`](../addons/{name}/README.md) | {manifest['summary']} | {needs} |")
    return "\n".join(lines) + "\n"


def marked_up(text):
    """A paragraph of a README as HTML.

    >>> marked_up("**Two** `<b>` of *them*, see [here](there.md)")
    '<strong>Two</strong> <code>&lt;b&gt;</code> of <em>them</em>, see here'
    """
    text = html.escape(" ".join(text.split()), quote=False)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    for mark, tag in ((r"`([^`]*)`", "code"), (r"\*\*([^*]*)\*\*", "strong"), (r"\*([^*]*)\*", "em")):
        text = re.sub(mark, rf"<{tag}>\1</{tag}>", text)
    return text


def page(name, manifest, readme):
    """The description of an addon in the list of apps: its promise, and how its README begins.

    >>> print(page("g2p_x", {"name": "X", "summary": "Counts"}, "# X\\n\\nIt counts.\\n\\n## More\\n"), end="")
    <section class="oe_container">
      <h2>X</h2>
      <h4>Counts</h4>
      <p>It counts.</p>
    </section>
    """
    beginning = re.sub(r"\A#[^\n]*\n+", "", readme).split("\n\n")[0]
    beginning = re.sub(r"(?<=[.*])\s[^.]*:\s*\Z", "", beginning)  # what introduces a list says nothing without it
    return (
        '<section class="oe_container">\n'
        f"  <h2>{html.escape(manifest['name'])}</h2>\n"
        f"  <h4>{html.escape(manifest['summary'])}</h4>\n"
        f"  <p>{marked_up(beginning)}</p>\n"
        "</section>\n"
    )


def wanted():
    """{path: text} of all that this script keeps."""
    addons = manifests()
    unknown = sorted(addons.keys() - LAYERS.keys())
    if unknown:
        raise SystemExit(f"Say in scripts/module_map.py in which layer they stand: {', '.join(unknown)}")
    texts = {MAP: drawn(addons)}
    for name, manifest in addons.items():
        folder = ROOT / "addons" / name
        texts[folder / "static/description/index.html"] = page(name, manifest, (folder / "README.md").read_text())
    return texts


def main(arguments):
    texts = wanted()
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not current: run scripts/module_map.py", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[path])
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
