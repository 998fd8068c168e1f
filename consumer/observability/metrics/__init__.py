"""The metrics: those counted as things happen, and those read at scrape time."""
