"""Which instruments exist, and which of them Observer records.

Invariant: what was once written for a date is never rewritten, and says which source won and why
every other one did not.
"""
