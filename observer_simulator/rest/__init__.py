"""The REST side of the broker (broker reference, sections 2 to 5), and the simulator's own pages."""
