"""The three destinations as strict servers on loopback: the independent reading of the vendors' documents."""

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.copilot import Copilot, consent_id
from consumer.demo.fakes.customerio import CustomerIo
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
from consumer.demo.fakes.recorder import Arrival, Item, Rejection, Remark, Request
from consumer.demo.fakes.thread_runner import Threaded, threaded
from consumer.demo.fakes.yotpo import Yotpo
from consumer.demo.fakes.yotpo_rules import YotpoKeys

__all__ = [
    "Action",
    "Answer",
    "Arrival",
    "Copilot",
    "CustomerIo",
    "Delay",
    "Fake",
    "Garbage",
    "Gate",
    "Hang",
    "Incoming",
    "Item",
    "LoseAnswer",
    "MarkInvalid",
    "Predicate",
    "Rejection",
    "Remark",
    "Request",
    "Reset",
    "Rule",
    "Threaded",
    "Trickle",
    "Until",
    "Yotpo",
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
