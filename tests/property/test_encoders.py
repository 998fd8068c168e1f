"""Any fields become valid JSON within the limits, or a fault that does not quote them."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.destinations import Encoded
from consumer.destinations.encoding import MAX_DIGITS, exact
from consumer.destinations.id_formats import ulid_text, uuid_text
from consumer.destinations.kinds import KINDS
from consumer.model import BatchEnvelope, DeadLetterCause, Fault
from consumer.model.values import Fields, Instant, Value
from tests.examples import examples
from tests.property.test_destinations import COPILOT, CUSTOMERIO, ENVELOPES, YOTPO

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**66), 2**66)
    | st.decimals(allow_nan=True, allow_infinity=True)
    | st.floats()
    | st.text(st.characters(codec=None), max_size=30)
    | st.binary(max_size=20)
    | st.integers(-(2**80), 2**80).map(Instant),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)
good_ids = st.text("abcXYZ019-", min_size=1, max_size=10)
good_values = (
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20) | st.decimals(-1000, 1000, places=2)
)
good_objects = st.dictionaries(st.text("abc_", min_size=1, max_size=8), good_values, max_size=6)
NAMES = sorted(
    {name for destination, _ in ENVELOPES for target in destination.targets.values() for name in target.fields}
)
fields_of_any_kind = st.dictionaries(
    st.sampled_from(NAMES) | st.text(max_size=8), values | good_ids | good_objects, max_size=8
)
sensible_fields = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("user_id", "thing_id", "userId", "anonymousId", "groupId", "previousId", "email"), good_ids),
        **dict.fromkeys(("properties", "traits", "context", "custom_properties"), good_objects),
        "customer": st.fixed_dictionaries({"external_id": good_ids}),
        "consent_value": st.booleans(),
    },
)
ENTRIES = [
    (destination, target, name)
    for destination in (COPILOT, CUSTOMERIO, YOTPO)
    for target, contract in destination.targets.items()
    for name in ((*contract.by_name, "order_placed") if contract.named else (None,))
]


def request(body: bytes, envelope: BatchEnvelope) -> Any:  # noqa: ANN401 - any JSON value
    """Return a request with one event, parsed. Duplicate keys fail the test."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    return json.loads(
        (envelope.prefix + body + envelope.suffix).decode(), object_pairs_hook=unique, parse_constant=pytest.fail
    )


@pytest.mark.parametrize("case", range(len(ENTRIES)))
@settings(max_examples=examples(60), deadline=None)
@given(
    fields=fields_of_any_kind | sensible_fields,
    identity=st.binary(min_size=16, max_size=16),
    time_ns=st.integers(-(2**70), 2**70) | st.integers(0, 2**61),
)
def test_any_fields_become_valid_json_within_limits_or_a_fault(
    case: int, fields: Fields, identity: bytes, time_ns: int
) -> None:
    destination, target, name = ENTRIES[case]
    before = repr(fields)
    encoded = destination.encoder(target, name)(fields, identity, time_ns)
    assert repr(fields) == before
    if isinstance(encoded, Fault):
        assert encoded.cause in {DeadLetterCause.CONTRACT, DeadLetterCause.TOO_LARGE}
        assert encoded.detail
        return
    assert isinstance(request(encoded.body, encoded.envelope), dict)
    assert len(encoded.envelope.prefix + encoded.body + encoded.envelope.suffix) <= encoded.envelope.max_bytes
    assert encoded.envelope.endpoint in destination.endpoints
    assert encoded.identity == destination.identity(identity, time_ns // 1_000_000)
    assert encoded.identity in {uuid_text(identity), ulid_text(identity, time_ns // 1_000_000)}


@settings(deadline=None)
@given(secret=st.text("qxzQXZ0789@", min_size=12, max_size=20), case=st.integers(0, len(ENTRIES) - 1), data=st.data())
def test_faults_quote_neither_values_nor_unusual_names(secret: str, case: int, data: st.DataObject) -> None:
    destination, target, name = ENTRIES[case]
    secret += "@1"
    planted: st.SearchStrategy[Value] = st.sampled_from(
        [
            secret,
            {secret: 1},
            {"a": secret},
            [secret],
            {secret: float("nan")},
            {"JaneDoe": float("nan")},
            {"JaneDoe": []},
        ]
    )
    fields: Fields = data.draw(st.dictionaries(st.sampled_from([*NAMES, secret]), planted, max_size=5))
    encoded = destination.encoder(target, name)(fields, bytes(16), 0)
    assert isinstance(encoded, Encoded) or not any(word in encoded.detail for word in (secret, "JaneDoe"))


@settings(deadline=None)
@given(identity=st.binary(min_size=16, max_size=16), time_ms=st.integers(0, 2**48 - 1))
def test_ulid_encodes_its_bits_in_crockford_base32(identity: bytes, time_ms: int) -> None:
    number = 0
    for character in ulid_text(identity, time_ms):
        number = number * 32 + CROCKFORD.index(character)
    assert number == time_ms << 80 | int.from_bytes(identity[6:], "big")


@settings(deadline=None)
@given(number=st.decimals())
def test_exact_text_equals_the_decimal(number: Decimal) -> None:
    text = exact(number)
    if text is None:
        assert not number.is_finite() or len(number.as_tuple().digits) + abs(number.adjusted()) >= MAX_DIGITS
    else:
        assert Decimal(text) == number
        assert "E" not in text


def test_every_kind_has_entries_here() -> None:
    assert {destination.kind for destination, _, _ in ENTRIES} == KINDS.keys()
