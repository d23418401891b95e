"""Names in a form in which they can be compared, whatever the script: a function in the database."""

import unicodedata

from odoo import models
from odoo.tools import SQL

# Latin-1 Supplement, Latin Extended-A and B, Latin Extended Additional
LATIN = [*range(0x00C0, 0x0250), *range(0x1E00, 0x1F00)]
# Letters without a decomposition
LATIN_MORE = {"ø": "o", "đ": "d", "ł": "l", "ħ": "h", "ı": "i", "ŧ": "t", "ɓ": "b", "ɗ": "d", "ƙ": "k", "ŋ": "n"}
# Letters that stand for one sound, or one letter written in several ways: which one is typed is chance.
ARABIC = {"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ئ": "ي", "ؤ": "و", "ة": "ه"}
# Vowel marks of Arabic, and the sign that stretches a letter
ARABIC_MARKS = [chr(code) for code in (*range(0x064B, 0x0653), 0x0670, 0x0640)]
# Rows of Ethiopic letters of one sound, in the seven orders of the vowels: first letter → first letter of the row kept.
ETHIOPIC = {0x1210: 0x1200, 0x1280: 0x1200, 0x1220: 0x1230, 0x12D0: 0x12A0, 0x1340: 0x1338}


def letters():
    """(from, to) of PostgreSQL's translate(), for lower-case text; letters without a counterpart are removed."""
    pairs = {}
    for code in LATIN:
        letter = chr(code)
        base = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
        if base != letter and len(base) == 1 and letter == letter.lower():
            pairs[letter] = base
    pairs |= LATIN_MORE | ARABIC
    pairs |= {chr(other + order): chr(kept + order) for other, kept in ETHIOPIC.items() for order in range(7)}
    # Accents typed as signs of their own
    removed = [*ARABIC_MARKS, *(chr(code) for code in range(0x0300, 0x0370))]
    return "".join(pairs) + "".join(removed), "".join(pairs.values())


class NameFunctions(models.AbstractModel):
    _name = "g2p.deduplication.names"
    _description = "Names in comparable form"

    def init(self):
        """g2p_plain_name(text): lower case, without accents and signs, letters of one sound made one."""
        self.env.cr.execute(
            SQL(
                r"""
                CREATE OR REPLACE FUNCTION g2p_plain_name(name text) RETURNS text
                LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
                    SELECT btrim(regexp_replace(
                        translate(lower(name), %s, %s), '[[:punct:][:digit:][:space:]]+', ' ', 'g'
                    ))
                $$
                """,
                *letters(),
            )
        )
