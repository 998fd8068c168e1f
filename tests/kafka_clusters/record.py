"""The record of a test session: which test ran on which broker, and which was skipped and why."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TypedDict

Key = tuple[str, ...]

BROKERS = ("embedded", "apache")


class Sent(TypedDict):
    """A record in plain values, which pass between processes."""

    real: str | None
    reasons: list[str]
    expected: list[tuple[str, list[str], str]]
    ran: list[tuple[list[str], list[str]]]
    skipped: dict[str, str]


@dataclass(slots=True)
class Record:
    """The results of one session's tests.

    Attributes:
        real: the origin of the Apache Kafka; None if there was none or no test needed it.
        reasons: why the earlier providers had none.
    """

    real: str | None = None
    reasons: tuple[str, ...] = ()
    _brokers: dict[str, tuple[Key, str]] = field(default_factory=dict)
    _ran: dict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))
    _skipped: dict[str, str] = field(default_factory=dict)

    def expect(self, test: str, key: Key, broker: str) -> None:
        """Note that a test will run on a broker. Tests with equal keys are the same test on different brokers."""
        self._brokers[test] = (key, broker)

    def ran(self, test: str) -> None:
        """Note that a test was called, whatever its result."""
        if test in self._brokers:
            key, broker = self._brokers[test]
            self._ran[key].add(broker)

    def skipped(self, test: str, reason: str) -> None:
        """Note that a test was skipped."""
        self._skipped[test] = re.sub(r"^Skipped: ", "", reason)
        if test in self._brokers:
            key, broker = self._brokers[test]
            self._ran[key].discard(broker)

    def sent(self) -> Sent:
        """Return the record in plain values. A worker sends them to its controller."""
        return {
            "real": self.real,
            "reasons": list(self.reasons),
            "expected": [(test, list(key), broker) for test, (key, broker) in self._brokers.items()],
            "ran": [(list(key), sorted(brokers)) for key, brokers in self._ran.items()],
            "skipped": dict(self._skipped),
        }

    def merge(self, sent: Sent) -> None:
        """Add a worker's record. Every worker expects all tests and runs some of them."""
        self.real = self.real or sent["real"]
        self.reasons = self.reasons or tuple(sent["reasons"])
        for test, key, broker in sent["expected"]:
            self.expect(test, tuple(key), broker)
        for key, brokers in sent["ran"]:
            self._ran[tuple(key)].update(brokers)
        self._skipped.update(sent["skipped"])

    def counts(self) -> dict[str, int]:
        """Return how many tests ran on each broker."""
        ran = Counter(broker for brokers in self._ran.values() for broker in brokers)
        return {broker: ran[broker] for broker in BROKERS}

    def skips(self) -> dict[str, list[str]]:
        """Return the skipped tests by reason."""
        by_reason: dict[str, list[str]] = defaultdict(list)
        for test, reason in self._skipped.items():
            by_reason[reason].append(test)
        return dict(by_reason)

    def ran_nowhere(self) -> list[str]:
        """Return the tests for an Apache Kafka that were skipped on every broker."""
        on: dict[Key, dict[str, str]] = defaultdict(dict)
        for test, (key, broker) in self._brokers.items():
            on[key][broker] = test
        return [
            tests["apache"]
            for key, tests in on.items()
            if "apache" in tests and not self._ran[key] and all(test in self._skipped for test in tests.values())
        ]

    def complaints(self, *, require_real: bool, embedded_only: bool) -> list[str]:
        """Return why the session fails although no test did."""
        found = []
        if require_real and not self.counts()["apache"]:
            why = "; ".join(self.reasons) or "no test needed one"
            found.append(f"CDP_REQUIRE_REAL_KAFKA is set, and no test ran on an Apache Kafka: {why}")
        nowhere = [] if embedded_only else self.ran_nowhere()
        found += [f"ran on no broker: {test}" for test in nowhere]
        if nowhere:
            found.append(
                "give them an Apache Kafka (KAFKA_BOOTSTRAP_SERVERS, Docker, or a JRE 17 with Maven), "
                "or accept it with CDP_EMBEDDED_ONLY=1"
            )
        return found
