"""Everything that a real broker does wrong, on request.

Invariant: a fault changes what is sent, never what was traded; the account counts what really left, so
that it stays the oracle of every check.
"""
