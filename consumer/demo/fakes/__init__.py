"""The three destinations as strict servers on loopback: the independent reading of the vendors' documents."""

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.copilot import FakeCopilot, consent_id
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.fault_rules import (
    Action,
    Answer,
    Delay,
    Garbage,
    Gate,
    Hang,
    Incoming,
    LoseAnswer,
    MarkInvalid,
    Predicate,
    Reset,
    Rule,
    Trickle,
    Until,
    all_of,
    always,
    carries,
    chance,
    contains,
    endpoint,
    every,
    nth,
)
from consumer.demo.fakes.recorder import Arrival, Item, ReceivedRequest, Rejection, Remark
from consumer.demo.fakes.thread_runner import Threaded, threaded
from consumer.demo.fakes.yotpo import FakeYotpo
from consumer.demo.fakes.yotpo_rules import YotpoKeys

__all__ = [
    "Action",
    "Answer",
    "Arrival",
    "Delay",
    "Fake",
    "FakeCopilot",
    "FakeCustomerio",
    "FakeYotpo",
    "Garbage",
    "Gate",
    "Hang",
    "Incoming",
    "Item",
    "LoseAnswer",
    "MarkInvalid",
    "Predicate",
    "ReceivedRequest",
    "Rejection",
    "Remark",
    "Reset",
    "Rule",
    "Threaded",
    "Trickle",
    "Until",
    "YotpoKeys",
    "all_of",
    "always",
    "carries",
    "chance",
    "consent_id",
    "contains",
    "endpoint",
    "every",
    "nth",
    "threaded",
]
