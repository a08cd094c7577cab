"""The declaration: what a deployment must be.

Invariant: a fact that a program knows (a path, a variable, a port, an address) is taken from the
object the program runs on; only what no program knows (sizes, users, names in the cluster) is
written here, once. What a deployment may choose comes from `contracts.yaml`.
"""
