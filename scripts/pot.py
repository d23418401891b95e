#!/usr/bin/env python3
"""The templates of translations, addons/*/i18n/ADDON.pot, as Odoo exports them: scripts/pot.sh [--check]

Without what is another one each time (dates, the build of Odoo): the same source gives the same file. `templates` is what
`g2p_pbms/tests/test_templates.py` compares with the files.
"""

import argparse
import io
import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ADDONS = sorted(path.parent.name for path in (ROOT / "addons").glob("*/__manifest__.py"))
NOISE = re.compile(
    r'^"(?:POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team|Plural-Forms): .*\n', re.MULTILINE
)
BUILD = re.compile(r'^("Project-Id-Version: Odoo Server 19\.0).*?(\\n")$', re.MULTILINE)


def path_of(addon):
    return ROOT / "addons" / addon / "i18n" / f"{addon}.pot"


def templates(env, addons=ADDONS):
    """{addon: the text of its template}, from a database with all of them: code, scripts, views, models and data."""
    from odoo.tools.translate import PoFileWriter, TranslationModuleReader

    rows = defaultdict(list)
    for row in TranslationModuleReader(env.cr, modules=list(addons)):
        if "/tests/" not in str(row[2]):
            rows[row[0]].append(row)
    texts = {}
    for addon in addons:
        buffer = io.BytesIO()
        PoFileWriter(buffer, lang=None).write_rows(rows[addon])
        text = BUILD.sub(r"\1\2", NOISE.sub("", buffer.getvalue().decode()))
        texts[addon] = text if rows[addon] else ""
    return texts


def stale(texts):
    """The addons whose file is another one."""
    return [
        addon
        for addon, text in texts.items()
        if (path_of(addon).read_text() if path_of(addon).exists() else "") != text
    ]


def main():
    from odoo_environment import environment

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", default="g2p_base")
    parser.add_argument("--check", action="store_true", help="only say which are not current")
    chosen = parser.parse_args()
    with environment(chosen.database) as env:
        texts = templates(env)
    changed = stale(texts)
    for addon in changed:
        if chosen.check:
            print(f"{path_of(addon).relative_to(ROOT)} is not current: run scripts/pot.sh", file=sys.stderr)
            continue
        path_of(addon).parent.mkdir(exist_ok=True)
        path_of(addon).write_text(texts[addon])
        print(f"wrote {path_of(addon).relative_to(ROOT)}")
    return 1 if chosen.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
