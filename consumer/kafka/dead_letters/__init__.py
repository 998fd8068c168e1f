"""The dead-letter topic: the writer and its thread, the producer, and the headers."""
