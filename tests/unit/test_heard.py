"""What is remembered of what the poll thread says."""

from __future__ import annotations

from consumer.model import Partition
from consumer.pipeline.status import ConsumerStateObserver

P, Q = Partition("shop.orders", 0), Partition("shop.orders", 1)


def test_a_member_is_in_its_group_from_the_first_joining_until_it_is_lost_and_again_from_the_next() -> None:
    heard = ConsumerStateObserver()
    before = heard.joined_group
    heard.group_joined("cdp", "classic")
    assert (before, heard.joined_group, heard.lost_since_ms) == (False, True, None)
    heard.partitions_revoked([P], lost=False, seconds=0.1)
    assert not heard.lost_since_ms, "it gave them back in order"
    heard.partitions_revoked([P], lost=True, seconds=0.1)
    since = heard.lost_since_ms
    heard.partitions_assigned({P: 1})
    assert (since is None, heard.lost_since_ms is None) == (False, True)


def test_a_topic_is_missing_until_it_is_found_or_a_partition_of_it_is_assigned() -> None:
    heard = ConsumerStateObserver()
    heard.topic_missing("letters")
    heard.topic_missing("shop.orders")
    assert set(heard.missing) == {"letters", "shop.orders"}
    heard.partitions_assigned({P: 1})
    assert set(heard.missing) == {"letters"}
    heard.topic_found("letters")
    heard.topic_found("letters")
    assert heard.missing == {}


def test_only_a_fatal_error_is_kept() -> None:
    heard = ConsumerStateObserver()
    heard.client_error("_TRANSPORT", "", fatal=False)
    assert heard.fatal is None
    heard.client_error("FENCED_INSTANCE_ID", "", fatal=True)
    assert heard.fatal == "FENCED_INSTANCE_ID"


def test_the_fence_the_pauses_and_the_last_turn_are_as_they_were_said_last() -> None:
    heard = ConsumerStateObserver()
    heard.fence_closed()
    during = heard.fenced_now
    heard.fence_released()
    assert (during, heard.fenced_now) == (True, False)
    heard.partitions_paused([P, Q])
    heard.partitions_paused([Q])
    assert heard.paused_now == {Q}
    assert heard.poll_ticked_at_s is None
    heard.poll_ticked(0.1)
    assert heard.poll_ticked_at_s is not None
