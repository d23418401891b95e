"""How long to wait, and when to leave an endpoint alone: arithmetic only."""

import random
from datetime import timedelta

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"


def wait(tries, first, longest, jitter=random.random):
    """Seconds until the next try after `tries` of them: doubling, at most `longest`, half of it by chance, so that those
    who failed together don't come back together.

    >>> [wait(tries, 10, 300, lambda: 1.0) for tries in (1, 2, 3, 6, 1000)]
    [10.0, 20.0, 40.0, 300.0, 300.0]
    >>> wait(1, 10, 300, lambda: 0.0)
    5.0
    """
    doublings = min(max(tries - 1, 0), 30)
    return min(first * 2.0**doublings, float(longest)) * (0.5 + jitter() / 2)


def moment(now, seconds):
    """Whole seconds, never earlier than `now`.

    >>> from datetime import datetime
    >>> moment(datetime(2026, 1, 1), 1.2)
    datetime.datetime(2026, 1, 1, 0, 0, 2)
    """
    return now + timedelta(seconds=-(-seconds // 1))


def breaker(failures, most, open_until, now):
    """Whether calls go through: closed, open (nothing is called), or half-open (one call tries it).

    >>> from datetime import datetime
    >>> noon, later = datetime(2026, 1, 1, 12), datetime(2026, 1, 1, 13)
    >>> breaker(4, 5, None, noon), breaker(5, 5, later, noon), breaker(5, 5, noon, later), breaker(7, 5, None, noon)
    ('closed', 'open', 'half_open', 'half_open')
    """
    if failures < most:
        return CLOSED
    return OPEN if open_until and open_until > now else HALF_OPEN
