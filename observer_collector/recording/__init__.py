"""From what was received to lines of the journal."""
