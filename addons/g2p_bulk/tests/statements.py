"""Counting statements, for the tests of every addon: ``with counting_statements(cr) as count: …; count.statements``."""

import contextlib
import itertools
from datetime import timedelta
from unittest.mock import patch

from odoo.fields import Datetime

_hours = itertools.count(1)


class StatementCount:
    """How many statements the block took, what the ORM holds back included; known when the block is over."""

    statements = None


@contextlib.contextmanager
def counting_statements(cr):
    """Count the statements of a block, which then doesn't depend on how fast the machine is.

    The ORM writes no value that a record has already. A time stamp of whole seconds is such a value when the block before
    ended within the same second: one statement less. So the clock stands still inside a block, and each block has an hour
    of its own. Nor does Odoo throw old bus messages away by chance meanwhile.
    """
    count = StatementCount()
    moment = Datetime.now() + timedelta(hours=next(_hours))
    cr.transaction.flush()
    before = cr.sql_log_count
    with (
        patch.object(Datetime, "now", staticmethod(lambda *args: moment)),
        patch("random.random", lambda: 1),
    ):
        yield count
        cr.transaction.flush()
    count.statements = cr.sql_log_count - before
