"""Secrets: masked wherever they are printed, and re-read from their files when these change."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from consumer.config.stable_file import FileState, StableFile

MASK = "********"

_STEADY_S = 0.05
_TIMEOUT_S = 1.0
_MOST_BYTES = 64 * 1024
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


class Secret:
    """A secret that stands for itself. Printed, formatted or pickled by mistake it is asterisks."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Keep `value` out of sight."""
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself: for the wire, and for nothing else."""
        return self._value

    def hangs(self) -> bool:
        """Tell whether where it comes from does not answer. Here it always has."""
        return False

    async def refresh(self) -> bool:
        """Look whether there is a newer value, and return whether one was taken. Here there never is."""
        return False

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.reveal() == other.reveal()

    __hash__ = None  # type: ignore[assignment]  # a secret that changes is no key

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, (MASK,)


class SecretFile(Secret):
    """A secret in a file, re-read when its content changes, so that keys rotate without a restart.

    The content decides, not the file's number or date: a mounted Kubernetes Secret is swapped by a symbolic link. Two
    looks spare most halves of a secret that is being written their try; none can be told from a whole one by looking,
    and whoever signs with a new value keeps the one before until a call was taken with the new one.

    Args:
        path: the file.
        value: what was read from it.
        pause: waits so many seconds, between two looks.
        timeout_s: how long a look waits for the disk.
    """

    __slots__ = ("file", "path")

    def __init__(
        self,
        path: Path,
        value: str,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        super().__init__(value)
        self.path = path
        self.file = StableFile(lambda: read_secret(path), timeout_s, _STEADY_S, pause)

    def hangs(self) -> bool:
        """Tell whether the file's disk does not answer: nobody waits for it any more, and the value stays."""
        return self.file.hangs()

    async def refresh(self) -> bool:
        """Re-read the file, and return whether its content is a new secret. It takes two seconds at the very most.

        A file that is gone, empty, not text, still being written or on a disk that does not answer leaves the value
        that was good before.
        """
        found = await self.file.read_new(None, self._value)
        if found is None or isinstance(found, FileState):
            return False
        self._value = found
        return True


def read_secret(path: Path) -> str | None:
    """Return the one line a secret's file holds, or `None` if it holds none (yet)."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        text = content.decode("utf-8").strip()
    except (OSError, ValueError):
        return None
    if not text or len(content) > _MOST_BYTES or _UNPRINTABLE.search(text):
        return None
    return text


_SECRET_NAME = re.compile(
    r"password|passphrase|secret|token|credential|jaas|oauthbearer\.config|user\.info|key\.pem|private\.key"
)
_NOT_SECRET = re.compile(r"^enable\.|\.(location|file|url|source)$")
_USER_IN_URL = re.compile(r"(?<=://)[^/@\s,]+(?=@)")


class Properties(dict[str, str]):
    """A foreign client's properties, whose secret ones are masked wherever they are printed."""

    def masked(self) -> dict[str, str]:
        """Return the properties as they may be shown."""
        return {name: MASK if is_secret_name(name) else _USER_IN_URL.sub(MASK, value) for name, value in self.items()}

    def __repr__(self) -> str:
        return repr(self.masked())

    __str__ = __repr__


def is_secret_name(name: str) -> bool:
    """Return whether the property of that name holds a secret, as Kafka clients name theirs."""
    folded = name.lower()
    return _SECRET_NAME.search(folded) is not None and _NOT_SECRET.search(folded) is None
