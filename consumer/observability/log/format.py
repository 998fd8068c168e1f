"""The format of a log line, and the masking of text before it is logged or shown."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar

TEXT_LIMIT: Final = 200
_LIST_LIMIT: Final = 50

_SECRETS: Final = (
    (re.compile(r"[^\s'\"<>@]+@[^\s'\"<>@]+"), "…@…"),
    (re.compile(r"(?i)\b(bearer|basic)\s+\S+"), r"\1 …"),
    (re.compile(r"(?i)\b(api_?key|token|secret|password|passwd|authorization)(\s*[=:]\s*)[^\s,;&]+"), r"\1\2…"),
    (re.compile(r"(\w+://[^\s?#]*)[?#]\S*"), r"\1"),
)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BROKER: Final = re.compile(
    r"(?:^|[\s/'\[(])([A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?:\d{2,5})(?![\w@-]|[.:]\S)"
)

Value = TypeVar("Value")


def masked(text: str) -> str:
    """Return the text short, printable, and without anything like an e-mail address, a credential or a query string.

    This is the second line of defence: the author of a text must not put such things into it.
    """
    if len(text) > TEXT_LIMIT * 2:
        text = text[: TEXT_LIMIT * 2].rsplit(None, 1)[0]  # half an e-mail address would not match
    text = _UNPRINTABLE.sub(" ", text)
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


def shown(value: Value) -> Value | str | list[str] | dict[str, object] | None:
    """Return a field's value, masked and in a form that JSON can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no NaN and no infinity
    if isinstance(value, dict):
        return {masked(str(name)): each for name, each in value.items()}
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, list):
        more = [f"and {len(value) - _LIST_LIMIT} more"] if len(value) > _LIST_LIMIT else []
        return [*(masked(str(each)) for each in value[:_LIST_LIMIT]), *more]
    return value


def broker_in(text: str) -> str | None:
    """Return the `host:port` in a Kafka client's message: the only part of it that is logged."""
    found = _BROKER.search(text)
    return found.group(1) if found else None


def as_json(wall_s: float, level: str, event: str, fields: Mapping[str, object]) -> str:
    """Return one JSON object. Fields with the value `None` are left out."""
    line: dict[str, object] = {"ts": timestamp(wall_s), "level": level, "event": event}
    line.update((name, value) for name, value in fields.items() if value is not None)
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=str)


def as_text(wall_s: float, level: str, event: str, fields: Mapping[str, object]) -> str:
    """Return one readable line."""
    shown_fields = " ".join(f"{name}={_plain(value)}" for name, value in fields.items() if value is not None)
    return f"{timestamp(wall_s)[11:23]} {level:<7} {event}  {shown_fields}".rstrip()


def timestamp(wall_s: float) -> str:
    """Return RFC 3339 in UTC, with milliseconds."""
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text
