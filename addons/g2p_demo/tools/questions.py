"""What the demo country knows of households beyond their members: what a proxy means test is made of."""

from odoo.tools import SQL

from .draws import chance, draw

QUESTIONS = [
    {"name": "rooms", "string": "Rooms", "type": "integer"},
    {
        "name": "roof",
        "string": "Roof",
        "type": "selection",
        "selection": [["thatch", "Thatch"], ["tin", "Tin"], ["tiles", "Tiles"]],
    },
    {
        "name": "water",
        "string": "Drinking water",
        "type": "selection",
        "selection": [
            ["river", "River or pond"],
            ["well", "Well"],
            ["tap", "Public tap"],
            ["piped", "Piped to the house"],
        ],
    },
    {"name": "land", "string": "Land in hectares", "type": "float"},
    {"name": "electricity", "string": "Electricity", "type": "boolean"},
    {"name": "known_poor", "string": "Poor by the consumption survey", "type": "boolean"},
]


def answers():
    """The answers of the row `household`, as JSONB: signs of a wealth that nobody sees, each true for most. The poor are
    the lower 40 %. One in twenty-five was not asked about roof and water."""

    def sign(position):  # 0 … 65535, three parts of it the household's wealth
        return SQL("((%s * 3 + %s) / 4)", draw(3), draw(position))

    return SQL(
        """
        jsonb_strip_nulls(jsonb_build_object(
            'rooms', 1 + ((%(rooms)s * 5) >> 16),
            'roof', CASE WHEN %(unasked)s THEN NULL WHEN %(roof)s < 24000 THEN 'thatch'
                         WHEN %(roof)s < 50000 THEN 'tin' ELSE 'tiles' END,
            'water', CASE WHEN %(unasked)s THEN NULL WHEN %(water)s < 20000 THEN 'river'
                          WHEN %(water)s < 36000 THEN 'well' WHEN %(water)s < 54000 THEN 'tap' ELSE 'piped' END,
            'land', round(%(land)s * 3.0 / 65536, 1),
            'electricity', %(electricity)s > 36000,
            'known_poor', %(wealth)s < 26214
        ))
        """,
        rooms=sign(4),
        roof=sign(5),
        water=sign(6),
        land=sign(7),
        electricity=sign(8),
        wealth=draw(3),
        unasked=chance(9, 4),
    )
