"""Yotpo: create or update a custom customer event, one per request, with a token that lives two weeks.

Sources: Yotpo Core API reference (core-api.yotpo.com/reference: authentication, guidelines, conventions) and the page
of the custom customer event. Only some of that page's key names are known. So the names of the body's keys and an outer
wrapper are options, and some defaults are guesses. Supervise the first live request.

Non-obvious: an event with the same id overwrites the earlier one. A repeat is safe, and a collision loses an event. So
the id is the delivery's own identity, never a business key. A 2xx means "accepted"; processing is asynchronous.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import orjson

from consumer.destinations import AccessToken, Basic, Encoded, Encoder, EntryError, OptionError, Target
from consumer.destinations.encoding import dumps, encoding_fault, exact_size_copy, size_fault
from consumer.destinations.id_formats import uuid_text
from consumer.destinations.option_checks import check_least, check_url
from consumer.destinations.status_verdicts import json_object, judge_status, unintelligible
from consumer.destinations.yotpo_contract import MAX_CHARACTERS, TARGET, is_snake_case, problem_with
from consumer.model import (
    BatchEnvelope,
    Blocked,
    DeadLetterCause,
    Deferred,
    Delivered,
    Endpoint,
    Fault,
    HttpResponse,
    TransientCause,
    Verdict,
)
from consumer.model.values import Fields, iso_text

TOKEN_LIFE_S = 13 * 24 * 3600.0
"""A token lives 14 days and cannot be refreshed. It is renewed one day early."""

KEYS: Mapping[str, str] = {name: name for name in ("source", "type", "occurred_at", "id", "customer", "properties")}
"""The body's keys: our name → the name that Yotpo is assumed to use."""

_SUCCESS = frozenset({200, 201, 204})


@dataclass(frozen=True, kw_only=True, slots=True)
class YotpoOptions:
    """The store, and the names of the body's keys. Yotpo documents no size limit: the default of `bytes` is our choice.

    `url` ends in `/core/v3`. `source` names the sending tool. `keys` maps our names of the body's keys to Yotpo's.
    `wrapper` is a key around the whole body.
    """

    url: str
    store_id: str
    name: str = "yotpo"
    bytes: int = 100_000
    source: str = "cdp_consumer"
    keys: Mapping[str, str] = field(default_factory=dict)
    wrapper: str | None = None

    def __post_init__(self) -> None:
        """Check every option."""
        check_url(self.url)
        check_least("bytes", self.bytes, 1000)
        if not self.store_id.strip():
            raise OptionError("store_id", "is blank", "write the store's app key")
        if not is_snake_case(self.source):
            raise OptionError(
                "source", "not snake_case", "use lower-case letters, digits and _, at most 255 characters"
            )
        unknown = self.keys.keys() - KEYS.keys()
        if unknown:
            raise OptionError("keys", "unknown key of the body", f"known keys: {', '.join(KEYS)}")
        spelt = list({**KEYS, **self.keys}.values())
        if not all(spelt) or len(set(spelt)) < len(spelt):
            raise OptionError(
                "keys", "names must be non-empty and unique", "JSON would keep only the last of two equal names"
            )
        if self.wrapper is not None and not self.wrapper:
            raise OptionError("wrapper", "is blank", "remove it if the body has no wrapper")


class Yotpo:
    """The destination. `Destination` describes its attributes."""

    kind = "yotpo"
    headers: Mapping[str, str] = {"content-type": "application/json"}
    identity = staticmethod(uuid_text)

    def __init__(self, options: YotpoOptions) -> None:
        self.name = options.name
        store = f"/stores/{quote(options.store_id.strip(), safe='')}"
        tokens = Endpoint("access_tokens", "POST", f"{store}/access_tokens")
        events = Endpoint("customer_events", "PATCH", f"{store}/customer_events")
        self.endpoints: Sequence[Endpoint] = (events, tokens)
        self.targets: Mapping[str, Target] = {TARGET.name: TARGET}
        self.credential: Basic | AccessToken = AccessToken(
            header="x-yotpo-token",
            endpoint=tokens,
            secret="secret",  # noqa: S106 - the secret's name
            life_s=TOKEN_LIFE_S,
            body=lambda secret: orjson.dumps({"secret": secret}),
            read=read_token,
        )
        prefix, suffix = b"", b""
        if options.wrapper is not None:
            prefix, suffix = b"{%b:" % orjson.dumps(options.wrapper), b"}"
        self._envelope = BatchEnvelope(events, prefix, suffix, 1, options.bytes)
        self._keys = {**KEYS, **options.keys}
        self._source = options.source

    def encoder(self, target: str, name: str | None) -> Encoder:
        """Return the encoder of one mapping entry.

        Raises:
            EntryError: unknown target, or a name that is missing or not snake_case.
        """
        if target not in self.targets:
            raise EntryError(f"{self.name} has no target of this name", "event")
        event_type = (name or "").strip()
        if not is_snake_case(event_type):
            raise EntryError(
                "a Yotpo event needs a name in snake_case",
                f"set `name`: lower-case letters, digits and _, at most {MAX_CHARACTERS} characters",
            )
        keys, envelope, id_text = self._keys, self._envelope, self.identity
        constant = {keys["source"]: self._source, keys["type"]: event_type}
        room = envelope.max_bytes - len(envelope.prefix) - len(envelope.suffix)

        def encode(fields: Fields, identity: bytes, time_ns: int) -> Encoded | Fault:
            problem = problem_with(fields)
            if problem is not None:
                return Fault(DeadLetterCause.CONTRACT, problem)
            occurred_at = iso_text(time_ns)
            if occurred_at is None:
                return Fault(DeadLetterCause.CONTRACT, "the event's time is outside the years 1 to 9999")
            event_id = id_text(identity)
            document: Fields = {**constant, keys["id"]: event_id, keys["occurred_at"]: occurred_at}
            document |= {keys[name]: value for name, value in fields.items() if value}
            body = dumps(document)
            if body is None:
                return encoding_fault(fields)
            return (
                Encoded(exact_size_copy(body), envelope, event_id) if len(body) <= room else size_fault(len(body), room)
            )

        return encode

    def judge(self, envelope: BatchEnvelope, identities: Sequence[str], response: HttpResponse) -> Verdict:  # noqa: ARG002 - there is one envelope
        """Return the verdict on one response. Defined for every status and any body."""
        verdict = judge_status(response, len(identities))
        if verdict is not None:
            return verdict
        if (
            response.status in _SUCCESS
            and not response.truncated
            and (not response.body.strip() or _is_json(response.body))
        ):
            return Delivered()
        return unintelligible(response, "the body is neither empty nor JSON, or the 2xx is not 200, 201 or 204")


def read_token(response: HttpResponse) -> str | Fault:
    """Return the token of a token response, or the reason why there is none.

    A 400, 409, 413 or 422 rejects the secret just as a 401 does.
    """
    verdict = judge_status(response, 1)
    if isinstance(verdict, Deferred | Blocked):
        return verdict.fault
    if verdict is not None:
        return Fault(TransientCause.UNAUTHORIZED, "the token request was rejected", response.status)
    document = json_object(response)
    token = document.get("access_token") if document else None
    # A character outside printable ASCII would break the request header.
    if not isinstance(token, str) or not token or not all("!" <= letter <= "~" for letter in token):
        return Fault(TransientCause.UNINTELLIGIBLE, "the token response has no access_token", response.status)
    return token


def _is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True
