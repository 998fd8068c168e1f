"""The dead-letter topic: what is written there, and the thread that writes it."""
