"""Delivery: what is owed, in which order it is sent, when it is retried, and how a request is made."""
