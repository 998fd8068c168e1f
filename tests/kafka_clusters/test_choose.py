"""The order of the providers of an Apache Kafka, and the reasons when none has one."""

from pathlib import Path

import pytest

from tests.kafka_clusters import Broker, RealBroker
from tests.kafka_clusters.choose import NotGivenError, choose, first_of
from tests.kafka_clusters.container import NoContainerError
from tests.kafka_clusters.jars import NoJarsError


def no_container() -> RealBroker:
    raise NoContainerError("Docker does not respond")


def no_jars() -> RealBroker:
    raise NoJarsError("no java")


def some_kafka() -> RealBroker:
    return RealBroker("127.0.0.1:1", "somewhere")


def must_not_be_called() -> RealBroker:
    raise AssertionError("an earlier provider had one")


def test_first_available_provider_is_used() -> None:
    choice = first_of((no_container, some_kafka, must_not_be_called))
    assert choice.broker is not None
    assert choice.broker.origin == "somewhere"
    assert choice.reasons == ("Docker does not respond",)


def test_all_reasons_are_kept_if_no_provider_is_available() -> None:
    choice = first_of((no_container, no_jars))
    assert choice.broker is None
    assert choice.reasons == ("Docker does not respond", "no java")


def test_given_kafka_takes_precedence(broker: Broker, tmp_path: Path) -> None:
    bootstrap = broker.bootstrap
    choice = choose({"KAFKA_BOOTSTRAP_SERVERS": bootstrap}, tmp_path)
    assert choice.broker is not None
    assert choice.broker.bootstrap == bootstrap


def test_given_kafka_that_does_not_respond_is_an_error(tmp_path: Path) -> None:
    """No other provider is tried."""
    with pytest.raises(NotGivenError, match="no Kafka responds there"):
        choose({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, tmp_path, timeout_s=0.2)


def test_embedded_only_tries_no_provider(tmp_path: Path) -> None:
    choice = choose({"CDP_EMBEDDED_ONLY": "1", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, tmp_path)
    assert choice.broker is None
    assert choice.reasons == ("CDP_EMBEDDED_ONLY is set",)
