"""The command line: one file a command. Each parses, calls and prints, and decides nothing."""
