"""Benchmark: the real process over sockets, with every guarantee on, beside references in the same run."""
