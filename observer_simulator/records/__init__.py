"""The broker's records, written position by position from its tables (broker reference, 7.1).

Invariant: nothing here uses the kernel's catalogue or parser: the simulator is the independent side.
"""
