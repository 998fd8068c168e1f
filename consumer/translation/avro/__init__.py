"""Avro: schemas, and the bytes they describe as plain values."""
