"""What the Korean exchanges fix: the calendar, the sessions of a day, the grid of prices."""
