"""What is seen from outside: metrics, log, status and probes, the page. Watchers ask no room."""
