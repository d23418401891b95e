#!/usr/bin/env python3
"""Draws the icons of the addons (static/description/icon.png): scripts/python scripts/icons.py [ADDON…]

One colour a layer, white shapes, and in yellow what the addon is about. An addon is drawn by the function of its name.
"""

import math
import sys
from pathlib import Path

from module_map import LAYERS
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parent.parent
SIZE, FINE = 128, 8  # pixels of an icon, and how much finer it is drawn
COLOURS = ("#37474F", "#145C56", "#1F4E79", "#5B3A73", "#8A3B3B", "#7A4B12")
WHITE, YELLOW, PALE = "#FFFFFF", "#F5C518", "#C9D6DB"


class Pen:
    """Draws in units of the finished icon."""

    def __init__(self, colour):
        self.image = Image.new("RGBA", (SIZE * FINE, SIZE * FINE), (0, 0, 0, 0))
        self.draw = ImageDraw.Draw(self.image)
        self.colour = colour
        self.box(0, 0, SIZE, SIZE, 22, colour)

    def box(self, left, top, right, bottom, round_by=4, fill=WHITE):
        self.draw.rounded_rectangle(
            [left * FINE, top * FINE, right * FINE - 1, bottom * FINE - 1], round_by * FINE, fill=fill
        )

    def disc(self, x, y, radius, fill=WHITE):
        self.draw.ellipse(
            [(x - radius) * FINE, (y - radius) * FINE, (x + radius) * FINE, (y + radius) * FINE], fill=fill
        )

    def shape(self, *points, fill=WHITE):
        self.draw.polygon([(x * FINE, y * FINE) for x, y in points], fill=fill)

    def line(self, *points, width=7, fill=WHITE):
        self.draw.line([(x * FINE, y * FINE) for x, y in points], fill=fill, width=width * FINE, joint="curve")
        for x, y in (points[0], points[-1]):
            self.disc(x, y, width / 2, fill)

    def arc(self, x, y, radius, start, end, width=8, fill=WHITE):
        box = [(x - radius) * FINE, (y - radius) * FINE, (x + radius) * FINE, (y + radius) * FINE]
        self.draw.arc(box, start, end, fill=fill, width=width * FINE)

    def person(self, x, y, size, fill=WHITE):
        """Head and shoulders; (x, y) is the middle of the head."""
        self.draw.pieslice(
            [(x - 1.7 * size) * FINE, (y + 1.25 * size) * FINE, (x + 1.7 * size) * FINE, (y + 4.4 * size) * FINE],
            180, 360, fill=fill,
        )  # fmt: skip
        self.disc(x, y, size, fill)

    def arrow(self, x, y, dx, dy, length, width=8, fill=YELLOW):
        """From (x, y) in the direction (dx, dy)."""
        end = (x + dx * length, y + dy * length)
        self.line((x, y), (x + dx * (length - width), y + dy * (length - width)), width=width, fill=fill)
        self.shape(
            (end[0] + dx * width / 2, end[1] + dy * width / 2),
            (end[0] - dx * width * 1.4 - dy * width * 1.6, end[1] - dy * width * 1.4 + dx * width * 1.6),
            (end[0] - dx * width * 1.4 + dy * width * 1.6, end[1] - dy * width * 1.4 - dx * width * 1.6),
            fill=fill,
        )

    def sheet(self, left, top, right, bottom, fill=WHITE):
        self.shape((left, top), (right - 14, top), (right, top + 14), (right, bottom), (left, bottom), fill=fill)
        self.shape((right - 14, top), (right, top + 14), (right - 14, top + 14), fill=PALE)

    def saved(self, path):
        small = self.image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
        path.parent.mkdir(parents=True, exist_ok=True)
        small.quantize(128, method=Image.Quantize.FASTOCTREE).save(path, optimize=True)


def g2p_bulk(pen):
    for row, y in enumerate((30, 54, 78)):
        for column, x in enumerate((24, 52, 80)):
            pen.box(x, y, x + 24, y + 20, 4, YELLOW if (row, column) == (2, 2) else WHITE)


def g2p_approval(pen):
    pen.disc(64, 64, 42)
    pen.disc(64, 64, 33, pen.colour)
    pen.line((46, 65), (59, 78), (84, 50), width=11, fill=YELLOW)


def g2p_outbox(pen):
    pen.box(24, 62, 104, 104, 8)
    pen.box(34, 62, 94, 92, 4, pen.colour)
    pen.arrow(64, 82, 0, -1, 52, width=11)


