"""When a hold is probed, what goes in between, and whose turn it is."""

from consumer.delivery.guards.circuit_breaker import CircuitBreakers, OpenCircuit
from consumer.model import DeadLetterCause, Fault, TransientCause

GONE = Fault(TransientCause.GONE)


def test_a_hold_is_probed_when_its_time_has_come_and_by_one_at_a_time() -> None:
    hold = OpenCircuit(GONE, 0.0, 30.0)
    assert not hold.probe_due(29.0)
    assert hold.probe_due(30.0)
    hold.probing = True
    assert not hold.probe_due(31.0)


def test_an_endpoint_has_probes_only() -> None:
    holds: CircuitBreakers[str] = CircuitBreakers(30.0)
    assert holds.open("collect", GONE, 0.0)
    hold = holds.get("collect")
    assert hold is not None
    assert not hold.probe_due(29.0)
    holds.record_probe(hold, 30.0)
    assert not hold.probe_due(59.0)


def test_what_can_prove_nothing_goes_at_once_and_takes_no_probe_its_time() -> None:
    holds: CircuitBreakers[str] = CircuitBreakers(30.0)
    assert holds.open("shop.Return", Fault(DeadLetterCause.REFUSED), 0.0, passthrough=True)
    hold = holds.get("shop.Return")
    assert hold is not None
    assert (hold.probe_due(0.0), hold.is_passthrough) == (True, True)
    hold.schedule_probe(1.0)
    assert not hold.probe_due(0.5)
    assert hold.probe_due(1.0)
    holds.record_probe(hold, 2.0)  # it failed
    assert not hold.probe_due(29.9)
    assert (hold.probe_due(30.0), hold.is_passthrough) == (True, False), "a probe that is due goes first"
    holds.record_probe(hold, 30.0)
    assert (hold.probe_due(32.0), hold.is_passthrough) == (True, True)


def test_a_key_keeps_its_turn_in_whichever_lane_it_was_tried() -> None:
    hold = OpenCircuit(GONE, 0.0, 30.0)
    hold.unmark_probed(1)
    hold.probed_keys["a lane"] |= {1, 3}
    hold.probed_keys["another"] |= {2}
    hold.unmark_probed(1)
    assert hold.probed_keys == {"a lane": {3}, "another": {2}}
