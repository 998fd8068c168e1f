r"""The patterns among the subscribed topics: regular expressions of RE2, matched from the beginning of a name.

The service resolves them itself, so that a pattern means the same everywhere. librdkafka would match it by the rules
of POSIX, where `\d` is the letter d, and the brokers (KIP-848) by those of RE2, against the whole name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import re2

INTERNAL_PREFIX = "__"
"""Begins the names of Kafka's own topics. No pattern matches them."""

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False  # otherwise RE2 prints each error on standard error

_LONGEST_REASON = 80  # characters; RE2 repeats up to the whole pattern

_OTHER_WAY = "list the names of the topics, or several patterns"
_HINTS = (
    (("(?=", "(?!", "(?<"), f"RE2 has no look-around: {_OTHER_WAY}"),
    (("(?P=", *(f"sequence: \\{digit}" for digit in range(1, 10))), f"RE2 has no back-references: {_OTHER_WAY}"),
    (("sequence: \\Z",), "RE2 writes the end of the name as `$`"),
)
_HINT = "a topic that begins with `^` must be one: see RE2's syntax; write a dot as `[.]`"


@dataclass(frozen=True, slots=True)
class TopicPattern:
    """A pattern. `matches` returns whether a topic's name begins with a match."""

    text: str
    matches: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class InvalidPattern:
    """Why a text is no pattern, in RE2's words, and what to do instead."""

    reason: str
    hint: str


def is_pattern(topic: str) -> bool:
    """Return whether a subscribed topic is a pattern, not a name."""
    return topic.startswith("^")


def parse_pattern(text: str) -> TopicPattern | InvalidPattern:
    """Read a pattern."""
    try:
        regexp = re2.compile(text, _OPTIONS)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace")
    except UnicodeEncodeError:
        return InvalidPattern("half of a surrogate pair", _HINT)
    else:
        return TopicPattern(text, lambda name: regexp.match(name) is not None)
    return InvalidPattern(reason[:_LONGEST_REASON], _hint(text, reason))


def _hint(text: str, reason: str) -> str:
    # RE2 names a back-reference to a named group only as `(?P`.
    shown = f"{reason} {text}" if reason.endswith("(?P") else reason
    return next((hint for signs, hint in _HINTS if any(sign in shown for sign in signs)), _HINT)
