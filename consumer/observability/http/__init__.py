"""The port for probes, metrics, the status and the status page."""
