"""Credentials: how a request is authenticated. They are renewed once per expiry, however many lanes notice it.

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
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from consumer.destinations import AccessToken, Basic
    from consumer.model import HttpResponse


TOKEN_DELAYED = Deferred(Fault(TransientCause.THROTTLED, "the token request has to wait"))
"""The server asked for a wait, so no token request was sent and nothing failed. Compared by identity."""

RECHECK_S = 2.0
"""While a file holds a rejected secret, lanes that are about to send re-read it this often. Nothing else would."""


def ignore(_: object) -> None:
    """Do nothing."""


class SecretSource(Protocol):
    """A secret that may change at run time."""

    def reveal(self) -> str:
        """Return the value in use."""

    def hangs(self) -> bool:
        """Return True if the disk that holds the secret does not respond. The value stays until it does."""

    def is_invalid(self) -> bool:
        """Return True if its file contained no secret when it was read last. The value stays."""

    async def refresh(self) -> bool:
        """Read the secret again and return whether it changed. Wait for a disk for a second or two, no longer.

        A value that is empty or no secret is ignored. Half of a secret looks like a whole one, so the value
        read may be half. Callers keep the previous one until a request with the new one was accepted.
        """


class AuthHeaders(dict[str, str]):
    """The headers that authenticate a request. Compared by identity: the rejected instance is the one to renew."""

    __slots__ = ()


class Credentials(Protocol):
    """Authenticates the requests of one destination."""

    async def current(self) -> AuthHeaders | Blocked | Deferred:
        """Return the headers in use, or the reason why there are none."""

    async def renew(self, rejected: AuthHeaders) -> AuthHeaders | Blocked | Deferred | None:
        """Return headers newer than the rejected ones; `None` if there are no others."""

    async def refresh(self) -> bool:
        """Read the secrets again and return whether one changed. Requests use the known ones meanwhile."""

    def record_accepted(self, auth_headers: AuthHeaders) -> None:
        """Record that a request with these headers succeeded."""

    def problem(self) -> SecretProblem | None:
        """Return why requests do not use the secrets in the files, or may not; `None` if no problem is known."""


class SecretProblems:
    """Reports a problem when it begins and when it ends, not each time it is met."""

    def __init__(self, on_change: Callable[[SecretProblem | None], None]) -> None:
        self._on_change = on_change
        self._reported: SecretProblem | None = None

    def report(self, problem: SecretProblem | None) -> None:
        """Report a problem, or `None` for its end, if it differs from the last report."""
        if problem is not self._reported:
            self._reported = problem
            self._on_change(problem)


def file_problem(secrets: Sequence[SecretSource]) -> SecretProblem | None:
    """Return the problem with the files of the secrets; `None` if there is none."""
    if any(secret.hangs() for secret in secrets):
        return SecretProblem.UNREADABLE
    return SecretProblem.INVALID if any(secret.is_invalid() for secret in secrets) else None


class BasicCredentials:
    """HTTP Basic. Renewing means reading the secrets again, once.

    A changed file is used at once. The previous secret is given up only after a request with the new one succeeded: the
    writer of a file may pause in the middle for any time, and half of a secret looks like a whole one.

    If the current secret is rejected and the file has not changed, the other one is tried: the last accepted secret,
    or the one in the file. So neither is given up before one of them was accepted.
    """

    def __init__(
        self,
        basic: Basic,
        secrets: Mapping[str, SecretSource],
        on_renewed: Callable[[bool], None] = ignore,
        on_problem: Callable[[SecretProblem | None], None] = ignore,
        *,
        recheck_s: float = RECHECK_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Authenticate with the secrets that `basic` names.

        Args:
            basic: names of the secrets for user and password.
            secrets: the secrets by name.
            on_renewed: called after each renewal, with whether it found another secret.
            on_problem: called when a problem begins, and with `None` when it ends.
            recheck_s: seconds between two reads of a file that holds a rejected secret.
            clock: returns monotonic seconds.
        """
        self._on_renewed = on_renewed
        self._problems = SecretProblems(on_problem)
        self._user = secrets[basic.user]
        self._password = None if basic.password is None else secrets[basic.password]
        self._secrets = [secret for secret in (self._user, self._password) if secret is not None]
        self._recheck_s = recheck_s
        self._clock = clock
        self._lock = asyncio.Lock()
        self._reads = 0
        self._in_use = self._from_files = self._encode()
        self._last_accepted: AuthHeaders | None = None
        self._fell_back = False  # a request succeeded with other headers than the files', which were rejected
        self._file_invalid = False
        self._recheck_at = float("-inf")

    def _encode(self) -> AuthHeaders:
        password = "" if self._password is None else self._password.reveal()
        pair = f"{self._user.reveal()}:{password}".encode()
        return AuthHeaders(authorization="Basic " + base64.b64encode(pair).decode("ascii"))

    async def current(self) -> AuthHeaders:
        """Return the headers in use. While they differ from the files', re-read the files every `recheck_s`."""
        if (self._fell_back or self._file_invalid) and self._clock() >= self._recheck_at:
            self._recheck_at = self._clock() + self._recheck_s
            await self.refresh()
        return self._in_use

    async def renew(self, rejected: AuthHeaders) -> AuthHeaders | None:
        """Return newer headers if the files have changed, else the alternative to the rejected ones, if any."""
        reads = self._reads
        async with self._lock:
            if self._in_use is rejected and self._reads == reads:  # else another lane read them during this wait
                self._on_renewed(await self._read_again())
            if self._in_use is rejected:
                self._use_alternative(rejected)
        return None if self._in_use is rejected else self._in_use

    def _use_alternative(self, rejected: AuthHeaders) -> None:
        other = self._last_accepted if rejected is self._from_files else self._from_files
        if other is not None:
            self._in_use, self._fell_back = other, False
            self._problems.report(self.problem())

    def record_accepted(self, auth_headers: AuthHeaders) -> None:
        """Record that a request with these headers succeeded: they become the alternative to rejected ones."""
        self._last_accepted = auth_headers
        if auth_headers is self._in_use and auth_headers is not self._from_files and not self._fell_back:
            self._fell_back = True
            self._problems.report(self.problem())

    async def refresh(self) -> bool:
        """Read the secrets again and return whether one changed."""
        async with self._lock:
            return await self._read_again()

    def problem(self) -> SecretProblem | None:
        """Return why requests do not use the secrets in the files, or may not."""
        return file_problem(self._secrets) or (SecretProblem.REJECTED if self._fell_back else None)

    async def _read_again(self) -> bool:
        await asyncio.gather(*(secret.refresh() for secret in self._secrets))
        self._reads += 1
        self._file_invalid = any(secret.is_invalid() for secret in self._secrets)
        auth_headers = self._encode()
        changed = auth_headers != self._from_files
        if changed:
            self._in_use = self._from_files = auth_headers
            self._fell_back = False
        self._problems.report(self.problem())
        return changed


