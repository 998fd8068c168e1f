"""Records to deliveries: decoding, the mapping file, expressions. No decoded event leaves this package."""
