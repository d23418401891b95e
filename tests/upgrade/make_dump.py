#!/usr/bin/env python3
"""Makes a small database of another version of the product, for `tests/test_upgrade.py`.

    scripts/python tests/upgrade/make_dump.py COMMIT VERSION

writes `tests/upgrade/VERSION.sql.xz`: the addons of that commit, a demo country of 30 households, what the main job does with
them, and what `fill.py` does beyond. All of it is run by the code of the commit. Files are kept in the database, since a dump
has no file store; assets and pictures that any server makes anew are left out.
"""

import argparse
import lzma
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HOUSEHOLDS = "30"
LARGEST = 3_000_000
NEEDLESS = """
    DELETE FROM ir_logging;
    DELETE FROM ir_config_parameter WHERE key IN ('g2p_pbms.addons_hash', 'database.secret');
    UPDATE ir_module_module SET description = NULL;
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit")
    parser.add_argument("version")
    arguments = parser.parse_args()
    database, base = f"g2p_dump_{os.getpid()}", f"g2p_dump_base_{os.getpid()}"
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        archive = subprocess.run(["git", "archive", arguments.commit], cwd=ROOT, check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", tree], input=archive.stdout, check=True)
        for name in (".venv", ".odoo"):
            (tree / name).symlink_to((ROOT / name).resolve())
        (tree / "fill.py").write_bytes((ROOT / "tests/upgrade/fill.py").read_bytes())
        environment = {
            **os.environ,
            "BASE": base,
            "FAST": "1",
            "ODOO_DATA_DIR": str(tree / ".run/data"),
            "ODOO_RC": str(tree / "odoo.conf"),
            "PYTHONPATH": str(tree / "scripts"),
        }

        def run(*command):
            subprocess.run([str(part) for part in command], cwd=tree, env=environment, check=True)

        try:
            run("scripts/database.sh", "demo", database, HOUSEHOLDS)
            run("scripts/python", "scripts/main_job.py", "--database", database)
            run("scripts/python", "fill.py", database)
            run("psql", "-d", database, "-q", "-v", "ON_ERROR_STOP=1", "-c", NEEDLESS)
            dump = subprocess.run(
                ["pg_dump", "-d", database, "--no-owner", "--no-acl", "--no-comments"], check=True, capture_output=True
            )
        finally:
            run("scripts/database.sh", "drop", database)
            run("scripts/database.sh", "drop", base)
    target = ROOT / f"tests/upgrade/{arguments.version}.sql.xz"
    target.write_bytes(lzma.compress(dump.stdout, preset=9 | lzma.PRESET_EXTREME))
    size = target.stat().st_size
    print(f"{target.relative_to(ROOT)}: {size:,} bytes")
    return f"larger than {LARGEST:,} bytes" if size > LARGEST else 0


if __name__ == "__main__":
    sys.exit(main())
