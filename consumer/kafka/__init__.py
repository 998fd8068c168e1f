"""Kafka: the poll thread, offset commits, the dead-letter topic, the schema registry and the lag."""
