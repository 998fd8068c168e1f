"""The whole path on one machine: embedded Kafka, strict servers of the three APIs, and a shop that lives."""
