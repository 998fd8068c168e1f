"""The schema registry: one client, and the limits of what it accepts as an answer."""
