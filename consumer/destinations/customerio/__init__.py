"""Customer.io Data Pipelines: what may be said to it, how its batches look, and what its answers mean."""
