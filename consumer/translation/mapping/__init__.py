"""The mapping file: which events become which deliveries, as data, with everything wrong in it found at load."""
