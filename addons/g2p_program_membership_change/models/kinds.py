"""The kinds of changes in the life of members, and how a proof of life is given."""

from typing import NamedTuple

from odoo.addons.g2p_programs.tools.constants import GROUP_MANAGER, GROUP_VALIDATOR


class Kind(NamedTuple):
    """What a kind of change does, and who may do it."""

    from_states: tuple
    to_state: str | None
    outcome: str
    group: str = GROUP_VALIDATOR
    # Whether the program has to be active: nobody comes back into one that has ended.
    comes_back: bool = False


KINDS = {
    "pause": Kind(("enrolled",), "paused", "paused"),
    "resume": Kind(("paused",), "enrolled", "resumed", comes_back=True),
    "exit": Kind(("draft", "enrolled", "paused", "not_eligible", "duplicated"), "exited", "exited"),
    "graduate": Kind(("enrolled", "paused"), "graduated", "graduated"),
    "readmit": Kind(("exited", "graduated"), "draft", "readmitted", group=GROUP_MANAGER, comes_back=True),
    "verify": Kind(("enrolled", "paused"), None, "verified"),
}
KIND_LABELS = [
    ("pause", "Pause"),
    ("resume", "Resume"),
    ("exit", "Exit"),
    ("graduate", "Graduate"),
    ("readmit", "Re-admit"),
    ("verify", "Proof of life"),
]
METHODS = [
    ("visit", "Visited"),
    ("office", "Came to the office"),
    ("biometric", "Biometric check"),
    ("call", "Phone or video call"),
    ("document", "Document"),
    ("representative", "Vouched for by a representative"),
]

# Cycles that are not over. In a distributed one only an entitlement whose payment failed can still be open.
OPEN_CYCLES = ("draft", "to_approve", "approved", "distributed")
PLACES_IN = ("draft", "to_approve", "approved")
UNPAID_STATES = ("draft", "pending_validation", "approved")
LEFT_STATES = ("exited", "graduated")

# The steps of a change, as those who rely on them name them.
CHANGES = ("g2p.membership.change:apply", "g2p.membership.change:reverse")
