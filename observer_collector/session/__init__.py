"""One connection to the broker: a pure conversation, and the socket that holds it."""
