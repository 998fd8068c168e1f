"""Clients with one thing wrong with them, each fallen into a trap that the suite must see."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

from consumer.demo.fakes.base import Fake
from consumer.destinations import AccessToken, Basic, Destination, Encoded, Encoder, EntryError
from consumer.model import (
    BatchEnvelope,
    BatchRefused,
    Blocked,
    DeadLetterCause,
    Deferred,
    Delivered,
    Fault,
    HttpResponse,
    PartiallyRefused,
    Refused,
    Verdict,
)
from tests.contract.suite import Client

Judge = Callable[[BatchEnvelope, Sequence[str], HttpResponse, Verdict], Verdict]
Rewrite = Callable[[dict[str, Any]], dict[str, Any]]


class Doctored:
    """A destination with some of its parts replaced."""

    def __init__(self, real: Destination) -> None:
        self._real = real
        self.name, self.kind, self.targets = real.name, real.kind, real.targets
        self.endpoints, self.headers = real.endpoints, real.headers
        self.credential: Basic | AccessToken = real.credential
        self.encode: Callable[[str, str | None], Encoder] = real.encoder
        self.opinion: Judge = lambda _shape, _identities, _reply, verdict: verdict

    def encoder(self, target: str, name: str | None) -> Encoder:
        """Say one entry's events, perhaps wrongly."""
        return self.encode(target, name)

    def identity(self, digest: bytes, time_ms: int, /) -> str:
        """Name a delivery as the real one does."""
        return self._real.identity(digest, time_ms)

    def judge(self, shape: BatchEnvelope, identities: Sequence[str], reply: HttpResponse) -> Verdict:
        """Read an answer, perhaps wrongly."""
        return self.opinion(shape, identities, reply, self._real.judge(shape, identities, reply))


def client(real: Client, spoil: Callable[[Doctored], None], options: dict[str, Any] | None = None) -> Client:
    """Return the real client with something spoilt."""

    def make(server: Fake, given: dict[str, Any]) -> Destination:
        doctored = Doctored(real(server, {**given, **(options or {})}))
        spoil(doctored)
        return doctored

    return make


# ── ways to misread answers ──


def any_success_is_delivery(it: Doctored) -> None:
    """Take every 2xx for a delivery and look no further."""
    it.opinion = lambda _s, _i, reply, verdict: Delivered() if reply.status < 300 else verdict


def dumping(kind: type) -> Judge:
    """Dead-letter all of a batch, where the verdict is of this kind."""

    def opinion(_shape: BatchEnvelope, identities: Sequence[str], _reply: HttpResponse, verdict: Verdict) -> Verdict:
        if isinstance(verdict, kind):
            return PartiallyRefused(dict.fromkeys(range(len(identities)), Fault(DeadLetterCause.REFUSED)))
        return verdict

    return opinion


def a_bad_batch_is_all_bad(it: Doctored) -> None:
    """Dead-letter a whole batch for one event of it."""
    it.opinion = dumping(BatchRefused)


def what_is_ours_is_dumped(it: Doctored) -> None:
    """Dead-letter what a hold is for."""
    it.opinion = dumping(Blocked)


def later_is_never(it: Doctored) -> None:
    """Dead-letter what should be sent again."""
    it.opinion = dumping(Deferred)


def deaf_to_waits(it: Doctored) -> None:
    """Call again as soon as one likes."""
    it.opinion = lambda _s, _i, _r, verdict: Deferred(verdict.fault) if isinstance(verdict, Deferred) else verdict


def a_bad_event_is_tried_for_ever(it: Doctored) -> None:
    """Never refuse anything."""
    it.opinion = lambda _s, _i, _r, verdict: Deferred(verdict.fault) if isinstance(verdict, Refused) else verdict


# ── ways to say it wrongly ──


