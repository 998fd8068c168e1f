"""The record: what users saw before the names changed, and a table of the names that changed since.

A fixed corpus goes through the commands and through one real service; what comes out is compared with the files in
`recorded/` after the table `renames.toml` was applied to them.

`python -m tests.record` compares and prints the differences. `python -m tests.record --write` records anew: only for a
change of behaviour that is meant, never for a rename. A rename gets a row in `renames.toml`.
"""
