"""How people are found: what the database makes of names and numbers, and what of the words that somebody types.

Names, IDs and phones are compared in a plain form that the database computes (`g2p_search_words`, `g2p_search_number`,
`g2p_search_phone`) and keeps in trigram indexes, so that rows that come by SQL are found like any other. Both sides must make
the same of a text: the functions and their twins stand here together.
"""

import re
import unicodedata

from odoo.tools import SQL

# What parts words, what is left out of them, and letters that no decomposition knows.
MARKS = ',.;:-_/\\()[]{}<>"“”«»#&+*!?%$@|=~^'
SILENT = "'’ʼ`"
LETTERS, PLAIN = "øłđħı", "oldhi"
LEAST = 3  # a part of fewer characters is looked for at the start of a word only: an index of trigrams knows no less
LONGEST = 200  # characters of a search that are looked at; no name, ID or number has more
WORDS = 8  # of a search; more say nothing
NEAR_WORDS = 12  # spellings tried for a word that nobody has

FUNCTIONS = f"""
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS fuzzystrmatch;

-- "RANA, Élodie" is " rana  elodie ": any number of spaces, one at each end at least.
CREATE OR REPLACE FUNCTION g2p_search_words(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ' ' || translate(
        CASE
            WHEN octet_length(name) = char_length(name) THEN lower(name COLLATE "C")
            ELSE regexp_replace(
                lower(normalize(name, NFKD) COLLATE "und-x-icu") COLLATE "C", '[\\u0300-\\u036f\\u064b-\\u0652]+', '', 'g'
            )
        END,
        $g2p${MARKS}{LETTERS}{SILENT}$g2p$,
        '{" " * len(MARKS)}{PLAIN}'
    ) || ' '
$$;

-- An ID without what parts its digits and letters.
CREATE OR REPLACE FUNCTION g2p_search_number(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT translate(
        CASE
            WHEN octet_length(value) = char_length(value) THEN lower(value COLLATE "C")
            ELSE lower(normalize(value, NFKC) COLLATE "und-x-icu") COLLATE "C"
        END,
        $g2p$ {MARKS}{SILENT}$g2p$,
        ''
    )
$$;

-- The digits of a phone number, with the country's code where its numbering plan knows it.
CREATE OR REPLACE FUNCTION g2p_search_phone(sanitized text, number text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT translate(COALESCE(sanitized, number), '+ -()./', '')
$$;
"""

# The plain name is a generated column: PostgreSQL knows how common a word is, and reads the table in the order of the list
# where nearly everybody is called so. Names of other contacts are not in it.
COLUMN = """
ALTER TABLE res_partner ADD COLUMN IF NOT EXISTS is_registrant boolean;
ALTER TABLE res_partner ADD COLUMN IF NOT EXISTS search_words text COLLATE "C"
    GENERATED ALWAYS AS (CASE WHEN is_registrant THEN g2p_search_words(complete_name) END) STORED;
"""

# The words of all names, so that a misspelt one can be set right. One table for all: it tells nobody whose word it is. No
# unique index: two imports of the same new word at once would wait for each other. Each word is looked up by its key,
# whatever statistics say: a session keeps its plan, and one made for an empty table as a join would read all words for each.
WORDS_TABLE = """
CREATE TABLE IF NOT EXISTS g2p_registrant_word (word text COLLATE "C" NOT NULL);
CREATE INDEX IF NOT EXISTS g2p_registrant_word_idx ON g2p_registrant_word (word);
CREATE INDEX IF NOT EXISTS g2p_registrant_word_length_idx ON g2p_registrant_word (length(word));

CREATE OR REPLACE FUNCTION g2p_registrant_words_added() RETURNS trigger AS $$
BEGIN
    INSERT INTO g2p_registrant_word (word)
    SELECT fresh.word
    FROM (
        SELECT DISTINCT part.word
        FROM added
        CROSS JOIN LATERAL unnest(string_to_array(added.search_words, ' ')) AS part (word)
        WHERE length(part.word) BETWEEN 3 AND 40
    ) AS fresh
    WHERE (SELECT known.word FROM g2p_registrant_word AS known WHERE known.word = fresh.word LIMIT 1) IS NULL;
    RETURN NULL;
END $$ LANGUAGE plpgsql SET enable_seqscan = off;

CREATE OR REPLACE FUNCTION g2p_registrant_words_changed() RETURNS trigger AS $$
BEGIN
    INSERT INTO g2p_registrant_word (word)
    SELECT DISTINCT part.word
    FROM unnest(string_to_array(NEW.search_words, ' ')) AS part (word)
    WHERE length(part.word) BETWEEN 3 AND 40
        AND (SELECT known.word FROM g2p_registrant_word AS known WHERE known.word = part.word LIMIT 1) IS NULL;
    RETURN NULL;
END $$ LANGUAGE plpgsql SET enable_seqscan = off;

CREATE OR REPLACE TRIGGER g2p_registrant_words_added AFTER INSERT ON res_partner
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION g2p_registrant_words_added();
CREATE OR REPLACE TRIGGER g2p_registrant_words_changed AFTER UPDATE OF complete_name, is_registrant ON res_partner
    FOR EACH ROW WHEN (
        NEW.is_registrant AND (OLD.complete_name, OLD.is_registrant) IS DISTINCT FROM (NEW.complete_name, NEW.is_registrant)
    )
    EXECUTE FUNCTION g2p_registrant_words_changed();

-- registrants who were there before this table
INSERT INTO g2p_registrant_word (word)
SELECT DISTINCT part.word
FROM res_partner
CROSS JOIN LATERAL unnest(string_to_array(search_words, ' ')) AS part (word)
WHERE length(part.word) BETWEEN 3 AND 40 AND NOT EXISTS (SELECT FROM g2p_registrant_word);
"""

