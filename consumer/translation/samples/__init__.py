"""Sample events from a file, for `translate` only: JSON lines or an Avro container, as records."""
