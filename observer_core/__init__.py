"""The shared kernel: what every part of Observer agrees on, and no framework.

It imports nothing of ours outside this package.
"""
