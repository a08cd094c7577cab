"""The long-running service that records what the broker sends."""
