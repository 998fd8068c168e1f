"""Delivery: the deliveries owed, their order, their requests and retries."""
