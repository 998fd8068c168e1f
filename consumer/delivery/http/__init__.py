"""How a request is made: the client, its credentials, and the rate."""
