"""The public face of Observer: its command, the local stack, and readers for researchers."""
