"""Holds: when they begin and end, and when they are probed."""

from consumer.delivery.guards.circuit_breaker import CircuitBreakers
from consumer.model import Endpoint, Fault, TransientCause

COLLECT, CONSENT = Endpoint("collect", "POST", "/a"), Endpoint("consent", "POST", "/b")
GONE, DENIED = Fault(TransientCause.GONE), Fault(TransientCause.UNAUTHORIZED)


def test_a_barred_answer_holds_its_endpoint_and_no_other() -> None:
    holds = CircuitBreakers[Endpoint](30.0)
    assert not holds
    assert holds.open(CONSENT, GONE, 100.0)
    assert CONSENT in holds
    assert COLLECT not in holds
    hold = holds.get(CONSENT)
    assert hold is not None
    assert (hold.since, hold.next_probe, hold.probing) == (100.0, 130.0, False)


def test_late_barred_answers_neither_put_off_the_probe_nor_free_the_prober() -> None:
    holds = CircuitBreakers[Endpoint](30.0)
    holds.open(COLLECT, GONE, 100.0)
    hold = holds.get(COLLECT)
    assert hold is not None
    hold.probing = True
    assert not holds.open(COLLECT, DENIED, 120.0)
    assert (hold.next_probe, hold.probing, hold.fault) == (130.0, True, GONE)


def test_a_probe_that_ends_nothing_is_followed_by_the_next_one_interval_later() -> None:
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


def test_any_answer_that_is_not_barred_ends_the_hold_once() -> None:
    holds = CircuitBreakers[Endpoint](30.0)
    holds.open(COLLECT, GONE, 100.0)
    ended = holds.close(COLLECT, 110.0, success=False)
    assert ended is not None
    assert ended.since == 100.0
    assert holds.close(COLLECT, 110.0, success=True) is None
    assert not holds


def test_only_a_success_since_the_call_started_makes_a_barred_answer_the_calls_own() -> None:
    holds = CircuitBreakers[Endpoint](30.0)
    holds.close(COLLECT, 110.0, success=True)
    holds.close(COLLECT, 120.0, success=False)
    assert holds.succeeded_since(COLLECT, 109.0)
    assert not holds.succeeded_since(COLLECT, 110.0)
    assert not holds.succeeded_since(CONSENT, 0.0)


def test_a_change_on_our_side_brings_every_probe_forward_and_puts_none_off() -> None:
    holds = CircuitBreakers[Endpoint](30.0)
    holds.open(COLLECT, GONE, 100.0)
    holds.open(CONSENT, GONE, 120.0)
    holds.probe_now(140.0)
    assert [hold.next_probe for _, hold in holds] == [130.0, 140.0]
