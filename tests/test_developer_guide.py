"""What the developer's guide prints is what the example is."""

import re

from conftest import ROOT

EXAMPLE = ROOT / "tests/examples/g2p_example_age"


def test_the_code_in_the_guide_is_the_code_of_the_example():
    files = {path.read_text().strip() for path in EXAMPLE.rglob("*") if path.suffix in (".py", ".xml")}
    blocks = re.findall(r"```(?:python|xml)\n(.*?)```", (ROOT / "docs/developer.md").read_text(), re.DOTALL)
    assert len(blocks) >= 4
    assert [block for block in blocks if block.strip() not in files] == []


def test_the_files_that_the_guide_names_are_there():
    text = (ROOT / "docs/developer.md").read_text()
    named = re.findall(r"`((?:g2p_[a-z_]+|tests|docs)/[\w/.]+\.(?:py|md|xml))`", text)
    assert named
    missing = [name for name in named if not (ROOT / "addons" / name).exists() and not (ROOT / name).exists()]
    assert missing == []
