"""Fetches schemas from a registry with Confluent's API, through the client that confluent-kafka contains.

A token that the registry rejects is renewed, whatever the rest of its lifetime.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from consumer.kafka.schema_registry.limits import CACHED_SCHEMAS, Lookup, ResponseLimits
from consumer.model.translated_batch import SchemaKey
from consumer.threads import run_in_daemon_thread

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

_SCHEME = "Bearer "

TOKEN_RENEWAL_INTERVAL_S = 30.0
"""The minimum time between two renewals. While the registry rejects new tokens as well, every pending schema retries,
and each retry would fetch a token."""

_MAX_LOOKUPS = 8
"""The maximum number of lookups in flight. Each has a thread of its own."""

_MAX_RETRIED_LOOKUPS = 4
"""How many of them may be lookups of schemas whose last lookup failed. So a registry that hangs for some of its schemas
leaves slots for the others, however many those are."""

_NOT_FOUND = 404
_SCHEMA_NOT_FOUND = 40403
_READ_MODES = ("READ", "WRITEREAD")
_UNAUTHORIZED = (401, 403)
_TOKEN_UNAUTHORIZED = (400, 401, 403)

_RESPONSE_TIMEOUTS = 6
"""A complete response may take this many times the timeout of each of its parts."""

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
    """A schema, and by name the schemas it refers to, transitively. Each comes after those that it refers to itself."""

    schema_text: str
    references: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SchemaUnknown:
    """The registry itself responded that it has no such schema."""


@dataclass(frozen=True, slots=True)
class RegistryUnreachable:
    """There was no response, or none of a registry. `detail` is for operators and contains nothing of the body."""

    detail: str


@dataclass(frozen=True, slots=True)
class RegistryUnauthorized:
    """The registry rejected our credentials."""

    detail: str


@dataclass(frozen=True, slots=True)
class SchemaNeedsDecryption:
    """Data of this schema must be decrypted or transformed before they are read. This service does neither."""


LookupResult: TypeAlias = (
    SchemaFound | SchemaUnknown | SchemaNeedsDecryption | RegistryUnreachable | RegistryUnauthorized
)


class RegistryToken:
    """The token of a registry client, which the client keeps until it expires.

    Args:
        client: the registry client.
        clock: monotonic seconds.
    """

    def __init__(self, client: Any, clock: Callable[[], float] = time.monotonic) -> None:  # noqa: ANN401 - imported late
        self._provider = client._rest_client.bearer_field_provider  # noqa: SLF001 - there is no public access
        self._clock = clock
        self._not_before_s = float("-inf")
        self._lock = threading.Lock()

    def renew(self, rejected: str) -> bool:
        """Fetch a token in place of one that the registry rejected, unless the last renewal is too recent.

        Args:
            rejected: the `Authorization` header of the rejected request.

        Returns:
            Whether there is another token to try. For a token in the configuration there is none.

        Raises:
            OAuthTokenError: the token endpoint returned none.
        """
        if not rejected.startswith(_SCHEME) or not hasattr(self._provider, "generate_access_token"):
            return False
        with self._lock:  # many lookups meet a rejected token at once
            if rejected != _SCHEME + self._provider.token:
                return True  # another lookup has renewed it meanwhile
            if self._clock() < self._not_before_s:
                return False
            self._provider.generate_access_token()
            self._not_before_s = self._clock() + TOKEN_RENEWAL_INTERVAL_S
            return True


class RegistryClient:
    """A schema registry.

    Args:
        properties: the client's properties (`url`, `basic.auth.user.info`, `ssl.*`, `bearer.auth.*`).
        timeout_s: seconds that a request may wait for each part of its response, unless the properties set them. The
            complete response may take six times as long. Both apply to each attempt at each address.
        is_used: receives a schema's text, and returns False if no data of it are read. Then neither the schemas it
            refers to nor its rules matter. It is called by other threads.

    Attributes:
        limits: the limits of each response.

    Raises:
        ValueError: the client does not accept these properties.
    """

    def __init__(
        self, properties: Mapping[str, object], timeout_s: float, is_used: Callable[[str], bool] = lambda _: True
    ) -> None:
        self._is_used = is_used
        settings: Mapping[str, object] = {**_BOUNDED, "timeout": timeout_s, **properties}
        try:
            response_s = _RESPONSE_TIMEOUTS * float(str(settings["timeout"]))
            # The client waits between two attempts, and no limit applies to its name resolution.
            self.limits = ResponseLimits(response_s, response_s + float(str(settings["retries.max.wait.ms"])) / 1000)
            self._client = _client(settings)
        except (TypeError, ValueError, OSError) as error:
            raise ValueError(f"schema registry: {error}") from error
        self.limits.apply_to(self._client)
        self._token = RegistryToken(self._client)
        self._slots = asyncio.Semaphore(_MAX_LOOKUPS)
        self._retry_slots = asyncio.Semaphore(_MAX_RETRIED_LOOKUPS)
        self._failed_keys: set[SchemaKey] = set()
        self._found = 0

    async def fetch(self, key: SchemaKey) -> LookupResult:
        """Return the schema of a numeric id or a GUID."""
        async with self._retry_slots if key in self._failed_keys else nullcontext(), self._slots:
            result = await self._look_up(key)
        if isinstance(result, RegistryUnreachable):
            self._failed_keys.add(key)
        else:
            self._failed_keys.discard(key)
        if isinstance(result, SchemaFound):
            self._found += 1
            if self._found % CACHED_SCHEMAS == 0:
                self._client.clear_caches()  # type: ignore[no-untyped-call]  # `cache.capacity` does not bound them
        return result

    async def _look_up(self, key: SchemaKey) -> LookupResult:
        lookup = self.limits.lookup()

        def fetch() -> LookupResult:
            self.limits.begin(lookup)
            return _fetch(self._client, key, lookup, self._token, self._is_used)

        # Not a thread of the loop's executor: the process would wait for it at its end, and a registry that never
        # responds would keep it until it is killed.
        result = asyncio.wrap_future(run_in_daemon_thread(fetch, f"schema-{key}"))
        try:
            while not result.done():
                remaining_s = lookup.deadline_s + self.limits.grace_s - time.monotonic()
                if remaining_s <= 0:
                    # This lookup's slot is free again, and its thread ends once its system call returns.
                    return RegistryUnreachable(f"no complete response within {self.limits.response_s:g} s")
                await asyncio.wait({result}, timeout=remaining_s)
            return result.result()
        finally:
            result.cancel()


def _fetch(
    client: SchemaRegistryClient,
    key: SchemaKey,
    lookup: Lookup,
    token: RegistryToken,
    is_used: Callable[[str], bool],
) -> LookupResult:
    from confluent_kafka.schema_registry.error import OAuthTokenError  # noqa: PLC0415

    try:
        result = _get_schema(client, key, is_used)
        if isinstance(result, RegistryUnauthorized) and token.renew(lookup.authorization):
            result = _get_schema(client, key, is_used)
    except OAuthTokenError:  # the error does not contain the endpoint's response
        return _token_error(lookup.status)
    except Exception as error:  # noqa: BLE001 - the client passes its HTTP library's errors; circular references raise
        return RegistryUnreachable(f"no usable response ({type(error).__name__})")
    return result


def _get_schema(client: SchemaRegistryClient, key: SchemaKey, is_used: Callable[[str], bool]) -> LookupResult:
    from confluent_kafka.schema_registry.error import SchemaRegistryError  # noqa: PLC0415

    try:
        schema = client.get_schema(key) if isinstance(key, int) else client.get_schema_by_guid(key)
    except SchemaRegistryError as error:
        if error.http_status_code == _NOT_FOUND and error.error_code == _SCHEMA_NOT_FOUND:
            return SchemaUnknown()
        return _registry_error(error)
    text = schema.schema_str
    references: dict[str, str] = {}
    try:
        if isinstance(text, str) and text and is_used(text):
            if _needs_decryption(schema):
                return SchemaNeedsDecryption()
            _resolve_references(client, schema, references)
    except SchemaRegistryError as error:
        # A missing reference is an error of the registry, whatever its status: the record is not to blame.
        return _registry_error(error)
    if not isinstance(text, str) or not text or not all(isinstance(each, str) and each for each in references.values()):
        client.clear_caches()  # type: ignore[no-untyped-call]  # otherwise the next lookup gets the cached empty schema
        return RegistryUnreachable("a response without a schema")
    return SchemaFound(text, references)


def _needs_decryption(schema: Schema) -> bool:
    """Return True if a rule of the schema transforms data when they are read, as encryption rules do.

    Conditions, rules for writing only, and migrations between versions do not change what was written.
    """
    rules = schema.rule_set
    if rules is None:
        return False
    on_read = [rule for rule in rules.domain_rules or () if rule.kind == "TRANSFORM" and rule.mode in _READ_MODES]
    return any(not rule.disabled for rule in (*on_read, *(rules.encoding_rules or ())))


def _resolve_references(client: SchemaRegistryClient, schema: Schema, found: dict[str, str]) -> None:
    for reference in schema.references or []:
        name, subject, version = reference.name, reference.subject, reference.version
        if name is None or subject is None or version is None or name in found:
            continue
        # Deleted ones too: records were written with schemas that have been soft-deleted since.
        referred = client.get_version(subject, version, deleted=True).schema
        _resolve_references(client, referred, found)
        found[name] = referred.schema_str or ""


def registry_complaints(properties: Mapping[str, object]) -> list[str]:
    """Return the client's error about these properties, without any value. Connects to nothing."""
    try:
        _client(properties)
    except (TypeError, ValueError, OSError) as error:
        message = str(error)
        for value in properties.values():  # the client quotes values: a password, or a URL with a password
            message = message.replace(str(value), "…") if str(value) else message
        return [message]
    return []


def _client(properties: Mapping[str, object]) -> SchemaRegistryClient:
    # Imported only if there is a registry: the import takes a third of a second.
    from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415

    settings: dict[str, Any] = {**_BOUNDED, **properties}
    for name in _NUMBERS & settings.keys():
        if isinstance(settings[name], str):
            settings[name] = float(settings[name])
    return SchemaRegistryClient(settings)


def _registry_error(error: Any) -> RegistryUnreachable | RegistryUnauthorized:  # noqa: ANN401 - its class is imported late
    # Without the message: if the response is no registry's, the message is the response body.
    detail = f"HTTP {error.http_status_code}, code {error.error_code}"
    return RegistryUnauthorized(detail) if error.http_status_code in _UNAUTHORIZED else RegistryUnreachable(detail)


def _token_error(status: int) -> RegistryUnreachable | RegistryUnauthorized:
    if status in _TOKEN_UNAUTHORIZED:
        return RegistryUnauthorized(f"the token endpoint responded with HTTP {status}")
    return RegistryUnreachable("the token endpoint returned no token")
