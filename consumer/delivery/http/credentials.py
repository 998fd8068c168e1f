"""Credentials: how a request is authenticated, renewed once per expiry however many lanes notice it.

A token is fetched by a request of its own, once for all lanes that need one.
"""

from __future__ import annotations

import asyncio
import base64
import time
from typing import TYPE_CHECKING, Protocol

from consumer.destinations.status_verdicts import judge_status
from consumer.model import Blocked, Deferred, Fault, HttpRequest, SecretProblem, TransientCause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from consumer.destinations import AccessToken, Basic
    from consumer.model import HttpResponse


TOKEN_DELAYED = Deferred(Fault(TransientCause.THROTTLED, "the call for a token has to wait"))
"""The destination asked for patience: no call was made, so that nothing failed. Told by identity."""

RECHECK_S = 2.0
"""While a file holds what was refused, it is looked at so often by who is about to call: nobody else would."""


def ignore(_: object) -> None:
    """Hear nothing."""


class SecretSource(Protocol):
    """A secret that may change while we run."""

    def reveal(self) -> str:
        """Return the value now in force."""

    def hangs(self) -> bool:
        """Tell whether where it came from does not answer: the value stays until it does."""

    async def refresh(self) -> bool:
        """Read it again where it came from; tell whether it changed. It waits for a disk a second or two, no longer.

        One that is empty or no secret is not taken. Half of one cannot be told from a whole one, so that what is read
        may be half: who signs with it keeps the one before until this one has proven itself.
        """


class AuthHeaders(dict[str, str]):
    """The headers that sign a call. Compared by identity: the one that was refused is the one to renew."""

    __slots__ = ()


class Credentials(Protocol):
    """How one destination's calls are signed."""

    async def current(self) -> AuthHeaders | Blocked | Deferred:
        """Return the signature in force, or why there is none."""

    async def renew(self, refused: AuthHeaders) -> AuthHeaders | Blocked | Deferred | None:
        """Return a signature newer than the `refused` one; `None` if there is no other."""

    async def refresh(self) -> bool:
        """Read the secrets again; tell whether one changed. Calls go on with what is known meanwhile."""

    def record_accepted(self, signature: AuthHeaders) -> None:
        """Note that a call signed with it was taken."""

    def problem(self) -> SecretProblem | None:
        """Return why what stands in the secrets' files is not what signs, or may not be; `None` = none is known."""


class SecretProblems:
    """Tells of a doubt when it comes and when it is gone, not each time that it is met."""

    def __init__(self, doubted: Callable[[SecretProblem | None], None]) -> None:
        self._doubted = doubted
        self._told: SecretProblem | None = None

    def report(self, doubt: SecretProblem | None) -> None:
        """Tell it, if it is another than was told last."""
        if doubt is not self._told:
            self._told = doubt
            self._doubted(doubt)


def unreadable(secrets: Iterable[SecretSource]) -> SecretProblem | None:
    """Return the doubt of a disk that does not answer, if one of theirs does not."""
    return SecretProblem.UNREADABLE if any(secret.hangs() for secret in secrets) else None


class BasicCredentials:
    """HTTP Basic: renewing means reading the secrets again, once.

    What the files say is tried as soon as it changes, and replaces what signed before once a call was taken with it, no
    sooner: the writer of a file may pause in the middle for any time, and half of a secret looks like a whole one. One
    that is refused while the files stay as they are gives way to the other, the last that was taken or the files', so
    that neither is given up before one of them was taken.
    """

    def __init__(
        self,
        basic: Basic,
        secrets: Mapping[str, SecretSource],
        renewed: Callable[[bool], None] = ignore,
        doubted: Callable[[SecretProblem | None], None] = ignore,
    ) -> None:
        """Sign with the secrets that `basic` names.

        `renewed` is told of each renewal whether it found another; `doubted`, of each doubt and of its end.
        """
        self._renewed = renewed
        self._doubts = SecretProblems(doubted)
        self._user = secrets[basic.user]
        self._password = None if basic.password is None else secrets[basic.password]
        self._secrets = [secret for secret in (self._user, self._password) if secret is not None]
        self._lock = asyncio.Lock()
        self._reads = 0
        self._signature = self._of_files = self._sign()
        self._taken: AuthHeaders | None = None
        self._back = False  # a call was taken with another than the files', which was refused
        self._look_at = 0.0

    def _sign(self) -> AuthHeaders:
        password = "" if self._password is None else self._password.reveal()
        pair = f"{self._user.reveal()}:{password}".encode()
        return AuthHeaders(authorization="Basic " + base64.b64encode(pair).decode("ascii"))

    async def current(self) -> AuthHeaders:
        """Return the signature in force. While it is not the files', these are read again now and then."""
        if self._back and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + RECHECK_S
            await self.refresh()
        return self._signature

    async def renew(self, refused: AuthHeaders) -> AuthHeaders | None:
        """Return a newer signature if the files have changed, else the one that the refused one gives way to."""
        reads = self._reads
        async with self._lock:
            if self._signature is refused and self._reads == reads:  # else another lane has read them while we waited
                self._renewed(await self._read_again())
            if self._signature is refused:
                self._give_way(refused)
        return None if self._signature is refused else self._signature

    def _give_way(self, refused: AuthHeaders) -> None:
        other = self._taken if refused is self._of_files else self._of_files
        if other is not None:
            self._signature, self._back = other, False
            self._doubts.report(self.problem())

    def record_accepted(self, signature: AuthHeaders) -> None:
        """Note that a call signed with it was taken: it is what is gone back to."""
        self._taken = signature
        if signature is self._signature and signature is not self._of_files and not self._back:
            self._back = True
            self._doubts.report(self.problem())

    async def refresh(self) -> bool:
        """Read the secrets again; tell whether the signature changed."""
        async with self._lock:
            return await self._read_again()

    def problem(self) -> SecretProblem | None:
        """Return why what stands in the secrets' files is not what signs, or may not be."""
        return unreadable(self._secrets) or (SecretProblem.REJECTED if self._back else None)

    async def _read_again(self) -> bool:
        await asyncio.gather(*(secret.refresh() for secret in self._secrets))
        self._reads += 1
        signature = self._sign()
        changed = signature != self._of_files
        if changed:
            self._signature = self._of_files = signature
            self._back = False
        self._doubts.report(self.problem())
        return changed