_TABLE = str.maketrans(MARKS + LETTERS, " " * len(MARKS) + PLAIN, SILENT)
_NUMBER = str.maketrans("", "", " " + MARKS + SILENT)
_ACCENTS = re.compile("[\u0300-\u036f\u064b-\u0652]+")


def sought(text):
    """What is looked at of a text that somebody searches by, however long it is.

    >>> sought("Ra\\x00na"), len(sought("a" * 1_000_000))
    ('Ra na', 200)
    """
    return text[:LONGEST].replace("\x00", " ")


def words(text):
    """The words of a name or of a search, as `g2p_search_words` makes them.

    >>> words("RANA, Élodie  N'Diaye")
    ['rana', 'elodie', 'ndiaye']
    """
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text or "").lower())
    return plain.translate(_TABLE).split()


def number(text):
    """An ID as `g2p_search_number` makes it; digits of any script are digits.

    >>> number(" KE-012 345/a ")
    'ke012345a'
    """
    return _digits(unicodedata.normalize("NFKC", text or "").lower()).translate(_NUMBER)


def phone_digits(text):
    """The digits of what may be (a part of) a phone number, else an empty string.

    >>> phone_digits("+254 (712) 34-56"), phone_digits("Kamala 0712"), phone_digits("07")
    ('2547123456', '', '')
    """
    if not re.fullmatch(r"[\d\s+().\-/]+", text or ""):
        return ""
    digits = re.sub(r"\D", "", _digits(text))
    return digits if len(digits) >= LEAST else ""


def parts(number, start=""):
    """LIKE patterns of the numbers with this part; a short one only at either end, after `start`.

    >>> parts("4711"), parts("471", "254")
    (['%4711%'], ['254471%', '%471'])
    """
    return [f"%{number}%"] if len(number) > LEAST else [f"{start}{number}%", f"%{number}"]


def _digits(text):
    return "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in text)


def named(column, sought):
    """SQL: the plain name in `column` has all the words, each from the middle of a word or, where it is short, at a start.

    :param sought: for each word, the spellings of it, any of which will do: a bare one is a part of a word, one in
        spaces is the whole word
    """
    return SQL(" AND ").join(
        SQL("(%s)", SQL(" OR ").join(SQL("%s LIKE %s", column, _pattern(spelling)) for spelling in spellings))
        for spellings in sought
    )


def _pattern(spelling):
    if spelling.startswith(" ") or len(spelling) >= LEAST:
        return f"%{spelling}%"
    return f"% {spelling}%"


def near(cr, word):
    """Words of the registry that `word` may be a misspelling of, the nearest first.

    One slip (a letter too many, too few, wrong, or two that changed places) in up to five letters, two in more.
    """
    length = len(word)
    if not LEAST <= length <= 40:
        return []
    slips = 1 if length <= 5 else 2
    cr.execute(
        SQL(
            """
            SELECT DISTINCT word
            FROM g2p_registrant_word
            WHERE length(word) BETWEEN %s AND %s AND levenshtein_less_equal(word, %s, %s) <= %s
            LIMIT 2000
            """,
            length - slips,
            length + slips,
            word,
            # two letters that changed places are two edits there
            2 * slips,
            2 * slips,
        )
    )
    found = sorted((distance(word, other), other) for (other,) in cr.fetchall())
    return [other for away, other in found if away <= slips][:NEAR_WORDS]


def distance(one, other):
    """How many slips lie between two words.

    >>> distance("kamla", "kamala"), distance("rnaa", "rana"), distance("rana", "rana")
    (1, 1, 0)
    """
    last, before = None, list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, opposite in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != opposite))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == opposite:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        last, before = before, row
    return before[-1]


def union(queries):
    return SQL(" UNION ALL ").join(SQL("(%s)", query) for query in queries)


def column(query, name):
    """:param odoo.tools.Query query: whose rows are wanted for one of their columns"""
    return query.select(SQL.identifier(query.table, name))
