from . import membership_change
