"""The rules: pure functions from declaration and evidence to findings, one module per contract.

Invariant: a rule reads no file, clock or network, and reports one fact once: where the cause of a
finding belongs to another rule, it answers UNKNOWN and names that rule.
"""
