"""Clients with one defect each. The suite must catch every one."""

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


class DefectiveClient:
    """A destination with some methods replaced."""

    def __init__(self, real: Destination) -> None:
        self._real = real
        self.name, self.kind, self.targets = real.name, real.kind, real.targets
        self.endpoints, self.headers = real.endpoints, real.headers
        self.credential: Basic | AccessToken = real.credential
        self.encode: Callable[[str, str | None], Encoder] = real.encoder
        self.opinion: Judge = lambda _shape, _identities, _reply, verdict: verdict

    def encoder(self, target: str, name: str | None) -> Encoder:
        """Return the encoder, possibly a defective one."""
        return self.encode(target, name)

    def identity(self, digest: bytes, time_ms: int, /) -> str:
        """Return the identity as the real client does."""
        return self._real.identity(digest, time_ms)

    def judge(self, shape: BatchEnvelope, identities: Sequence[str], reply: HttpResponse) -> Verdict:
        """Judge a response, possibly wrongly."""
        return self.opinion(shape, identities, reply, self._real.judge(shape, identities, reply))


def client(real: Client, defect: Callable[[DefectiveClient], None], options: dict[str, Any] | None = None) -> Client:
    """Return the real client with one defect."""

    def make(server: Fake, given: dict[str, Any]) -> Destination:
        doctored = DefectiveClient(real(server, {**given, **(options or {})}))
        defect(doctored)
        return doctored

    return make


# ── Defects in judging responses ──


def every_2xx_is_delivered(it: DefectiveClient) -> None:
    """Treat every 2xx as delivered."""
    it.opinion = lambda _s, _i, reply, verdict: Delivered() if reply.status < 300 else verdict


def dumping(kind: type) -> Judge:
    """Dead-letter the whole batch if the verdict is of this type."""

    def opinion(_shape: BatchEnvelope, identities: Sequence[str], _reply: HttpResponse, verdict: Verdict) -> Verdict:
        if isinstance(verdict, kind):
            return PartiallyRefused(dict.fromkeys(range(len(identities)), Fault(DeadLetterCause.REFUSED)))
        return verdict

    return opinion


def whole_batch_is_dead_lettered(it: DefectiveClient) -> None:
    """Dead-letter a whole batch for one bad event."""
    it.opinion = dumping(BatchRefused)


def blocked_is_dead_lettered(it: DefectiveClient) -> None:
    """Dead-letter instead of holding."""
    it.opinion = dumping(Blocked)


def deferred_is_dead_lettered(it: DefectiveClient) -> None:
    """Dead-letter instead of retrying."""
    it.opinion = dumping(Deferred)


def requested_waits_ignored(it: DefectiveClient) -> None:
    """Ignore the requested wait."""
    it.opinion = lambda _s, _i, _r, verdict: Deferred(verdict.fault) if isinstance(verdict, Deferred) else verdict


def refusals_are_retried(it: DefectiveClient) -> None:
    """Never refuse a delivery."""
    it.opinion = lambda _s, _i, _r, verdict: Deferred(verdict.fault) if isinstance(verdict, Refused) else verdict


# ── Defects in encoding ──


def rewriting(change: Callable[[str, dict[str, Any]], dict[str, Any]]) -> Callable[[DefectiveClient], None]:
    """Change bodies after the contract check: `change(target, document)`."""

    def defect(it: DefectiveClient) -> None:
        plain = it.encode

        def encoder(target: str, name: str | None) -> Encoder:
            encode = plain(target, name)

            def wrong(fields: Any, identity: bytes, time_ns: int) -> Encoded | Fault:  # noqa: ANN401 - as they come
                result = encode(fields, identity, time_ns)
                if isinstance(result, Fault):
                    return result
                document = change(target, json.loads(result.body))
                names = [document.get(key) for key in ("event_id", "messageId", "id")]
                name = next((str(each) for each in names if each), result.identity)
                return result._replace(body=json.dumps(document).encode(), identity=name)

            return wrong

        it.encode = encoder

    return defect


def unchecked(
    body_of: Callable[[str, dict[str, Any], Encoded], bytes], model: dict[str, Any]
) -> Callable[[DefectiveClient], None]:
    """Send events that violate the contract: the body is `body_of(target, fields, a valid event of that target)`."""

    def defect(it: DefectiveClient) -> None:
        plain = it.encode

        def encoder(target: str, name: str | None) -> Encoder:
            encode = plain(target, name)

            def blind(fields: Any, identity: bytes, time_ns: int) -> Encoded | Fault:  # noqa: ANN401 - as they come
                result = encode(fields, identity, time_ns)
                good = encode(dict(model), identity, time_ns) if isinstance(result, Fault) else result
                if not isinstance(result, Fault) or isinstance(good, Fault):
                    return result
                return good._replace(body=body_of(target, fields, good))

            return blind

        it.encode = encoder

    return defect


def with_envelope(change: Callable[[BatchEnvelope], BatchEnvelope]) -> Callable[[DefectiveClient], None]:
    """Change the envelope."""

    def defect(it: DefectiveClient) -> None:
        plain = it.encode

        def encoder(target: str, name: str | None) -> Encoder:
            encode = plain(target, name)

            def wrong(fields: Any, identity: bytes, time_ns: int) -> Encoded | Fault:  # noqa: ANN401 - as they come
                result = encode(fields, identity, time_ns)
                return result if isinstance(result, Fault) else result._replace(envelope=change(result.envelope))

            return wrong

        it.encode = encoder

    return defect


def without(header: str) -> Callable[[DefectiveClient], None]:
    """Leave out a constant header."""

    def defect(it: DefectiveClient) -> None:
        it.headers = {name: value for name, value in it.headers.items() if name != header}

    return defect


def alias_in_batch(it: DefectiveClient) -> None:
    """Put aliases into batches."""
    plain = it.encode

    def encoder(target: str, name: str | None) -> Encoder:
        encode = plain(target, name)
        if target != "alias":
            return encode

        def wrong(fields: Any, identity: bytes, time_ns: int) -> Encoded | Fault:  # noqa: ANN401 - as they come
            result = encode(fields, identity, time_ns)
            model = plain("track", "Thing Noted")({"userId": "u"}, identity, time_ns)
            assert isinstance(result, Encoded)
            assert isinstance(model, Encoded)
            return result._replace(body=b'{"type":"alias",' + result.body[1:], envelope=model.envelope)

        return wrong

    it.encode = encoder


def one_envelope_for_all_contexts(it: DefectiveClient) -> None:
    """Batch events of different contexts together, so that one context applies to all."""
    with_envelope(lambda shape: shape._replace(prefix=b'{"batch":[', suffix=b"]}"))(it)


def name_unchecked(it: DefectiveClient) -> None:
    """Do not check an entry's name."""
    plain = it.encode

    def encoder(target: str, name: str | None) -> Encoder:
        try:
            return plain(target, name)
        except EntryError:
            return plain("track", "Thing Noted")

    it.encode = encoder


def token_in_another_header(it: DefectiveClient) -> None:
    """Send the token in the wrong header."""
    assert isinstance(it.credential, AccessToken)
    it.credential = dataclasses.replace(it.credential, header="authorization")


def expired_tokens_kept(it: DefectiveClient) -> None:
    """Fetch one token and never renew it."""
    assert isinstance(it.credential, AccessToken)
    right = it.credential.read
    first: list[str | Fault] = []

    def read(reply: HttpResponse) -> str | Fault:
        first.append(right(reply))
        return first[0]

    it.credential = dataclasses.replace(it.credential, read=read)
