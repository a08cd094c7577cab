"""The broker on this machine: the KIS protocol over real HTTP and websockets, with a seeded market."""
