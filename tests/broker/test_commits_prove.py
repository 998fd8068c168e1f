"""An accepted commit shows that who sent it was a member then: what is sent for that alone, and what counts."""

from typing import cast

from confluent_kafka import Consumer

from consumer.kafka.commits import Commits
from consumer.kafka.fence import Fence
from consumer.kafka.start import Origin, Starts
from tests.broker.recording_road import Heard
from tests.broker.test_commits import Obedient, P, answers


def test_what_has_not_moved_is_sent_again_when_the_fence_asks_and_its_answer_counts_from_when_it_was_sent() -> None:
    now = [100.0]
    fence = Fence(3.0, lambda: now[0])
    obedient, commits = Obedient(), Commits(Heard(), fence)
    consumer = cast("Consumer", obedient)
    commits.begin({P: 1}, Starts({P: 7}, {P: 7}, Origin("earliest")))
    commits.send(consumer)
    assert obedient.commits == []
    commits.send(consumer, whole=True)
    now[0] += 2.0
    commits.answered(None, answers({P: 7}))
    assert obedient.commits == [{P: 7}]
    assert fence.may_call()
    now[0] += 1.1
    assert not fence.may_call(), "the answer is as old as its question"


def test_an_answer_about_an_earlier_tenure_shows_nothing_of_this_one() -> None:
    fence = Fence(3.0)
    obedient, commits = Obedient(), Commits(Heard(), fence)
    commits.begin({P: 1}, Starts({P: 7}, {P: 7}, Origin("earliest")))
    commits.send(cast("Consumer", obedient), whole=True)
    commits.end([P])
    commits.begin({P: 2}, Starts({P: 7}, {P: 7}, Origin("earliest")))
    commits.answered(None, answers({P: 7}))
    assert not fence.may_call()