class TokenCredentials:
    """A token fetched by a call of its own, kept until it is refused or old.

    It is fetched with what the secret's file says; where that is refused, with the last secret that was taken, if it is
    another: the writer of a file may pause in the middle for any time, and half of a secret looks like a whole one.
    """

    def __init__(
        self,
        token: AccessToken,
        secrets: Mapping[str, SecretSource],
        exchange: Callable[[HttpRequest], Awaitable[HttpResponse | Fault | Deferred]],
        renewed: Callable[[bool], None] = ignore,
        doubted: Callable[[SecretProblem | None], None] = ignore,
    ) -> None:
        """Fetch tokens through `exchange`, an unsigned call.

        `renewed` is told of each whether a token was had; `doubted`, of each doubt and of its end.
        """
        self._renewed = renewed
        self._doubts = SecretProblems(doubted)
        self._token = token
        self._secret = secrets[token.secret]
        self._exchange = exchange
        self._lock = asyncio.Lock()
        self._signature: AuthHeaders | None = None
        self._fetched_at = 0.0
        self._fetches = 0
        self._failed: Blocked | Deferred | None = None
        self._reading = asyncio.Lock()
        self._taken: str | None = None
        self._look_at = 0.0
        self._back = False  # the token in force was had with another secret than the file's, which was refused

    async def current(self) -> AuthHeaders | Blocked | Deferred:
        """Return the token in force; the first caller fetches it and the others wait for that one call."""
        if self._back and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + RECHECK_S
            await self.refresh()
        if self._signature is not None and time.monotonic() - self._fetched_at < self._token.life_s:
            return self._signature
        return await self._fetch(self._signature)

    async def renew(self, refused: AuthHeaders) -> AuthHeaders | Blocked | Deferred:
        """Return a newer token. Every lane that met the dead one comes here; only the first makes a call."""
        return await self._fetch(refused)

    async def _fetch(self, old: AuthHeaders | None) -> AuthHeaders | Blocked | Deferred:
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
            if result is not TOKEN_DELAYED:
                self._renewed(isinstance(result, AuthHeaders))
            if isinstance(result, AuthHeaders):
                self._failed, self._taken = None, asked
                self._fetched_at = time.monotonic()
                # made with a secret that has changed meanwhile, it serves this call and no other
                self._signature = result if secret == self._secret.reveal() else None
            else:
                self._failed = result
                self._signature = None  # refused, or too old: a call signed with it would only be refused again
            self._back = asked != secret and isinstance(result, AuthHeaders)
            self._doubts.report(self.problem())
            return result

    async def _ask(self, secret: str) -> AuthHeaders | Blocked | Deferred:
        return self._read(await self._exchange(HttpRequest(self._token.endpoint, self._token.body(secret))))

    def _read(self, reply: HttpResponse | Fault | Deferred) -> AuthHeaders | Blocked | Deferred:
        if isinstance(reply, Deferred):
            return reply
        if isinstance(reply, Fault):
            return Deferred(reply)
        verdict = judge_status(reply, 1)
        if isinstance(verdict, Deferred):
            fault = Fault(verdict.fault.cause, "the token call", reply.status)
            return Deferred(fault, verdict.wait_s, verdict.whole_destination)
        token = self._token.read(reply)
        return Blocked(token) if isinstance(token, Fault) else AuthHeaders({self._token.header: token})

    def record_accepted(self, signature: AuthHeaders) -> None:
        """Note nothing: the token's own call tells whether its secret is taken."""

    async def refresh(self) -> bool:
        """Read the secret again; a changed one makes the token stale."""
        async with self._reading:
            changed = await self._secret.refresh()
        if changed:
            self._signature, self._back = None, False
        self._doubts.report(self.problem())
        return changed

    def problem(self) -> SecretProblem | None:
        """Return why what stands in the secret's file is not what tokens are had with, or may not be."""
        return unreadable([self._secret]) or (SecretProblem.REJECTED if self._back else None)


def _is_refusal(result: AuthHeaders | Blocked | Deferred) -> bool:
    return isinstance(result, Blocked) and result.fault.cause is TransientCause.UNAUTHORIZED
