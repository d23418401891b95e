"""What the other side said, in the few words that decide what is done next."""

from typing import NamedTuple

# Final: it has what was sent, or has looked at it and will not have it. What came of each message is in `results`.
DELIVERED, REFUSED = "delivered", "refused"
# It has it, and will tell later: it is asked until then.
ACCEPTED = "accepted"
# It was asked, and never got it: it is sent again, with the same key.
ABSENT = "absent"
# It has certainly not taken it (too busy, not reachable, who are you?): it is sent again later, with the same key.
LATER = "later"
# It has not taken it, and would not take the same call another time: a person looks at it.
REJECTED = "rejected"
# Nobody knows whether it arrived: it is asked before anything is sent again.
UNKNOWN = "unknown"

FINAL = (DELIVERED, REFUSED)


class Result(NamedTuple):
    """What came of one message of a batch."""

    outcome: str  # DELIVERED or REFUSED
    reference: str | None = None  # what the other side calls it
    reason: str | None = None  # a code or a few words, without data of people


class Answer(NamedTuple):
    """What came of a call."""

    fate: str
    reason: str | None = None  # a code or a few words, without data of people
    reference: str | None = None  # what the other side calls the batch
    # {key of a message: Result}. What is not named, and has no outcome yet, shares the fate of the batch when that is final.
    results: dict = {}


def read_status(status):
    """The fate that an HTTP status stands for, where a kind has nothing better to go by.

    Only what certainly was not taken is sent again without asking. A server that failed may have failed afterwards.

    >>> [read_status(status) for status in (200, 204, 302, 401, 429)]
    ['delivered', 'delivered', 'later', 'later', 'later']
    >>> [read_status(status) for status in (400, 422, 408, 409, 500, 503, 999)]
    ['rejected', 'rejected', 'unknown', 'unknown', 'unknown', 'unknown', 'unknown']
    """
    if 200 <= status < 300:
        return DELIVERED
    if 300 <= status < 400 or status in (401, 403, 404, 429):
        return LATER
    if 400 <= status < 500 and status not in (408, 409, 425):
        return REJECTED
    return UNKNOWN
