"""The Kiwoom REST API: the stock list as the second source of symbols.

Invariant: everything here follows the Kiwoom reference, whose section numbers the docstrings cite;
`stocks` and `answers` do no I/O, `rest` and `tokens` are the shells that do. Its websocket is not used.
"""
