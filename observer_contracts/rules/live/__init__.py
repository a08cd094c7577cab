"""Rules about the running cluster; pure functions from declaration and live evidence.

Invariant: as in `rules`. What manifests promise, the cluster must have: a rule about objects judges the
cluster's objects by the same function. A kind that could not be read whole makes every rule that needs it
UNKNOWN, for nothing can be concluded from what is missing of it.
"""