def rewriting(change: Callable[[str, dict[str, Any]], dict[str, Any]]) -> Callable[[Doctored], None]:
    """Alter bodies after the contract was checked: `change(target, document)`."""

    def spoil(it: Doctored) -> None:
        plain = it.encode

        def encoder(target: str, name: str | None) -> Encoder:
            encode = plain(target, name)

            def wrong(fields: Any, identity: bytes, time_ns: int) -> Encoded | Fault:  # noqa: ANN401 - as they come
                said = encode(fields, identity, time_ns)
                if isinstance(said, Fault):
                    return said
                document = change(target, json.loads(said.body))
                names = [document.get(key) for key in ("event_id", "messageId", "id")]
                name = next((str(each) for each in names if each), said.identity)
                return said._replace(body=json.dumps(document).encode(), identity=name)

            return wrong

        it.encode = encoder

    return spoil


def unchecked(
    say: Callable[[str, dict[str, Any], Encoded], bytes], model: dict[str, Any]
) -> Callable[[Doctored], None]:
    """Send what breaks the contract all the same: `say(target, fields, a good event of that target)` is the body."""

    def spoil(it: Doctored) -> None:
        plain = it.encode

        def encoder(target: str, name: str | None) -> Encoder:
            encode = plain(target, name)

            def blind(fields: Any, identity: bytes, time_ns: int) -> Encoded | Fault:  # noqa: ANN401 - as they come
                said = encode(fields, identity, time_ns)
                good = encode(dict(model), identity, time_ns) if isinstance(said, Fault) else said
                if not isinstance(said, Fault) or isinstance(good, Fault):
                    return said
                return good._replace(body=say(target, fields, good))

            return blind

        it.encode = encoder

    return spoil


def reshaped(change: Callable[[BatchEnvelope], BatchEnvelope]) -> Callable[[Doctored], None]:
    """Let calls have another shape."""

    def spoil(it: Doctored) -> None:
        plain = it.encode

        def encoder(target: str, name: str | None) -> Encoder:
            encode = plain(target, name)

            def wrong(fields: Any, identity: bytes, time_ns: int) -> Encoded | Fault:  # noqa: ANN401 - as they come
                said = encode(fields, identity, time_ns)
                return said if isinstance(said, Fault) else said._replace(envelope=change(said.envelope))

            return wrong

        it.encode = encoder

    return spoil


def without(header: str) -> Callable[[Doctored], None]:
    """Leave a constant header out."""

    def spoil(it: Doctored) -> None:
        it.headers = {name: value for name, value in it.headers.items() if name != header}

    return spoil


def alias_in_a_batch(it: Doctored) -> None:
    """Put aliases where no batch may hold them."""
    plain = it.encode

    def encoder(target: str, name: str | None) -> Encoder:
        encode = plain(target, name)
        if target != "alias":
            return encode

        def wrong(fields: Any, identity: bytes, time_ns: int) -> Encoded | Fault:  # noqa: ANN401 - as they come
            said = encode(fields, identity, time_ns)
            model = plain("track", "Thing Noted")({"userId": "u"}, identity, time_ns)
            assert isinstance(said, Encoded)
            assert isinstance(model, Encoded)
            return said._replace(body=b'{"type":"alias",' + said.body[1:], envelope=model.envelope)

        return wrong

    it.encode = encoder


def one_shape_for_all_surroundings(it: Doctored) -> None:
    """Batch events of differing contexts together: one value would win for all."""
    reshaped(lambda shape: shape._replace(prefix=b'{"batch":[', suffix=b"]}"))(it)


def any_name(it: Doctored) -> None:
    """Take an entry's name as it comes."""
    plain = it.encode

    def encoder(target: str, name: str | None) -> Encoder:
        try:
            return plain(target, name)
        except EntryError:
            return plain("track", "Thing Noted")

    it.encode = encoder


def token_in_another_header(it: Doctored) -> None:
    """Send the token where nobody looks."""
    assert isinstance(it.credential, AccessToken)
    it.credential = dataclasses.replace(it.credential, header="authorization")


def dead_tokens_kept(it: Doctored) -> None:
    """Fetch a token once and never another."""
    assert isinstance(it.credential, AccessToken)
    right = it.credential.read
    first: list[str | Fault] = []

    def read(reply: HttpResponse) -> str | Fault:
        first.append(right(reply))
        return first[0]

    it.credential = dataclasses.replace(it.credential, read=read)
