"""Evidence from inside of the collector's container.

Invariant: reading leaves nothing behind: a file that was made to try a folder is gone again, a lock that
was tried is free again, and nothing is changed that the program uses. What cannot be looked at becomes
`Unseen` with its reason, never a guess.
"""
