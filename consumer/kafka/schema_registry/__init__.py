"""The schema registry: its client, and the limits of a response."""
