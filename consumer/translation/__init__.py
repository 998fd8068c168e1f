"""Records to deliveries: Avro decoding, the mapping, expressions. Decoded events do not leave this package."""
