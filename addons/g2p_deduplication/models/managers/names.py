"""Names in a form in which they can be compared, whatever the script: a function in the database."""

from odoo import models
from odoo.tools import SQL

# Letters that stand for one sound, or one letter written in several ways: which one is typed is chance.
ARABIC = [("أإآٱ", "ا"), ("ىئ", "ي"), ("ؤ", "و"), ("ة", "ه")]
# Ethiopic rows of the same sound, in the seven orders of the vowels: first letter of the rows → first letter of the row kept.
ETHIOPIC = [(0x1210, 0x1200), (0x1280, 0x1200), (0x1220, 0x1230), (0x12D0, 0x12A0), (0x1340, 0x1338)]
# Vowel marks and the letter stretcher of Arabic
MARKS = [*range(0x064B, 0x0653), 0x0670, 0x0640]


def letters():
    """(from, to) of PostgreSQL's translate(): letters without a counterpart are removed."""
    pairs = [(letter, kept) for several, kept in ARABIC for letter in several]
    pairs += [(chr(other + order), chr(kept + order)) for other, kept in ETHIOPIC for order in range(7)]
    return (
        "".join(letter for letter, _kept in pairs) + "".join(map(chr, MARKS)),
        "".join(kept for _letter, kept in pairs),
    )


class NameFunctions(models.AbstractModel):
    _name = "g2p.deduplication.names"
    _description = "Names in comparable form"

    def init(self):
        """g2p_plain_name(text): lower case, without accents and signs, letters of one sound made one."""
        self.env.cr.execute(
            SQL(
                r"""
                CREATE OR REPLACE FUNCTION g2p_plain_name(name text) RETURNS text
                LANGUAGE sql STABLE PARALLEL SAFE STRICT AS $$
                    SELECT btrim(regexp_replace(
                        translate(lower(unaccent(name)), %s, %s), '[[:punct:][:digit:][:space:]]+', ' ', 'g'
                    ))
                $$
                """,
                *letters(),
            )
        )
