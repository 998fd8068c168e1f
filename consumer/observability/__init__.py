"""Metrics, log, health probes, status and status page. They only observe: no package that does the work is imported."""
