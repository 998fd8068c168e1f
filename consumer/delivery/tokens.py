"""Credentials that are a token: fetched by a call of its own, once for all lanes that need one."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from consumer.delivery.http.credentials import LOOK_EVERY_S, NOT_NOW, Doubts, Signature, unheard, unread
from consumer.destinations.status_verdicts import judge_status
from consumer.model import Barred, Call, Deferred, Doubt, Fault, Trouble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from consumer.delivery.http.credentials import Secret
    from consumer.destinations import Token
    from consumer.model import Reply


class TokenCredentials:
    """A token fetched by a call of its own, kept until it is refused or old.

    It is fetched with what the secret's file says; where that is refused, with the last secret that was taken, if it is
    another: the writer of a file may pause in the middle for any time, and half of a secret looks like a whole one.
    """

    def __init__(
        self,
        token: Token,
        secrets: Mapping[str, Secret],
        exchange: Callable[[Call], Awaitable[Reply | Fault | Deferred]],
        renewed: Callable[[bool], None] = unheard,
        doubted: Callable[[Doubt | None], None] = unheard,
    ) -> None:
        """Fetch tokens through `exchange`, an unsigned call.

        `renewed` is told of each whether a token was had; `doubted`, of each doubt and of its end.
        """
        self._renewed = renewed
        self._doubts = Doubts(doubted)
        self._token = token
        self._secret = secrets[token.secret]
        self._exchange = exchange
        self._lock = asyncio.Lock()
        self._signature: Signature | None = None
        self._fetched_at = 0.0
        self._fetches = 0
        self._failed: Barred | Deferred | None = None
        self._reading = asyncio.Lock()
        self._taken: str | None = None
        self._look_at = 0.0
        self._back = False  # the token in force was had with another secret than the file's, which was refused

    async def current(self) -> Signature | Barred | Deferred:
        """Return the token in force; the first caller fetches it and the others wait for that one call."""
        if self._back and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_EVERY_S
            await self.refresh()
        if self._signature is not None and time.monotonic() - self._fetched_at < self._token.life_s:
            return self._signature
        return await self._fetch(self._signature)

    async def renew(self, refused: Signature) -> Signature | Barred | Deferred:
        """Return a newer token. Every lane that met the dead one comes here; only the first makes a call."""
        return await self._fetch(refused)

    async def _fetch(self, old: Signature | None) -> Signature | Barred | Deferred:
        fetches = self._fetches
        async with self._lock:
            if self._signature is not None and self._signature is not old:
                return self._signature
            if self._fetches != fetches and self._failed is not None:
                return self._failed  # the call that was made while we waited has failed for all of us
            await self.refresh()
            secret = asked = self._secret.reveal()
            result = await self._ask(asked)
            if self._taken not in (None, secret) and _is_refusal(result):
                asked = self._taken
                result = await self._ask(asked)
            self._fetches += 1
            if result is not NOT_NOW:
                self._renewed(isinstance(result, Signature))
            if isinstance(result, Signature):
                self._failed, self._taken = None, asked
                self._fetched_at = time.monotonic()
                # made with a secret that has changed meanwhile, it serves this call and no other
                self._signature = result if secret == self._secret.reveal() else None
            else:
                self._failed = result
                self._signature = None  # refused, or too old: a call signed with it would only be refused again
            self._back = asked != secret and isinstance(result, Signature)
            self._doubts.tell(self.doubt())
            return result

    async def _ask(self, secret: str) -> Signature | Barred | Deferred:
        return self._read(await self._exchange(Call(self._token.endpoint, self._token.body(secret))))

    def _read(self, reply: Reply | Fault | Deferred) -> Signature | Barred | Deferred:
        if isinstance(reply, Deferred):
            return reply
        if isinstance(reply, Fault):
            return Deferred(reply)
        verdict = judge_status(reply, 1)
        if isinstance(verdict, Deferred):
            fault = Fault(verdict.fault.cause, "the token call", reply.status)
            return Deferred(fault, verdict.wait_s, verdict.everyone)
        token = self._token.read(reply)
        return Barred(token) if isinstance(token, Fault) else Signature({self._token.header: token})

    def taken(self, signature: Signature) -> None:
        """Note nothing: the token's own call tells whether its secret is taken."""

    async def refresh(self) -> bool:
        """Read the secret again; a changed one makes the token stale."""
        async with self._reading:
            changed = await self._secret.refresh()
        if changed:
            self._signature, self._back = None, False
        self._doubts.tell(self.doubt())
        return changed

    def doubt(self) -> Doubt | None:
        """Return why what stands in the secret's file is not what tokens are had with, or may not be."""
        return unread([self._secret]) or (Doubt.REFUSED if self._back else None)


def _is_refusal(result: Signature | Barred | Deferred) -> bool:
    return isinstance(result, Barred) and result.fault.cause is Trouble.UNAUTHORIZED
