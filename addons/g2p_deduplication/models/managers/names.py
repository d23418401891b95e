"""Names in a form in which they can be compared, whatever the script: a function in the database."""

from odoo import models
from odoo.tools import SQL

# Accents of Latin letters, vowel marks of Arabic ones, and the sign that stretches an Arabic letter: left out.
MARKS = "[\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0670\u0640]"
# Latin letters that are no letter with an accent
LATIN = {"ø": "o", "đ": "d", "ł": "l", "ħ": "h", "ı": "i", "ŧ": "t", "ɓ": "b", "ɗ": "d", "ƙ": "k", "ŋ": "n"}
# Letters of one sound, or one letter written in several ways: which one is typed is chance.
ARABIC = {"ٱ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه"}
# Rows of Ethiopic letters of one sound, in the seven orders of the vowels: first letter → first letter of the row kept.
ETHIOPIC = {0x1210: 0x1200, 0x1280: 0x1200, 0x1220: 0x1230, 0x12D0: 0x12A0, 0x1340: 0x1338}


def letters():
    """(from, to) of PostgreSQL's translate()."""
    pairs = LATIN | ARABIC
    pairs |= {chr(other + order): chr(kept + order) for other, kept in ETHIOPIC.items() for order in range(7)}
    return "".join(pairs), "".join(pairs.values())


class NameFunctions(models.AbstractModel):
    _name = "g2p.deduplication.names"
    _description = "Names in comparable form"

    def init(self):
        """g2p_plain_name(text): lower case, without accents and signs, letters of one sound made one. Most names are
        plain Latin ones, which take the short way."""
        self.env.cr.execute(
            SQL(
                r"""
                CREATE OR REPLACE FUNCTION g2p_plain_name(name text) RETURNS text
                LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
                    SELECT CASE WHEN name ~ '^[A-Za-z]+$' THEN lower(name) ELSE btrim(regexp_replace(
                        CASE WHEN octet_length(name) = char_length(name) THEN lower(name)
                             ELSE translate(regexp_replace(normalize(lower(name), NFKD), %s, '', 'g'), %s, %s) END,
                        '[[:punct:][:digit:][:space:]]+', ' ', 'g'
                    )) END
                $$
                """,
                MARKS,
                *letters(),
            )
        )
