"""The whole path on one machine: embedded Kafka, strict local servers of the three APIs, and a simulated shop."""
