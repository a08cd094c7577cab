"""The KIS Open API of Korea Investment & Securities: market data only.

Invariant: everything here follows the broker reference, whose section numbers the docstrings cite.
The codecs (`catalogue`, `frames`, `decoding`, `masters`) do no I/O; `rest`, `tokens` and
`master_files` are the shells that do.
"""
