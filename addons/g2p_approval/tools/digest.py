"""What exactly is to be agreed, as one short text: the same for the same, another for anything else."""

import hashlib
import json

from odoo.tools import SQL

# Rows of a set that are digested together: a digest of millions of rows needs the memory of these only.
ROWS = 1000


def of_values(values):
    """The digest of values that JSON can hold.

    >>> of_values({"amount": "10.00", "to": 5}) == of_values({"to": 5, "amount": "10.00"})
    True
    >>> of_values(["10.00"]) == of_values(["10.0"])
    False
    """
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def of_rows(rows):
    """A statement that digests a set.

    :param SQL rows: selects (key integer, row text), one key a row
    :return: SQL of one row (digest, rows)
    """
    return SQL(
        """
        SELECT encode(sha256(convert_to(COALESCE(string_agg(part.digest, '' ORDER BY part.bucket), ''), 'UTF8')), 'hex'),
               COALESCE(SUM(part.rows), 0)::bigint
          FROM (
                SELECT source.key / %(rows)s AS bucket,
                       encode(sha256(convert_to(
                           string_agg(source.key || ':' || COALESCE(source.row, ''), E'\\n' ORDER BY source.key), 'UTF8'
                       )), 'hex') AS digest,
                       COUNT(*) AS rows
                  FROM (%(source)s) AS source (key, row)
                 GROUP BY source.key / %(rows)s
               ) AS part
        """,
        rows=ROWS,
        source=rows,
    )


def of_set(rows, columns, totals=()):
    """A statement that digests a set of any size in one pass: nothing is sorted, and memory stays flat.

    Each row counts with 128 bits of functions that are quick, and not made to withstand somebody who chooses rows: for sets
    whose rows nobody may choose while they wait. What the set adds up to is compared beside it.

    :param SQL rows: the FROM clause and what follows it
    :param columns: SQL of what is agreed to of a row, its key among it
    :param totals: SQL of numbers that are added up
    :return: SQL of one row of texts: two sums of hashes, how many rows, and the totals
    """
    row = SQL("ROW(%s)", SQL(", ").join(columns))
    # The hash of a row is a sum over its columns: hashed once more, so that what two rows exchange does not cancel out.
    hashes = SQL(", ").join(
        SQL("SUM(hashint8extended(hash_record_extended(%s, %s), %s))::text", row, seed, seed) for seed in (1, 2)
    )
    return SQL(
        "SELECT %(hashes)s, COUNT(*)::text%(totals)s FROM %(rows)s",
        hashes=hashes,
        totals=SQL("").join(SQL(", SUM(%s)::text", total) for total in totals),
        rows=rows,
    )
