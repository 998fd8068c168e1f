"""Checks before a start: configuration, mapping, schemas, directives, budgets of time and memory."""
