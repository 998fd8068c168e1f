"""The record of user-visible behaviour, and the table of names that changed since it was written.

The commands and one real service process a fixed corpus. The table `renames.toml` is applied to the files in
`recorded/`, and the output is compared with the result.

`python -m tests.record` compares and prints the differences. `python -m tests.record --write` writes the record anew.
Use it only for an intended change of behaviour. A rename gets a row in `renames.toml` instead.
"""
