"""The log: one line per event."""
