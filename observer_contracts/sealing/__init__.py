"""Sealing: from the values of the credentials to the one SealedSecret that the deployment uses.

Invariant: which keys there are is asked of the declaration; a value is never printed, and never written
but sealed.
"""
