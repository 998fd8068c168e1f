"""The state of the group member, kept from the poll thread's reports."""

from __future__ import annotations

from consumer.model import Partition
from consumer.pipeline.status import ConsumerStateObserver

P, Q = Partition("shop.orders", 0), Partition("shop.orders", 1)


def test_member_is_in_its_group_except_after_losing_its_partitions() -> None:
    """It is in the group from the first join until a loss, and again from the next assignment."""
    state = ConsumerStateObserver()
    before = state.has_joined
    state.group_joined("cdp", "classic")
    assert (before, state.has_joined, state.lost_since_ms) == (False, True, None)
    state.partitions_revoked([P], lost=False, seconds=0.1)
    assert not state.lost_since_ms, "a revocation is no loss"
    state.partitions_revoked([P], lost=True, seconds=0.1)
    since = state.lost_since_ms
    state.partitions_assigned({P: 1})
    assert (since is None, state.lost_since_ms is None) == (False, True)


def test_topic_is_missing_until_found_or_a_partition_is_assigned() -> None:
    state = ConsumerStateObserver()
    state.topic_missing("letters")
    state.topic_missing("shop.orders")
    assert set(state.missing_topics) == {"letters", "shop.orders"}
    state.partitions_assigned({P: 1})
    assert set(state.missing_topics) == {"letters"}
    state.topic_found("letters")
    state.topic_found("letters")
    assert state.missing_topics == {}


def test_only_a_fatal_error_is_kept() -> None:
    state = ConsumerStateObserver()
    state.client_error("_TRANSPORT", "", fatal=False)
    assert state.fatal is None
    state.client_error("FENCED_INSTANCE_ID", "", fatal=True)
    assert state.fatal == "FENCED_INSTANCE_ID"


def test_fence_pauses_and_last_tick_are_as_last_reported() -> None:
    state = ConsumerStateObserver()
    state.fence_closed()
    during = state.fenced
    state.fence_released()
    assert (during, state.fenced) == (True, False)
    state.partitions_paused([P, Q])
    state.partitions_paused([Q])
    assert state.paused == {Q}
    assert state.poll_ticked_at_s is None
    state.poll_ticked(0.1)
    assert state.poll_ticked_at_s is not None
