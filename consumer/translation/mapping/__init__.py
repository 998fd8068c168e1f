"""The mapping: which events become which deliveries, read from YAML files and checked at load."""
