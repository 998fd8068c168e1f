"""What a call is signed with, renewed once per expiry however many lanes meet it."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import TYPE_CHECKING, Protocol

from consumer.model import Barred, Call, Deferred, Fault, Trouble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from consumer.destinations import Basic, Token
    from consumer.model import Reply

_THROTTLED = 429
_SERVER_ERROR = 500
_RETRIED = (408, 425)


class Secret(Protocol):
    """A secret that may change while we run."""

    def reveal(self) -> str:
        """Return the value now in force."""

    def refresh(self) -> bool:
        """Read it again where it came from; tell whether it changed. A half-written or empty one never replaces a good one."""


class Signature(dict[str, str]):
    """The headers that sign a call. Compared by identity: the one that was refused is the one to renew."""

    __slots__ = ()


class Credentials(Protocol):
    """How one destination's calls are signed."""

    async def current(self) -> Signature | Barred | Deferred:
        """Return the signature in force, or why there is none."""

    async def renew(self, refused: Signature) -> Signature | Barred | Deferred | None:
        """Return a signature newer than the `refused` one; `None` if there is no other."""

    def refresh(self) -> bool:
        """Read the secrets again; tell whether one changed."""


class BasicCredentials:
    """HTTP Basic: renewing means reading the secrets again, once."""

    def __init__(self, basic: Basic, secrets: Mapping[str, Secret]) -> None:
        """Sign with the secrets that `basic` names."""
        self._user = secrets[basic.user]
        self._password = None if basic.password is None else secrets[basic.password]
        self._lock = asyncio.Lock()
        self._signature = self._sign()

    def _sign(self) -> Signature:
        password = "" if self._password is None else self._password.reveal()
        pair = f"{self._user.reveal()}:{password}".encode()
        return Signature(authorization="Basic " + base64.b64encode(pair).decode("ascii"))

    async def current(self) -> Signature:
        """Return the signature in force."""
        return self._signature

    async def renew(self, refused: Signature) -> Signature | None:
        """Return a newer signature if the secrets have changed since the refused one was made."""
        async with self._lock:
            if self._signature is refused:
                await asyncio.to_thread(self.refresh)  # reading a file twice, to be sure it is whole, takes a moment
        return None if self._signature is refused else self._signature

    def refresh(self) -> bool:
        """Read the secrets again; tell whether the signature changed."""
        self._user.refresh()
        if self._password is not None:
            self._password.refresh()
        signature = self._sign()
        if signature == self._signature:
            return False
        self._signature = signature
        return True


class TokenCredentials:
    """A token fetched by a call of its own, kept until it is refused or old."""

    def __init__(
        self, token: Token, secrets: Mapping[str, Secret], exchange: Callable[[Call], Awaitable[Reply | Fault]]
    ) -> None:
        """Fetch tokens through `exchange`, an unsigned call."""
        self._token = token
        self._secret = secrets[token.secret]
        self._exchange = exchange
        self._lock = asyncio.Lock()
        self._signature: Signature | None = None
        self._fetched_at = 0.0

    async def current(self) -> Signature | Barred | Deferred:
        """Return the token in force; the first caller fetches it and the others wait for that one call."""
        if self._signature is not None and time.monotonic() - self._fetched_at < self._token.life_s:
            return self._signature
        return await self._fetch(self._signature)

    async def renew(self, refused: Signature) -> Signature | Barred | Deferred:
        """Return a newer token. Every lane that met the dead one comes here; only the first makes a call."""
        return await self._fetch(refused)

    async def _fetch(self, old: Signature | None) -> Signature | Barred | Deferred:
        async with self._lock:
            if self._signature is not None and self._signature is not old:
                return self._signature
            await asyncio.to_thread(self._secret.refresh)
            reply = await self._exchange(Call(self._token.endpoint, self._token.body(self._secret.reveal())))
            if isinstance(reply, Fault):
                return Deferred(reply)
            if reply.status == _THROTTLED:
                return Deferred(Fault(Trouble.THROTTLED, "the token call", reply.status), everyone=True)
            if reply.status >= _SERVER_ERROR or reply.status in _RETRIED:
                return Deferred(Fault(Trouble.SERVER_ERROR, "the token call", reply.status))
            token = self._token.read(reply)
            if isinstance(token, Fault):
                return Barred(token)
            self._signature, self._fetched_at = Signature({self._token.header: token}), time.monotonic()
            return self._signature

    def refresh(self) -> bool:
        """Read the secret again; a changed one makes the token stale."""
        if not self._secret.refresh():
            return False
        self._signature = None
        return True
