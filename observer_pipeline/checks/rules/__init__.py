"""The rules: pure functions from counted evidence to a verdict."""
