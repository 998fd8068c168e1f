"""Kafka: the thread that moves records and offsets, the dead-letter topic, the registry and the lag."""
