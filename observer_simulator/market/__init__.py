"""A market that looks like one: what every symbol trades on every day, whether or not anybody listens."""