def g2p_registry_base(pen):
    pen.person(40, 50, 14)
    pen.person(88, 50, 14)
    pen.person(64, 66, 11, pen.colour)
    pen.person(64, 67, 9, YELLOW)


def g2p_registry_import(pen):
    pen.sheet(22, 22, 76, 100)
    for y in (50, 64, 78):
        pen.line((32, y), (56, y), width=5, fill=PALE)
    pen.person(88, 72, 11, pen.colour)
    pen.person(88, 72, 9)
    pen.arrow(54, 40, 1, 0, 38, width=9)


def g2p_programs(pen):
    pen.arc(64, 64, 44, 200, 350, 10)
    pen.arc(64, 64, 44, 20, 170, 10)
    pen.shape((94, 52), (118, 52), (105, 68))
    pen.shape((34, 76), (10, 76), (23, 60))
    pen.disc(64, 64, 22, YELLOW)
    pen.disc(64, 64, 14, pen.colour)
    pen.disc(64, 64, 10, YELLOW)


def g2p_deduplication(pen):
    pen.disc(48, 64, 32)
    pen.disc(80, 64, 32)
    lens = Image.new("L", pen.image.size, 0)
    other = Image.new("L", pen.image.size, 0)
    for image, x in ((lens, 48), (other, 80)):
        ImageDraw.Draw(image).ellipse([(x - 32) * FINE, 32 * FINE, (x + 32) * FINE, 96 * FINE], fill=255)
    black = Image.new("L", pen.image.size, 0)
    pen.image.paste(Image.new("RGBA", pen.image.size, YELLOW), mask=Image.composite(lens, black, other))


def g2p_entitlement_cash(pen):
    for y in (84, 68, 52):
        pen.box(26, y, 70, y + 13, 6)
    pen.line((84, 74), (84, 96), width=8)
    pen.line((73, 85), (95, 85), width=8)
    pen.disc(84, 42, 19, YELLOW)


def g2p_payment_cash(pen):
    pen.box(18, 38, 110, 90, 6)
    pen.box(25, 45, 103, 83, 3, pen.colour)
    pen.disc(64, 64, 14, YELLOW)
    pen.disc(37, 64, 5)
    pen.disc(91, 64, 5)


def g2p_payment_files(pen):
    pen.sheet(16, 20, 60, 80)
    pen.sheet(68, 48, 112, 108)
    pen.arrow(24, 96, 1, 0, 32, width=8)
    pen.arrow(104, 32, -1, 0, 32, width=8)


def g2p_pmt(pen):
    for x, top in ((22, 86), (40, 72), (58, 52), (76, 40), (94, 26)):
        pen.box(x, top, x + 13, 104, 3)
    pen.line((18, 63), (111, 63), width=6, fill=YELLOW)


def g2p_program_membership_change(pen):
    pen.person(64, 38, 15)
    pen.arrow(34, 89, 1, 0, 60, width=7)
    pen.arrow(94, 109, -1, 0, 60, width=7)


def g2p_program_registrant_info(pen):
    pen.box(30, 26, 98, 108, 8)
    pen.box(48, 18, 80, 36, 5, PALE)
    for y in (54, 72, 90):
        pen.line((62, y), (86, y), width=6, fill=PALE)
    for y in (54, 72):
        pen.line((40, y), (45, y + 5), (53, y - 5), width=5, fill=YELLOW)
    pen.disc(46, 90, 4, PALE)


def g2p_simulation(pen):
    pen.line((22, 64), (46, 64), (66, 36), (86, 36), width=9)
    pen.line((46, 64), (66, 92), (86, 92), width=9)
    pen.arrow(46, 64, 1, 0, 56, width=10)
    pen.disc(98, 36, 10)
    pen.disc(98, 92, 10)


def g2p_pbms(pen):
    for x, y in ((26, 26), (68, 26), (26, 68)):
        pen.box(x, y, x + 34, y + 34, 7)
    pen.box(68, 68, 102, 102, 7, YELLOW)


def g2p_demo(pen):
    pen.line((34, 24), (34, 106), width=8)
    pen.box(38, 26, 104, 74, 3)
    pen.disc(70, 50, 14, YELLOW)


def main(names):
    for name in names or LAYERS:
        folder = ROOT / "addons" / name
        if folder.is_dir():
            pen = Pen(COLOURS[LAYERS[name]])
            globals()[name](pen)
            pen.saved(folder / "static/description/icon.png")
            print(f"drew {name} ({math.ceil((folder / 'static/description/icon.png').stat().st_size / 1024)} KB)")


if __name__ == "__main__":
    main(sys.argv[1:])
