"""The sub-commands of `observer`, one module each: `add_parser` declares it, `run` does it."""
