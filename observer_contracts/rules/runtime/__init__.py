"""Rules about the running container; pure functions from declaration and runtime evidence.

Invariant: as in `rules`; a database, broker or network that gives no answer is EXTERNAL, never FAIL, so
that an init step does not keep the collector from recording because something else is late.
"""
