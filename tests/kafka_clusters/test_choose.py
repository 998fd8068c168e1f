"""The order in which an Apache Kafka is looked for, and what is said when there is none."""

from pathlib import Path

import pytest

from tests.kafka_clusters import Broker, RealBroker
from tests.kafka_clusters.choose import NotGivenError, choose, first_of
from tests.kafka_clusters.container import NoContainerError
from tests.kafka_clusters.jars import NoJarsError


def no_container() -> RealBroker:
    raise NoContainerError("Docker does not answer")


def no_jars() -> RealBroker:
    raise NoJarsError("no java")


def some_kafka() -> RealBroker:
    return RealBroker("127.0.0.1:1", "somewhere")


def must_not_be_asked() -> RealBroker:
    raise AssertionError("an earlier provider gave one")


def test_the_first_provider_that_has_one_gives_it_and_the_others_are_not_asked() -> None:
    choice = first_of((no_container, some_kafka, must_not_be_asked))
    assert choice.broker is not None
    assert choice.broker.origin == "somewhere"
    assert choice.reasons == ("Docker does not answer",)


def test_when_nobody_has_one_every_reason_is_kept() -> None:
    choice = first_of((no_container, no_jars))
    assert choice.broker is None
    assert choice.reasons == ("Docker does not answer", "no java")


def test_the_kafka_one_is_given_is_taken_before_any_other(broker: Broker, tmp_path: Path) -> None:
    bootstrap = broker.bootstrap
    choice = choose({"KAFKA_BOOTSTRAP_SERVERS": bootstrap}, tmp_path)
    assert choice.broker is not None
    assert choice.broker.bootstrap == bootstrap


def test_a_given_kafka_that_does_not_answer_is_an_error_and_not_a_reason_to_look_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.kafka_clusters.choose._GIVEN_ANSWERS_WITHIN_S", 0.2)
    with pytest.raises(NotGivenError, match="no Kafka answers there"):
        choose({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, tmp_path)


def test_embedded_only_looks_for_nothing(tmp_path: Path) -> None:
    choice = choose({"CDP_EMBEDDED_ONLY": "1", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, tmp_path)
    assert choice.broker is None
    assert choice.reasons == ("CDP_EMBEDDED_ONLY is set",)
