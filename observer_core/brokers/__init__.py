"""What Observer knows about brokers, one package each.

Invariant: outside of these packages nobody reads a broker's field names, codes or byte positions.
"""
