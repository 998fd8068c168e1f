"""Circuit breakers: when a hold begins and ends, and when its probes are due."""

from consumer.delivery.guards.circuit_breaker import CircuitBreakers
from consumer.model import Endpoint, Fault, TransientCause

COLLECT, CONSENT = Endpoint("collect", "POST", "/a"), Endpoint("consent", "POST", "/b")
GONE, DENIED = Fault(TransientCause.GONE), Fault(TransientCause.UNAUTHORIZED)


def test_blocked_response_holds_only_its_endpoint() -> None:
    holds = CircuitBreakers[Endpoint](30.0)
    assert not holds
    assert holds.open(CONSENT, GONE, 100.0)
    assert CONSENT in holds
    assert COLLECT not in holds
    hold = holds.get(CONSENT)
    assert hold is not None
    assert (hold.since, hold.next_probe, hold.probing) == (100.0, 130.0, False)


def test_blocked_response_during_hold_changes_nothing() -> None:
    """Late Blocked responses neither postpone the probe nor allow a second one."""
    holds = CircuitBreakers[Endpoint](30.0)
    holds.open(COLLECT, GONE, 100.0)
    hold = holds.get(COLLECT)
    assert hold is not None
    hold.probing = True
    assert not holds.open(COLLECT, DENIED, 120.0)
    assert (hold.next_probe, hold.probing, hold.fault) == (130.0, True, GONE)


def test_failed_probe_schedules_next_after_interval() -> None:
    holds = CircuitBreakers[Endpoint](30.0)
    holds.open(COLLECT, GONE, 100.0)
    hold = holds.get(COLLECT)
    assert hold is not None
    hold.probing = True
    holds.record_probe(hold, 140.0, DENIED)
    assert (hold.next_probe, hold.probing, hold.fault) == (170.0, False, DENIED)
    hold.probing = True
    holds.record_probe(hold, 180.0)
    assert (hold.next_probe, hold.probing, hold.fault) == (210.0, False, DENIED)


def test_response_that_is_not_blocked_ends_hold_once() -> None:
    holds = CircuitBreakers[Endpoint](30.0)
    holds.open(COLLECT, GONE, 100.0)
    ended = holds.close(COLLECT, 110.0, success=False)
    assert ended is not None
    assert ended.since == 100.0
    assert holds.close(COLLECT, 110.0, success=True) is None
    assert not holds


def test_success_counts_only_if_after_request_start() -> None:
    """Only a success after the request started makes its Blocked response a problem of the batch."""
    holds = CircuitBreakers[Endpoint](30.0)
    holds.close(COLLECT, 110.0, success=True)
    holds.close(COLLECT, 120.0, success=False)
    assert holds.succeeded_since(COLLECT, 109.0)
    assert not holds.succeeded_since(COLLECT, 110.0)
    assert not holds.succeeded_since(CONSENT, 0.0)


def test_probe_now_advances_probes_and_postpones_none() -> None:
    holds = CircuitBreakers[Endpoint](30.0)
    holds.open(COLLECT, GONE, 100.0)
    holds.open(CONSENT, GONE, 120.0)
    holds.probe_now(140.0)
    assert [hold.next_probe for _, hold in holds] == [130.0, 140.0]
