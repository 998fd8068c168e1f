"""Operator directives: a file that is re-read every second while the service runs."""
