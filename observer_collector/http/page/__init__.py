"""The status as a page that an operator keeps open."""
