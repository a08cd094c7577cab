"""The websocket side of the broker (broker reference, section 6)."""
