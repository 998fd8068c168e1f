"""Schemas from a registry that speaks Confluent's API, through the client that confluent-kafka brings.

A token that the registry refuses is fetched anew, whatever is left of its life.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from consumer.kafka.schema_registry.limits import CACHED_SCHEMAS, Lookup, ResponseLimits
from consumer.model.translated_batch import SchemaKey

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

_SCHEME = "Bearer "

TOKEN_RENEWAL_INTERVAL_S = 30.0
"""A registry that refuses new tokens, too, is asked on by all that wait for a schema: each would fetch one for it."""

_AT_ONCE = 8
"""Questions under way at the most: each has a thread of its own."""

_AGAIN = 4
"""How many of them may be of schemas that the last question did not get: a registry that hangs for some of its schemas
has a place for the others, however many those are."""

_NOT_FOUND = 404
_SCHEMA_NOT_FOUND = 40403
_REFUSED = (401, 403)
_TOKEN_REFUSED = (400, 401, 403)

_WHOLE = 6
"""A whole answer may take so many times what each part of it may."""

_BOUNDED: Mapping[str, int] = {
    "max.retries": 1,
    "retries.wait.ms": 200,
    "retries.max.wait.ms": 1000,
}
_NUMBERS = frozenset(
    {"timeout", "cache.capacity", "cache.latest.ttl.sec", "max.retries", "retries.wait.ms", "retries.max.wait.ms"}
)


@dataclass(frozen=True, slots=True)
class SchemaFound:
    """The schema, and by name the schemas it refers to, transitively: each after those it refers to itself."""

    schema_text: str
    references: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SchemaUnknown:
    """The registry itself says that it has no such schema."""


@dataclass(frozen=True, slots=True)
class RegistryUnreachable:
    """It did not answer, or not as a registry does; `detail` is for people, with nothing of the answer's body in it."""

    detail: str


@dataclass(frozen=True, slots=True)
class RegistryUnauthorized:
    """It refused our credentials."""

    detail: str


LookupResult: TypeAlias = SchemaFound | SchemaUnknown | RegistryUnreachable | RegistryUnauthorized


class RegistryToken:
    """What a registry client gets its token from, and keeps until that expires.

    Args:
        client: the registry client.
        clock: seconds that only rise.
    """

    def __init__(self, client: Any, clock: Callable[[], float] = time.monotonic) -> None:  # noqa: ANN401 - imported late
        self._provider = client._rest_client.bearer_field_provider  # noqa: SLF001 - it shows no other way to it
        self._clock = clock
        self._not_before_s = float("-inf")
        self._lock = threading.Lock()

    def renew(self, rejected: str) -> bool:
        """Fetch another token in place of one that the registry refused; not so soon after one was fetched thus.

        Args:
            rejected: the `Authorization` of the request that was refused.

        Returns:
            Whether there is another one to ask with. A token that stands in the configuration has none.

        Raises:
            OAuthTokenError: there was none to be had.
        """
        if not rejected.startswith(_SCHEME) or not hasattr(self._provider, "generate_access_token"):
            return False
        with self._lock:  # many questions meet a dead token at once
            if rejected != _SCHEME + self._provider.token:
                return True  # another question has fetched one meanwhile
            if self._clock() < self._not_before_s:
                return False
            self._provider.generate_access_token()
            self._not_before_s = self._clock() + TOKEN_RENEWAL_INTERVAL_S
            return True


class RegistryClient:
    """A schema registry.

    Args:
        properties: as the client names them (`url`, `basic.auth.user.info`, `ssl.*`, `bearer.auth.*`).
        timeout_s: how long one request may wait for each part of its answer, unless the properties say; six times as
            long may pass until its answer has ended. There is one for each address and each of its tries.

    Raises:
        ValueError: the client does not take these properties.
    """

    def __init__(self, properties: Mapping[str, object], timeout_s: float) -> None:
        settings: Mapping[str, object] = {**_BOUNDED, "timeout": timeout_s, **properties}
        try:
            self._limits = ResponseLimits(_WHOLE * float(str(settings["timeout"])))
            # Between two tries the client waits; and where it searches for a name, no bound reaches it.
            self._grace_s = self._limits.response_s + float(str(settings["retries.max.wait.ms"])) / 1000
            self._client = _client(settings)
        except (TypeError, ValueError, OSError) as error:
            raise ValueError(f"schema registry: {error}") from error
        self._limits.apply_to(self._client)
        self._token = RegistryToken(self._client)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._again = asyncio.Semaphore(_AGAIN)
        self._failed_keys: set[SchemaKey] = set()
        self._found = 0

    async def fetch(self, key: SchemaKey) -> LookupResult:
        """Return the schema of a numeric id or a GUID."""
        async with self._again if key in self._failed_keys else nullcontext(), self._turns:
            answer = await self._ask(key)
        if isinstance(answer, RegistryUnreachable):
            self._failed_keys.add(key)
        else:
            self._failed_keys.discard(key)
        if isinstance(answer, SchemaFound):
            self._found += 1
            if self._found % CACHED_SCHEMAS == 0:
                self._client.clear_caches()  # type: ignore[no-untyped-call]  # its capacity does not bound them
        return answer

    async def _ask(self, key: SchemaKey) -> LookupResult:
        question, told = self._limits.lookup(), Future[LookupResult]()
        told.set_running_or_notify_cancel()
        # A daemon, and none of the loop's own threads: those are waited for at the end of the process, and a
        # registry that says nothing would keep it until it is killed.
        threading.Thread(target=self._tell, args=(question, key, told), name=f"schema-{key}", daemon=True).start()
        answer = asyncio.wrap_future(told)
        try:
            while not answer.done():
                left_s = question.deadline_s + self._grace_s - time.monotonic()
                if left_s <= 0:
                    # The place is another's meanwhile, and the thread ends with what it waits for.
                    return RegistryUnreachable(f"no whole answer within {self._limits.response_s:g} s")
                await asyncio.wait({answer}, timeout=left_s)
            return answer.result()
        finally:
            answer.cancel()

    def _tell(self, question: Lookup, key: SchemaKey, told: Future[LookupResult]) -> None:
        try:
            self._limits.begin(question)
            told.set_result(_fetch(self._client, key, question, self._token))
        except BaseException as error:  # noqa: BLE001 - a bug is raised where the answer is awaited
            told.set_exception(error)


