"""Readers of evidence, and what they return.

Invariant: a reader reports what there is and judges nothing; a value that may be secret is replaced
by its length while it is read, so that no later step can print it.
"""
