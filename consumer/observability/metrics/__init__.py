"""The metrics: what is counted, and what is read at scrape time."""