def _fetch(client: SchemaRegistryClient, key: SchemaKey, question: Lookup, token: RegistryToken) -> LookupResult:
    from confluent_kafka.schema_registry.error import OAuthTokenError  # noqa: PLC0415

    try:
        answer = _answered(client, key)
        if isinstance(answer, RegistryUnauthorized) and token.renew(question.authorization):
            answer = _answered(client, key)
    except OAuthTokenError:  # it does not say what it was answered with
        return _token_trouble(question.status)
    except Exception as error:  # noqa: BLE001 - the client lets its HTTP library's through; and references in a circle
        return RegistryUnreachable(f"no usable answer ({type(error).__name__})")
    return answer


def _answered(client: SchemaRegistryClient, key: SchemaKey) -> LookupResult:
    from confluent_kafka.schema_registry.error import SchemaRegistryError  # noqa: PLC0415

    try:
        schema = client.get_schema(key) if isinstance(key, int) else client.get_schema_by_guid(key)
    except SchemaRegistryError as error:
        if error.http_status_code == _NOT_FOUND and error.error_code == _SCHEMA_NOT_FOUND:
            return SchemaUnknown()
        return _trouble(error)
    try:
        references: dict[str, str] = {}
        _follow(client, schema, references)
    except SchemaRegistryError as error:
        # A reference that is missing is the registry's fault, whatever it answers: never the record's.
        return _trouble(error)
    text = schema.schema_str
    if not isinstance(text, str) or not text or not all(isinstance(each, str) and each for each in references.values()):
        client.clear_caches()  # type: ignore[no-untyped-call]  # it would give the same nothing again
        return RegistryUnreachable("it answered without a schema")
    return SchemaFound(text, references)


def _follow(client: SchemaRegistryClient, schema: Schema, found: dict[str, str]) -> None:
    for reference in schema.references or []:
        name, subject, version = reference.name, reference.subject, reference.version
        if name is None or subject is None or version is None or name in found:
            continue
        # Deleted ones too: a schema that was deleted softly is still what records were written with.
        referred = client.get_version(subject, version, deleted=True).schema
        _follow(client, referred, found)
        found[name] = referred.schema_str or ""


def registry_complaints(properties: Mapping[str, object]) -> list[str]:
    """Return a sentence for each thing the client objects to, without any value; nothing is connected to."""
    try:
        _client(properties)
    except (TypeError, ValueError, OSError) as error:
        said = str(error)
        for value in properties.values():  # it quotes them: a URL may carry a password, a password is one
            said = said.replace(str(value), "…") if str(value) else said
        return [said]
    return []


def _client(properties: Mapping[str, object]) -> SchemaRegistryClient:
    # Imported only where there is a registry: it takes a third of a second.
    from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415

    settings: dict[str, Any] = {**_BOUNDED, **properties}
    for name in _NUMBERS & settings.keys():
        if isinstance(settings[name], str):
            settings[name] = float(settings[name])
    return SchemaRegistryClient(settings)


def _trouble(error: Any) -> RegistryUnreachable | RegistryUnauthorized:  # noqa: ANN401 - its class is imported late
    # Not the message: for an answer that is no registry's it is the answer's body.
    detail = f"HTTP {error.http_status_code}, code {error.error_code}"
    return RegistryUnauthorized(detail) if error.http_status_code in _REFUSED else RegistryUnreachable(detail)


def _token_trouble(status: int) -> RegistryUnreachable | RegistryUnauthorized:
    if status in _TOKEN_REFUSED:
        return RegistryUnauthorized(f"the token endpoint answered HTTP {status}")
    return RegistryUnreachable("the token endpoint gave no token")
