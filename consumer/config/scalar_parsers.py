"""Parsers for single values of the configuration: durations, sizes, rates, addresses, instants, URLs, topics."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from consumer.kafka.topic_pattern import INTERNAL_PREFIX, InvalidPattern, is_pattern, parse_pattern

DURATION_PATTERN = r"[0-9]+(\.[0-9]+)?(ms|s|m|h|d)"
SIZE_PATTERN = r"[0-9]+(\.[0-9]+)? ?(B|KiB|MiB|GiB)?"
RATE_PATTERN = r"[0-9]+(\.[0-9]+)?/(s|m|h)"
TOPIC_PATTERN = r"[a-zA-Z0-9._-]{1,249}"
NAME_PATTERN = r"[a-z][a-z0-9_]{0,62}"
SHARE_PATTERN = r"[0-9]+(\.[0-9]+)?%"
GROUP_PATTERN = r"[a-zA-Z0-9._-]{1,200}"

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_MAX_LENGTH = 60  # characters; no number, duration or size needs more
_HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class InvalidValue:
    """Why a text is not a value of this type, and what to write instead."""

    message: str
    hint: str = ""


def duration(text: str) -> float | InvalidValue:
    """Read `200ms`, `15s`, `5m`, `1h` or `30d` as seconds."""
    if len(text) > _MAX_LENGTH or re.fullmatch(DURATION_PATTERN, text) is None:
        return InvalidValue("is not a duration", "write a number and its unit: `200ms`, `15s`, `5m`, `1h`")
    unit = text.lstrip("0123456789.")
    return float(text.removesuffix(unit)) * _SECONDS[unit]


def size(text: str) -> int | InvalidValue:
    """Read `490000` or `32KiB` as bytes."""
    if len(text) > _MAX_LENGTH or re.fullmatch(SIZE_PATTERN, text) is None:
        return InvalidValue("is not a size", "write bytes, or a number and its unit: `490000`, `32KiB`, `64MiB`")
    unit = text.lstrip("0123456789.").strip()
    return int(float(text.removesuffix(unit).strip()) * _BYTES[unit or "B"])


def rate(text: str) -> float | InvalidValue:
    """Read `5/s`, `300/m` or `3000/h` as requests per second."""
    if len(text) > _MAX_LENGTH or re.fullmatch(RATE_PATTERN, text) is None:
        return InvalidValue("is not a rate", "write requests per time: `5/s`, `300/m`")
    number, unit = text.split("/")
    return float(number) / _SECONDS[unit]


def share(text: str) -> float | InvalidValue:
    """Read `0.5` or `50%` as a share."""
    number = text.removesuffix("%")
    if len(text) > _MAX_LENGTH or re.fullmatch(r"[0-9]+(\.[0-9]+)?", number) is None:
        return InvalidValue("is not a share", "write a number from 0 to 1, or `50%`")
    return float(number) / (1 if number == text else 100)


def whole(text: str) -> int | InvalidValue:
    """Read a whole number."""
    if len(text) > _MAX_LENGTH or re.fullmatch(r"[-+]?[0-9]+", text) is None:
        return InvalidValue("is not a whole number")
    return int(text)


def truth(text: str) -> bool | InvalidValue:
    """Read `true` or `false`. Nothing else is a Boolean: `yes` and `no` are text in YAML 1.2."""
    if text.lower() not in {"true", "false"}:
        return InvalidValue("is neither true nor false", "write `true` or `false`")
    return text.lower() == "true"


def address(text: str) -> tuple[str, int] | InvalidValue:
    """Read `host:port` or `[::1]:port`. An empty host means every interface; port 0 means any free port."""
    host, colon, port = text.rpartition(":")
    bare = host.startswith("[") and host.endswith("]")
    if not colon or not port.isascii() or not port.isdigit() or (":" in host and not bare):
        return InvalidValue("is not an address", "write `host:port`, such as `0.0.0.0:9464` or `[::1]:9464`")
    if len(port) > len(str(_HIGHEST_PORT)) or int(port) > _HIGHEST_PORT:
        return InvalidValue("has a port above 65535")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 — what an empty host is documented to mean


def instant(text: str) -> int | InvalidValue:
    """Read `2026-11-01T00:00:00Z` as epoch milliseconds."""
    hint = "write a date, a time and its zone: `2026-11-01T00:00:00Z`"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return InvalidValue("is not an instant", hint)
    if moment.tzinfo is None:
        return InvalidValue("is an instant without a time zone", hint)
    try:
        return max(0, round(moment.astimezone(UTC).timestamp() * 1000))
    except (OverflowError, ValueError):
        return InvalidValue("is an instant outside of the calendar", hint)


def start(text: str) -> str | int | InvalidValue:
    """Read `earliest`, `latest`, or an instant as epoch milliseconds."""
    if text in {"earliest", "latest"}:
        return text
    moment = instant(text)
    hint = "write `earliest`, `latest`, or an instant such as `2026-11-01T00:00:00Z`"
    return InvalidValue("is not a start position", hint) if isinstance(moment, InvalidValue) else moment


def url(text: str) -> str | InvalidValue:
    """Check an `https://` (or `http://`) base address. Drop slashes at its end."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return InvalidValue("is not a URL", "write `https://host/path`")
    if parts.scheme not in {"http", "https"} or not host or re.search(r"[\s\x00-\x1f\\]", text):
        return InvalidValue("is not a URL", "write `https://host/path`")
    if "@" in parts.netloc:
        return InvalidValue("contains credentials", "remove them from the URL, and use the settings for credentials")
    if parts.query or parts.fragment or "?" in text or "#" in text:
        return InvalidValue("is a URL with a query or a fragment", "write only `https://host/path`")
    return text.rstrip("/")


