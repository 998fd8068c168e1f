"""Checks that the options of every destination share: addresses, paths and limits."""

from __future__ import annotations

import re

from consumer.destinations import OptionError

_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")
_PATH = re.compile(r"/[^\s?#]*")


def check_url(url: str) -> None:
    """Check a base address.

    Raises:
        OptionError: no scheme, no host, credentials, a query or a fragment in it.
    """
    if not _URL.fullmatch(url):
        raise OptionError(
            "url", "not a base address", "write https://host or https://host/path, without credentials or a query"
        )


def check_path(option: str, path: str) -> None:
    """Check a path that is appended to `url`.

    Raises:
        OptionError: it does not start with a slash, or holds a query.
    """
    if not _PATH.fullmatch(path):
        raise OptionError(option, "not a path", "write a path that starts with /; it is appended to url")


def check_least(option: str, value: int, least: int) -> None:
    """Check a limit: one that is too small would let nothing through.

    Raises:
        OptionError: it is below `least`.
    """
    if value < least:
        raise OptionError(option, f"must be at least {least}")
