"""The oracle's own reading of the identity formula and of the mapping agrees with the service's."""

from hypothesis import given
from hypothesis import strategies as st

from consumer.demo import oracle
from consumer.demo.events import DELIVERED, NAMESPACE
from consumer.demo.oracle import expect
from consumer.demo.schemas import avro_directory
from consumer.destinations.id_formats import ulid_text, uuid_text
from consumer.destinations.kinds import KINDS
from consumer.translation import delivery_id
from consumer.translation.mapping.loader import load_mapping
from tests.demo.placed_records import as_produced, mixed_events

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(texts, texts, texts, texts, st.none() | texts)
def test_both_implementations_of_the_formula_agree(
    event_type: str, destination: str, label: str, own_id: str, element: str | None
) -> None:
    entry = delivery_id.entry_hash(event_type, destination, label)
    elements = () if element is None else (element,)
    mine = oracle.delivery_digest(event_type, destination, label, oracle.own_id_parts(own_id), *elements)
    assert mine == delivery_id.digest(entry, delivery_id.own_id(own_id), element)


@given(texts, st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1))
def test_record_without_an_own_id_is_identified_by_coordinates(topic: str, partition: int, offset: int) -> None:
    theirs = delivery_id.position(delivery_id.partition_prefix(topic, partition), offset)
    assert oracle.coordinates_parts(topic, partition, offset) == theirs


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**48 - 1))
def test_both_forms_of_an_id_agree(digest: bytes, time_ms: int) -> None:
    assert oracle.as_uuid(digest) == uuid_text(digest)
    assert oracle.as_ulid(digest, time_ms) == ulid_text(digest, time_ms)


def test_oracle_knows_every_entry_of_the_mapping_and_no_other() -> None:
    options = {"copilot": {}, "customerio": {}, "yotpo": {"store_id": "store"}}
    destinations = {
        name: KINDS[name].construct(KINDS[name].options(url="http://127.0.0.1:1/v1", **more))
        for name, more in options.items()
    }
    mapping, findings = load_mapping([avro_directory() / "mapping.yaml"], destinations)
    assert not findings
    assert mapping is not None
    entries = {(each.event_type, each.destination, each.label) for each in mapping.entries()}
    known = {
        (f"{NAMESPACE}.{one.kind}", owed.destination, owed.label)
        for one in mixed_events(3, 2000)
        for owed in one.owed
        if owed.label
    }
    assert known == entries


def test_all_delivery_ids_differ() -> None:
    records = as_produced(mixed_events(5, 3000))
    for destination in ("copilot", "customerio", "yotpo"):
        expected = expect(destination, records)
        delivered = sum(
            owed.outcome is DELIVERED for one in records for owed in one.event.owed if owed.destination == destination
        )
        assert len(expected.stored) == delivered > 0
        assert not expected.stored.keys() & {key.delivery_id for key in expected.dead_letters}
