from . import outbox_decision
