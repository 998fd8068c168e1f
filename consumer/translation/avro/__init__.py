"""Avro schemas, and the decoding of bytes into plain values."""
