"""The guide of each role names menus, buttons, tabs and fields by the words that are on the screen."""

import contextlib
import re
from pathlib import Path

from odoo.tests import TransactionCase, tagged
from odoo.tools.translate import TranslationModuleReader

GUIDES = sorted((Path(__file__).parents[3] / "docs" / "user").glob("*.md"))
STEP = " → "


def emphasised(text):
    """Names in italics, and in bold where they are called a tab; without code, links' targets and pictures.

    >>> list(emphasised("Press *Send*, on the **Rules** tab; **not** `*this*` nor 2 * 3 * 4."))
    ['Rules', 'Send']
    """
    text = re.sub(r"```.*?```|`[^`]*`|!\[[^]]*\]\([^)]*\)|\]\([^)]*\)", "", text, flags=re.DOTALL)
    yield from (" ".join(name.split()) for name in re.findall(r"\*\*([^*]+)\*\*\s+tab\b", text))
    text = re.sub(r"\*\*[^*]+\*\*", "", text)
    yield from (" ".join(name.split()) for name in re.findall(r"(?<![\w*])\*(\S[^*]*?)\*(?![\w*])", text))


@tagged("post_install", "-at_install")
class TestUserGuide(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        modules = cls.env["ir.module.module"].search([("state", "=", "installed"), ("name", "=like", "g2p\\_%")])
        named = [*modules.mapped("name"), "base", "base_setup", "web", "mail"]
        cls.words = {
            cls.plain(source)
            for _module, _type, _name, _res_id, source, *_rest in TranslationModuleReader(cls.env.cr, named)
        }
        for step in map(cls.env.get, cls.env.registry):
            if hasattr(step, "_screen_name"):
                with contextlib.suppress(NotImplementedError):  # what steps have in common
                    cls.words.add(cls.plain(step._title()))
        cls.words.update(cls.env["g2p.group.membership.kind"].search([]).mapped("name"))
        menus = {menu: tuple(menu.complete_name.split("/")) for menu in cls.env["ir.ui.menu"].search([])}
        # the guide leaves out the name of the application
        cls.menus = {path[cut:] for path in menus.values() for cut in (0, 1) if path[cut:]}
        cls.leaves = {path[cut:] for menu, path in menus.items() for cut in (0, 1) if menu.action and path[cut:]}

    @staticmethod
    def plain(text):
        return " ".join(re.sub(r"<[^>]+>", "", text or "").split()).rstrip("….:")

    def unknown(self, name):
        """What of a name in the guide is nowhere on the screen; None if all of it is."""
        steps = name.split(STEP)
        if len(steps) == 1:
            return None if self.plain(name) in self.words else name
        known = max((len(menu) for menu in self.menus if tuple(steps[: len(menu)]) == menu), default=0)
        # what comes after a menu that opens something is on its screen
        opens = any(steps[:known] == list(menu) for menu in self.leaves)
        on_screen = all(self.plain(step) in self.words for step in steps[known:])
        return None if known == len(steps) or (opens and on_screen) else name

    def test_what_the_guide_names_is_on_the_screen(self):
        self.assertTrue(GUIDES)
        nowhere = []
        for guide in GUIDES:
            names = dict.fromkeys(emphasised(guide.read_text()))
            self.assertTrue(names)
            nowhere += [(guide.name, name) for name in names if self.unknown(name)]
        self.assertFalse(nowhere)

    def test_a_name_that_is_nowhere_is_found(self):
        self.assertIsNone(self.unknown("Registry → Individuals → New"))
        for name in ("Make everybody rich", "Registry → Unicorns", "Unicorns → Individuals"):
            self.assertEqual(self.unknown(name), name)
