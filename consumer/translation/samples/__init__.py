"""Sample events from a file, as records: JSON lines or an Avro container. Only the command `translate` uses them."""
