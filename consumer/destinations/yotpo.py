"""Yotpo: create or update a custom customer event, one a call, with a token that lives two weeks.

Sources: Yotpo Core API reference (core-api.yotpo.com/reference: authentication, guidelines, conventions) and the page
of the custom customer event. That page's key names are known only in part, so the names of the body's keys and an outer
wrapper are options; some of their defaults are guesses, and the first live call should be a supervised one.

Non-obvious: the same id overwrites the earlier event, so a repeat is safe and a collision is a loss: the id is the
delivery's own identity and never a business key. A 2xx says "accepted"; processing is asynchronous.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import orjson

from consumer.destinations import AccessToken, Basic, Encoded, Encoder, EntryError, OptionError, Target
from consumer.destinations.encoding import dumps, fault, iso, kept, size_fault
from consumer.destinations.id_formats import uuid_text
from consumer.destinations.option_checks import check_least, check_url
from consumer.destinations.status_verdicts import json_object, judge_status, unintelligible
from consumer.destinations.yotpo_contract import MOST_CHARACTERS, TARGET, is_snake_case, problem_with
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
from consumer.model.values import Fields

TOKEN_LIFE_S = 13 * 24 * 3600.0
"""A token lives 14 days and cannot be refreshed: it is renewed a day early."""

KEYS: Mapping[str, str] = {name: name for name in ("source", "type", "occurred_at", "id", "customer", "properties")}
"""The body's keys: what we call them → what Yotpo is thought to call them."""

_SUCCESS = frozenset({200, 201, 204})


@dataclass(frozen=True, kw_only=True, slots=True)
class YotpoOptions:
    """Which store, and how the body is spelt. No size limit is documented: `bytes` is ours.

    `url` ends in `/core/v3`; `source` names the sending tool; `keys` maps our names of the body's keys to Yotpo's;
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
        """Refuse what cannot be meant."""
        check_url(self.url)
        check_least("bytes", self.bytes, 1000)
        if not self.store_id.strip():
            raise OptionError("store_id", "is blank", "the store's app key")
        if not is_snake_case(self.source):
            raise OptionError("source", "not snake_case", "lower-case letters, digits and _, at most 255")
        unknown = self.keys.keys() - KEYS.keys()
        if unknown:
            raise OptionError("keys", "not one of the body's keys", ", ".join(KEYS))
        spelt = list({**KEYS, **self.keys}.values())
        if not all(spelt) or len(set(spelt)) < len(spelt):
            raise OptionError("keys", "blank, or one twice: JSON would keep only the last", "a key of its own for each")
        if self.wrapper is not None and not self.wrapper:
            raise OptionError("wrapper", "is blank", "leave it out for none")


class Yotpo:
    """The destination; see `Destination` for what its parts mean."""

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
        self._shape = BatchEnvelope(events, prefix, suffix, 1, options.bytes)
        self._keys = {**KEYS, **options.keys}
        self._source = options.source

    def encoder(self, target: str, name: str | None) -> Encoder:
        """Return the function that says one entry's events.

        Raises:
            EntryError: no such target, or a name that is missing or not snake_case.
        """
        if target not in self.targets:
            raise EntryError(f"{self.name} has no target of this name", "event")
        event_type = (name or "").strip()
        if not is_snake_case(event_type):
            raise EntryError(
                "an event at Yotpo needs a name in snake_case",
                f"lower-case letters, digits and _, at most {MOST_CHARACTERS}",
            )
        keys, shape, said_id = self._keys, self._shape, self.identity
        constant = {keys["source"]: self._source, keys["type"]: event_type}
        room = shape.max_bytes - len(shape.prefix) - len(shape.suffix)

        def encode(fields: Fields, identity: bytes, time_ns: int) -> Encoded | Fault:
            problem = problem_with(fields)
            if problem is not None:
                return Fault(DeadLetterCause.CONTRACT, problem)
            occurred_at = iso(time_ns)
            if occurred_at is None:
                return Fault(DeadLetterCause.CONTRACT, "the event's time lies outside the years 1 to 9999")
            event_id = said_id(identity)
            document: Fields = {**constant, keys["id"]: event_id, keys["occurred_at"]: occurred_at}
            document |= {keys[name]: value for name, value in fields.items() if value}
            body = dumps(document)
            if body is None:
                return fault(fields)
            return Encoded(kept(body), shape, event_id) if len(body) <= room else size_fault(len(body), room)

        return encode

    def judge(self, shape: BatchEnvelope, identities: Sequence[str], reply: HttpResponse) -> Verdict:  # noqa: ARG002 - one shape only
        """Read one answer, whole: total over every status and any body."""
        verdict = judge_status(reply, len(identities))
        if verdict is not None:
            return verdict
        if reply.status in _SUCCESS and not reply.truncated and (not reply.body.strip() or _is_json(reply.body)):
            return Delivered()
        return unintelligible(reply, "neither empty nor JSON, or a success of another kind")


def read_token(reply: HttpResponse) -> str | Fault:
    """Read the answer of the token call: the token, or why there is none.

    A secret that is refused with any status of a bad request is no less refused than by a 401.
    """
    verdict = judge_status(reply, 1)
    if isinstance(verdict, Deferred | Blocked):
        return verdict.fault
    if verdict is not None:
        return Fault(TransientCause.UNAUTHORIZED, "the token call was refused", reply.status)
    document = json_object(reply)
    token = document.get("access_token") if document else None
    # What is not printable ASCII would break the header it is put into.
    if not isinstance(token, str) or not token or not all("!" <= letter <= "~" for letter in token):
        return Fault(TransientCause.UNINTELLIGIBLE, "no access_token in the answer of the token call", reply.status)
    return token


def _is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True
