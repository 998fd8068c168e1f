"""What one directive may hold: every key, and which names it may speak of."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from consumer.config import scalar_parsers
from consumer.config.scalar_parsers import Bad
from consumer.config.schema_nodes import Option, Section, Word
from consumer.kafka.topics import matches
from consumer.model import Cause
from consumer.model.directives import Known
from consumer.model.findings import did_you_mean

_EXEMPT: Final = (Cause.OUT_OF_WINDOW, Cause.QUARANTINED)
_POSITION: Final = re.compile(rf"({scalar_parsers.TOPIC_PATTERN})/([0-9]{{1,9}})/([0-9]{{1,18}})")
_PARTITION: Final = re.compile(rf"({scalar_parsers.TOPIC_PATTERN})/([0-9]{{1,9}})")
_HIGHEST_OFFSET: Final = 2**63 - 1
"""Kafka's offsets are of 64 bits, with a sign; what is larger is an exception in the client."""

WORDS: Final = frozenset(
    {
        *("directives", "pause", "accept_refusals", "quarantine", "accept_gap", "until", "reason"),
        *("destination", "event_type", "topic", "cause", "position", "key", "partition", "from", "to"),
        *("earliest", "latest"),
        *Cause,
    }
)
"""What the file's own words are."""


def directive(known: Known) -> Section:
    """Return what one directive may hold."""
    destination = Option(_name(known.destinations, "destination"), "One of the configuration's destinations.")
    event_type = Option(_name(known.event_types, "event type of the mapping"), "The full name of an Avro record.")
    topic = Option(Word(lambda text: _topic(text, known), {}), "A topic that is read.")

    def placed(pattern: re.Pattern[str], what: str, example: str) -> Word:
        def parse(text: str) -> tuple[str | int, ...] | Bad:
            found = pattern.fullmatch(text)
            if found is None:
                return Bad(f"is no {what}", f"write `{example}`")
            checked = _topic(found[1], known)
            if isinstance(checked, Bad):
                return Bad(f"is of a topic that {checked.message.removeprefix('is a topic that ')}", checked.hint)
            return (checked, *map(int, found.groups()[1:]))

        return Word(parse, {}, quoted=False)

    position = placed(_POSITION, "position", "topic/partition/offset, such as shop.orders/3/1234")
    partition = placed(_PARTITION, "partition", "topic/partition, such as shop.orders/3")
    # Whatever stands in a key is personal, and a reason may be: no complaint repeats them.
    unsaid = Word(str, {}, quoted=False)
    return Section(
        {
            "pause": Option(Section({"destination": destination, "event_type": event_type}), "What gets nothing."),
            "accept_refusals": Option(
                Section(
                    {
                        "destination": destination,
                        "event_type": event_type,
                        "topic": topic,
                        "cause": Option(Word(_cause, {}), "One of the dead letters' causes.", required=True),
                    }
                ),
                "Refusals that are meant.",
            ),
            "quarantine": Option(
                Section(
                    {
                        "position": Option(position, "Topic, partition and offset."),
                        "topic": topic,
                        "key": Option(unsaid, "An ordering key."),
                        "destination": destination,
                    }
                ),
                "What is dead-lettered unsent.",
            ),
            "accept_gap": Option(
                Section(
                    {
                        "partition": Option(partition, "Topic and partition: `shop.orders/3`.", required=True),
                        "from": Option(
                            Word(_offset, {}),
                            "The offset it stopped before, as `/status` and the log show it.",
                            required=True,
                        ),
                        "to": Option(Word(_goal, {}), "`earliest`, `latest` or an offset.", required=True),
                    }
                ),
                "Where a stopped partition goes on.",
            ),
            "until": Option(
                Word(scalar_parsers.instant, {}), "Its end, with the time zone: `2026-11-01T00:00:00Z`.", required=True
            ),
            "reason": Option(unsaid, "Why, for whoever reads the status.", ""),
        }
    )


def _name(names: Collection[str], what: str) -> Word:
    def parse(text: str) -> str | Bad:
        return text if text in names else Bad(f"is no {what}", did_you_mean(text, names))

    return Word(parse, {})


def _topic(text: str, known: Known) -> str | Bad:
    if matches(known.topics, text):
        return text
    return Bad("is a topic that is not read", did_you_mean(text, [each for each in known.topics if each[0] != "^"]))


def _cause(text: str) -> Cause | Bad:
    names = [cause.value for cause in Cause if cause not in _EXEMPT]
    if text in names:
        return Cause(text)
    if text in {cause.value for cause in _EXEMPT}:
        return Bad("is never held back", "remove the directive: the flood guard lets it through")
    return Bad("is no cause", did_you_mean(text, names))


def _goal(text: str) -> str | int | Bad:
    if text in {"earliest", "latest"}:
        return text
    offset = _offset(text)
    if isinstance(offset, int):
        return offset
    return Bad("is no place to go on", "write `earliest`, `latest` or an offset")


def _offset(text: str) -> int | Bad:
    offset = scalar_parsers.whole(text)
    if isinstance(offset, int) and 0 <= offset <= _HIGHEST_OFFSET:
        return offset
    return Bad("is no offset", "write the `offset` that `/status` and the log show of the stop")