def is_plain_http(text: str) -> bool:
    """Return whether requests to a URL cross a network unencrypted: `http`, and not to this machine."""
    parts = urlsplit(text)
    host = parts.hostname or ""
    if parts.scheme != "http" or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def topic(text: str) -> str | InvalidValue:
    """Check a topic's name, or a pattern: a regular expression of RE2 that begins with `^`."""
    if is_pattern(text):
        pattern = parse_pattern(text)
        if isinstance(pattern, InvalidPattern):
            return InvalidValue(f"is not a regular expression of RE2 ({pattern.reason})", pattern.hint)
        if re.match(rf"\^{INTERNAL_PREFIX}([^?*{{]|$)", text) and "|" not in text:
            return InvalidValue("matches only internal topics, which patterns leave out", "name the topic instead")
        return text
    if re.fullmatch(TOPIC_PATTERN, text) is None or text in {".", ".."}:
        return InvalidValue("is not a topic's name", "use letters, digits, `.`, `_`, `-`; begin a pattern with `^`")
    return text


def name(text: str) -> str | InvalidValue:
    """Check a destination's name: it becomes a label value of metrics and part of the mapping's `to`."""
    hint = "use lower-case letters, digits and `_`, at most 63; begin with a letter"
    return text if re.fullmatch(NAME_PATTERN, text) else InvalidValue("is not a destination's name", hint)


def group(text: str) -> str | InvalidValue:
    """Check a consumer group's name."""
    hint = "use letters, digits, `.`, `_`, `-`, at most 200"
    return text if re.fullmatch(GROUP_PATTERN, text) else InvalidValue("is not a consumer group's name", hint)


def named_topic(text: str) -> str | InvalidValue:
    """Check the name of one topic, where a pattern is not allowed."""
    return InvalidValue("is a pattern", "name one topic") if is_pattern(text) else topic(text)


def kafka_property(text: str) -> str | InvalidValue:
    """Check that a name can be a librdkafka property. Callbacks and loggers of the Python client are not."""
    if re.fullmatch(r"[a-z0-9]+(\.[a-z0-9]+)*", text) is None or text == "logger":
        return InvalidValue(
            "is not a librdkafka property", "use lower-case letters and dots, such as `bootstrap.servers`"
        )
    return text
