"""The benchmark: the real process, with every promise on, over sockets, against references in the same run."""
