"""Secrets: masked wherever they are printed, and re-read when their file changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from consumer.config.stable_file import FILE_UNCHANGED, FileState, StableFile
from consumer.config.variable_text import EMPTY, NOT_UTF8, TOO_LONG, UNREADABLE, TextFlaw, flaw_in, trimmed

MASK = "********"

_SETTLE_S = 0.05
_TIMEOUT_S = 1.0
_MAX_BYTES = 64 * 1024


class Secret:
    """A secret. Printed, formatted or pickled by mistake, it is asterisks."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Store `value`."""
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself. Use it in requests only."""
        return self._value

    def hangs(self) -> bool:
        """Return whether its source does not respond. This secret has none: always False."""
        return False

    def is_invalid(self) -> bool:
        """Return whether its source contains no secret. This secret has no source: always False."""
        return False

    async def refresh(self) -> bool:
        """Read the source again; return whether the value changed. This secret has no source: always False."""
        return False

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.reveal() == other.reveal()

    __hash__ = None  # type: ignore[assignment]  # a mutable value must not be a key

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, (MASK,)


class SecretFile(Secret):
    """A secret in a file, re-read when its content changes, so that keys rotate without a restart.

    Only the content counts, not the inode or the date: Kubernetes replaces a mounted Secret by a symbolic link. Two
    equal reads exclude most half-written secrets, but not all. So the credentials keep the previous value until the
    destination has accepted a request with the new one.

    Args:
        path: the file.
        value: its present content.
        pause: waits for so many seconds, between the two reads.
        timeout_s: seconds that one read waits for the disk.
    """

    __slots__ = ("_invalid", "file", "path")

    def __init__(
        self,
        path: Path,
        value: str,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        super().__init__(value)
        self.path = path
        self.file = StableFile(lambda: read_secret(path), timeout_s, _SETTLE_S, pause)
        self._invalid = False

    def hangs(self) -> bool:
        """Return whether the disk does not answer. The value stays, and no caller waits for the disk."""
        return self.file.hangs()

    def is_invalid(self) -> bool:
        """Return whether the file contained no secret when it was read last. The value stays."""
        return self._invalid

    async def refresh(self) -> bool:
        """Read the file again, and return whether it contains a new secret. This takes at most two seconds.

        The value stays if the file is missing, contains no secret or is being written, or if its disk does not answer.
        """
        found = await self.file.read_new(self._value)
        if isinstance(found, TextFlaw) or found is FILE_UNCHANGED:
            self._invalid = found is not FILE_UNCHANGED
            return False
        if isinstance(found, FileState):
            return False
        self._invalid = False
        self._value = found
        return True


def read_secret(path: Path, *, several_lines: bool = False, for_header: bool = False) -> str | TextFlaw:
    """Return the secret in a file, without the white space around it, or the reason why the file contains none.

    Args:
        path: the file.
        several_lines: whether the secret may have several lines, as a PEM text has.
        for_header: whether the secret becomes the value of an HTTP header unchanged.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        text = trimmed(content.decode("utf-8"))
    except UnicodeDecodeError:
        return NOT_UTF8
    except (OSError, ValueError):
        return UNREADABLE
    if len(content) > _MAX_BYTES:
        return TOO_LONG
    return flaw_in(text, several_lines=several_lines, for_header=for_header) or text or EMPTY


_SECRET_NAME = re.compile(
    r"password|passphrase|secret|token|credential|jaas|oauthbearer\.config|user\.info|key\.pem|private\.key"
)
_NOT_SECRET = re.compile(r"^enable\.|\.(location|file|url|source)$")
_USER_IN_URL = re.compile(r"(?<=://)[^/@\s,]+(?=@)")


class Properties(dict[str, str]):
    """The properties of a client library. The secret ones are masked wherever they are printed."""

    def masked(self) -> dict[str, str]:
        """Return the properties with the secret ones masked."""
        return {name: MASK if is_secret_name(name) else _USER_IN_URL.sub(MASK, value) for name, value in self.items()}

    def __repr__(self) -> str:
        return repr(self.masked())

    __str__ = __repr__


def is_secret_name(name: str) -> bool:
    """Return whether a property of this name contains a secret, by the naming of Kafka clients."""
    folded = name.lower()
    return _SECRET_NAME.search(folded) is not None and _NOT_SECRET.search(folded) is None
