"""The oracle's own reading agrees with the documents: identities, labels, schemas."""

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
from tests.demo.placed_records import life_with_mishaps, written

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(texts, texts, texts, texts, st.none() | texts)
def test_the_formula_worked_out_twice_gives_the_same_bytes(
    event_type: str, destination: str, label: str, own_id: str, element: str | None
) -> None:
    begun = delivery_id.of_entry(event_type, destination, label)
    more = () if element is None else (element,)
    mine = oracle.delivery_digest(event_type, destination, label, oracle.own_id_parts(own_id), *more)
    assert mine == delivery_id.finish(begun, delivery_id.own(own_id), element)


@given(texts, st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1))
def test_a_record_without_an_own_id_is_known_by_its_place(topic: str, partition: int, offset: int) -> None:
    theirs = delivery_id.at(delivery_id.place(topic, partition), offset)
    assert oracle.coordinates_parts(topic, partition, offset) == theirs


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**48 - 1))
def test_both_forms_of_an_id_are_spelt_alike(sixteen: bytes, time_ms: int) -> None:
    assert oracle.as_uuid(sixteen) == uuid_text(sixteen)
    assert oracle.as_ulid(sixteen, time_ms) == ulid_text(sixteen, time_ms)


def test_the_oracle_speaks_of_every_entry_of_the_mapping_and_of_no_other() -> None:
    options = {"copilot": {}, "customerio": {}, "yotpo": {"store_id": "store"}}
    destinations = {
        name: KINDS[name].construct(KINDS[name].options(url="http://127.0.0.1:1/v1", **more))
        for name, more in options.items()
    }
    mapping, findings = load_mapping([avro_directory() / "mapping.yaml"], destinations)
    assert not findings
    assert mapping is not None
    entries = {(each.event_type, each.destination, each.label) for each in mapping.entries()}
    said = {
        (f"{NAMESPACE}.{one.kind}", owed.destination, owed.label)
        for one in life_with_mishaps(3, 2000)
        for owed in one.owed
        if owed.label
    }
    assert said == entries


def test_no_two_deliveries_have_the_same_id() -> None:
    records = written(life_with_mishaps(5, 3000))
    for destination in ("copilot", "customerio", "yotpo"):
        expected = expect(destination, records)
        delivered = sum(
            owed.end is DELIVERED for one in records for owed in one.happening.owed if owed.destination == destination
        )
        assert len(expected.arrivals) == delivered > 0
        assert not expected.arrivals.keys() & {letter.delivery_id for letter in expected.letters}
