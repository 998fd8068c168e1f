"""The schedule of an open circuit: probes, pass-through deliveries, and the rotation of keys."""

from consumer.delivery.guards.circuit_breaker import CircuitBreakers, OpenCircuit
from consumer.model import DeadLetterCause, Fault, TransientCause

GONE = Fault(TransientCause.GONE)


def test_one_probe_at_a_time_is_due_after_interval() -> None:
    hold = OpenCircuit(GONE, 0.0, 30.0)
    assert not hold.probe_due(29.0)
    assert hold.probe_due(30.0)
    hold.probing = True
    assert not hold.probe_due(31.0)


def test_endpoint_hold_has_no_passthrough() -> None:
    holds: CircuitBreakers[str] = CircuitBreakers(30.0)
    assert holds.open("collect", GONE, 0.0)
    hold = holds.get("collect")
    assert hold is not None
    assert not hold.probe_due(29.0)
    holds.record_probe(hold, 30.0)
    assert not hold.probe_due(59.0)


def test_passthrough_is_due_at_once_and_delays_no_probe() -> None:
    holds: CircuitBreakers[str] = CircuitBreakers(30.0)
    assert holds.open("shop.Return", Fault(DeadLetterCause.REFUSED), 0.0, passthrough=True)
    hold = holds.get("shop.Return")
    assert hold is not None
    assert (hold.probe_due(0.0), hold.is_passthrough) == (True, True)
    hold.schedule_probe(1.0)
    assert not hold.probe_due(0.5)
    assert hold.probe_due(1.0)
    holds.record_probe(hold, 2.0)  # the pass-through failed
    assert not hold.probe_due(29.9)
    assert (hold.probe_due(30.0), hold.is_passthrough) == (True, False), "a probe that is due goes first"
    holds.record_probe(hold, 30.0)
    assert (hold.probe_due(32.0), hold.is_passthrough) == (True, True)


def test_unmarked_key_can_be_probed_again_in_every_lane() -> None:
    hold = OpenCircuit(GONE, 0.0, 30.0)
    hold.unmark_probed(1)
    hold.probed_keys["a lane"] |= {1, 3}
    hold.probed_keys["another"] |= {2}
    hold.unmark_probed(1)
    assert hold.probed_keys == {"a lane": {3}, "another": {2}}
