"""HTTP requests: client, credentials and rate limit."""
