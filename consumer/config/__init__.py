"""The configuration file, read once into frozen dataclasses: all findings at once, secrets masked."""
