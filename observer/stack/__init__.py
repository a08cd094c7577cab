"""The whole of Observer on one machine, with a real PostgreSQL, a simulated broker and a virtual clock."""
