"""Contracts on data: a table of promises, pure rules that judge them, and the factory of asset checks.

Invariant: a check never raises and never stays silent: what cannot be evaluated is a failed
evaluation that shows the error.
"""
