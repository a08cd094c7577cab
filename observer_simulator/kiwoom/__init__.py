"""The Kiwoom side of the simulated brokers: token and stock list.

Invariant: it lists the same market as the KIS side, in Kiwoom's forms (Kiwoom reference, sections 2, 3, 6.1).
"""