class TokenCredentials:
    """A token, fetched by a request of its own and kept until it is rejected or expires.

    It is fetched with the secret in the file. If that one is rejected, the last accepted secret is tried, if it
    differs. The writer of a file may pause in the middle for any time, and half of a secret looks like a whole one.
    """

    def __init__(
        self,
        token: AccessToken,
        secrets: Mapping[str, SecretSource],
        exchange: Callable[[HttpRequest], Awaitable[HttpResponse | Fault | Deferred]],
        on_renewed: Callable[[bool], None] = ignore,
        on_problem: Callable[[SecretProblem | None], None] = ignore,
        *,
        recheck_s: float = RECHECK_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Fetch tokens through `exchange`, which sends an unauthenticated request.

        Args:
            token: how the destination gives out tokens.
            secrets: the secrets by name.
            exchange: sends a token request.
            on_renewed: called after each token request, with whether it brought a token.
            on_problem: called when a problem begins, and with `None` when it ends.
            recheck_s: seconds between two reads of a file that holds a rejected secret.
            clock: returns monotonic seconds.
        """
        self._on_renewed = on_renewed
        self._problems = SecretProblems(on_problem)
        self._token = token
        self._secret = secrets[token.secret]
        self._exchange = exchange
        self._recheck_s = recheck_s
        self._clock = clock
        self._lock = asyncio.Lock()
        self._in_use: AuthHeaders | None = None
        self._fetched_at = 0.0
        self._fetches = 0
        self._failure: Blocked | Deferred | None = None
        self._reading = asyncio.Lock()
        self._last_accepted: str | None = None
        self._recheck_at = float("-inf")
        self._fell_back = False  # the token was fetched with another secret than the file's, which was rejected

    async def current(self) -> AuthHeaders | Blocked | Deferred:
        """Return the token's headers. The first caller fetches a token; the others wait for the same request."""
        if (self._fell_back or self._secret.is_invalid()) and self._clock() >= self._recheck_at:
            self._recheck_at = self._clock() + self._recheck_s
            await self.refresh()
        if self._in_use is not None and self._clock() - self._fetched_at < self._token.life_s:
            return self._in_use
        return await self._fetch(self._in_use)

    async def renew(self, rejected: AuthHeaders) -> AuthHeaders | Blocked | Deferred:
        """Return a newer token's headers. Of all lanes with the same rejected token only the first sends a request."""
        return await self._fetch(rejected)

    async def _fetch(self, old: AuthHeaders | None) -> AuthHeaders | Blocked | Deferred:
        fetches = self._fetches
        async with self._lock:
            if self._in_use is not None and self._in_use is not old:
                return self._in_use
            if self._fetches != fetches and self._failure is not None:
                return self._failure  # the request sent during this wait has failed for every lane that waits
            await self.refresh()
            secret = used = self._secret.reveal()
            result = await self._request(used)
            if self._last_accepted not in (None, secret) and _is_rejection(result):
                used = self._last_accepted
                result = await self._request(used)
            self._fetches += 1
            if result is not TOKEN_DELAYED:
                self._on_renewed(isinstance(result, AuthHeaders))
            if isinstance(result, AuthHeaders):
                self._failure, self._last_accepted = None, used
                self._fetched_at = self._clock()
                # If the secret has changed meanwhile, the token serves this request and no other.
                self._in_use = result if secret == self._secret.reveal() else None
            else:
                self._failure = result
                self._in_use = None  # rejected or expired: another request with it would only be rejected again
            self._fell_back = used != secret and isinstance(result, AuthHeaders)
            self._problems.report(self.problem())
            return result

    async def _request(self, secret: str) -> AuthHeaders | Blocked | Deferred:
        return self._judge(await self._exchange(HttpRequest(self._token.endpoint, self._token.body(secret))))

    def _judge(self, response: HttpResponse | Fault | Deferred) -> AuthHeaders | Blocked | Deferred:
        if isinstance(response, Deferred):
            return response
        if isinstance(response, Fault):
            return Deferred(response)
        verdict = judge_status(response, 1)
        if isinstance(verdict, Deferred):
            fault = Fault(verdict.fault.cause, "the token request", response.status)
            return Deferred(fault, verdict.wait_s, verdict.whole_destination)
        token = self._token.read(response)
        return Blocked(token) if isinstance(token, Fault) else AuthHeaders({self._token.header: token})

    def record_accepted(self, auth_headers: AuthHeaders) -> None:
        """Do nothing: the token request itself shows whether its secret is accepted."""

    async def refresh(self) -> bool:
        """Read the secret again and return whether it changed. A changed secret invalidates the token."""
        async with self._reading:
            changed = await self._secret.refresh()
        if changed:
            self._in_use, self._fell_back = None, False
        self._problems.report(self.problem())
        return changed

    def problem(self) -> SecretProblem | None:
        """Return why tokens are not fetched with the secret in the file, or may not be."""
        return file_problem([self._secret]) or (SecretProblem.REJECTED if self._fell_back else None)


def _is_rejection(result: AuthHeaders | Blocked | Deferred) -> bool:
    return isinstance(result, Blocked) and result.fault.cause is TransientCause.UNAUTHORIZED
