"""What the options of every destination have in common: addresses and limits that can be meant."""

from __future__ import annotations

import re

from consumer.destinations import OptionError

_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")
_PATH = re.compile(r"/[^\s?#]*")


def check_url(url: str) -> None:
    """Refuse what is not a base address.

    Raises:
        OptionError: no scheme, no host, credentials, a query or a fragment in it.
    """
    if not _URL.fullmatch(url):
        raise OptionError("url", "not a base address", "https://host, with a path but without credentials or a query")


def check_path(option: str, path: str) -> None:
    """Refuse what is no path below `url`.

    Raises:
        OptionError: it does not start with a slash, or holds a query.
    """
    if not _PATH.fullmatch(path):
        raise OptionError(option, "not a path", "a path that starts with /; it is appended to url")


def check_least(option: str, value: int, least: int) -> None:
    """Refuse a limit that would let nothing through.

    Raises:
        OptionError: it is below `least`.
    """
    if value < least:
        raise OptionError(option, f"at least {least} is needed")
