"""Customer.io Data Pipelines: its calls, its batches, and the meaning of its responses."""
