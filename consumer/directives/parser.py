"""The directives file: what an operator says while the service runs, read whole or refused whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from consumer.config import scalar_parsers
from consumer.config.complaints import ConfigReadContext, shown
from consumer.config.scalar_parsers import InvalidValue
from consumer.config.schema_nodes import NOTHING, Option, ScalarOption, Section
from consumer.config.secrets import MASK
from consumer.kafka.topics import matches
from consumer.model import DeadLetterCause
from consumer.model.directives import (
    NONE,
    AcceptGap,
    AcceptRefusals,
    Directive,
    Directives,
    DirectiveTargets,
    Pause,
    Quarantine,
)
from consumer.model.findings import Finding, did_you_mean, errors, in_order
from consumer.yaml_document import Items, Node, Scalar, Table, below, read_text

_AFTER_KEY: Final = re.compile(r"""\bkey["']?\s*:\s*(?:[|>][-+]?\s*)?([^\n]*)""")
_WORD: Final = re.compile(r"""[^\s,{}\[\]"'#]+""")
_NAME: Final = re.compile(r"[a-z_]+")
_QUOTED: Final = re.compile(r"""`(?P<shown>.*)`|'(?!<)[^'\n]{2,}'|"[^"\n]{2,}\"""", re.DOTALL)
_ANCHOR: Final = re.compile("`&.*`", re.DOTALL)
_MOST_BYTES = 1 << 20
_WORTH_HIDING = 3  # characters; a shorter key would be masked within ordinary words
_POSITION: Final = re.compile(rf"({scalar_parsers.TOPIC_PATTERN})/([0-9]{{1,9}})/([0-9]{{1,18}})")
_PARTITION: Final = re.compile(rf"({scalar_parsers.TOPIC_PATTERN})/([0-9]{{1,9}})")
_HIGHEST_OFFSET: Final = 2**63 - 1
"""Kafka's offsets are of 64 bits, with a sign; what is larger is an exception in the client."""

Content: TypeAlias = bytes | Finding | None
"""What stands in the file: its bytes, why they cannot be had, or nothing, because there is no file."""

_WORDS: Final = frozenset(
    {
        *("directives", "pause", "accept_refusals", "quarantine", "accept_gap", "until", "reason"),
        *("destination", "event_type", "topic", "cause", "position", "key", "partition", "from", "to"),
        *("earliest", "latest"),
        *DeadLetterCause,
    }
)
"""What the file's own words are."""


def _directive_section(known: DirectiveTargets) -> Section:
    """Return what one directive may hold."""
    destination = Option(_name(known.destinations, "destination"), "One of the configuration's destinations.")
    event_type = Option(_name(known.event_types, "event type of the mapping"), "The full name of an Avro record.")
    topic = Option(ScalarOption(lambda text: _topic(text, known), {}), "A topic that is read.")

    def placed(pattern: re.Pattern[str], what: str, example: str) -> ScalarOption:
        def parse(text: str) -> tuple[str | int, ...] | InvalidValue:
            found = pattern.fullmatch(text)
            if found is None:
                return InvalidValue(f"is no {what}", f"write `{example}`")
            checked = _topic(found[1], known)
            if isinstance(checked, InvalidValue):
                return InvalidValue(
                    f"is of a topic that {checked.message.removeprefix('is a topic that ')}", checked.hint
                )
            return (checked, *map(int, found.groups()[1:]))

        return ScalarOption(parse, {}, quoted=False)

    position = placed(_POSITION, "position", "topic/partition/offset, such as shop.orders/3/1234")
    partition = placed(_PARTITION, "partition", "topic/partition, such as shop.orders/3")
    # Whatever stands in a key is personal, and a reason may be: no complaint repeats them.
    unsaid = ScalarOption(str, {}, quoted=False)
    return Section(
        {
            "pause": Option(Section({"destination": destination, "event_type": event_type}), "What gets nothing."),
            "accept_refusals": Option(
                Section(
                    {
                        "destination": destination,
                        "event_type": event_type,
                        "topic": topic,
                        "cause": Option(ScalarOption(_cause, {}), "One of the dead letters' causes.", required=True),
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
                            ScalarOption(_offset, {}),
                            "The offset it stopped before, as `/status` and the log show it.",
                            required=True,
                        ),
                        "to": Option(ScalarOption(_goal, {}), "`earliest`, `latest` or an offset.", required=True),
                    }
                ),
                "Where a stopped partition goes on.",
            ),
            "until": Option(
                ScalarOption(scalar_parsers.instant, {}),
                "Its end, with the time zone: `2026-11-01T00:00:00Z`.",
                required=True,
            ),
            "reason": Option(unsaid, "Why, for whoever reads the status.", ""),
        }
    )


def _name(names: Collection[str], what: str) -> ScalarOption:
    def parse(text: str) -> str | InvalidValue:
        return text if text in names else InvalidValue(f"is no {what}", did_you_mean(text, names))

    return ScalarOption(parse, {})


def _topic(text: str, known: DirectiveTargets) -> str | InvalidValue:
    if matches(known.topics, text):
        return text
    return InvalidValue(
        "is a topic that is not read", did_you_mean(text, [each for each in known.topics if each[0] != "^"])
    )


def _cause(text: str) -> DeadLetterCause | InvalidValue:
    names = [cause.value for cause in DeadLetterCause if not cause.exempt_from_flood_guard]
    if text in names:
        return DeadLetterCause(text)
    if text in {cause.value for cause in DeadLetterCause if cause.exempt_from_flood_guard}:
        return InvalidValue("is never held back", "remove the directive: the flood guard lets it through")
    return InvalidValue("is no cause", did_you_mean(text, names))


def _goal(text: str) -> str | int | InvalidValue:
    if text in {"earliest", "latest"}:
        return text
    offset = _offset(text)
    if isinstance(offset, int):
        return offset
    return InvalidValue("is no place to go on", "write `earliest`, `latest` or an offset")


def _offset(text: str) -> int | InvalidValue:
    offset = scalar_parsers.whole(text)
    if isinstance(offset, int) and 0 <= offset <= _HIGHEST_OFFSET:
        return offset
    return InvalidValue("is no offset", "write the `offset` that `/status` and the log show of the stop")


@dataclass(frozen=True, slots=True)
class ParsedDirectives:
    """What context came to: directives unless there are errors, those that are over included; and every finding."""

    directives: Directives | None
    findings: tuple[Finding, ...]


def content_of(path: Path) -> Content:
    """Return what stands in the file at `path` now. It waits for the disk: in a loop, call it in a thread."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        return _whole(path, f"cannot be read: {reason}", "check the path and its permissions")
    if len(content) > _MOST_BYTES:
        return _whole(path, f"is larger than {_MOST_BYTES} bytes", "is it the right file?")
    return content


def read_content(content: Content, path: Path, known: DirectiveTargets) -> ParsedDirectives:
    """Read what `content_of` returned: no file is no directives."""
    if content is None:
        return ParsedDirectives(NONE, ())
    if isinstance(content, Finding):
        return ParsedDirectives(None, (content,))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return ParsedDirectives(None, (_whole(path, f"is not UTF-8 text (byte {error.start})", "save it as UTF-8"),))
    return read_directives(text, str(path), known)


def _whole(path: Path, message: str, hint: str) -> Finding:
    return Finding("error", str(path), None, None, "", message, hint)


def read_directives(text: str, file: str, known: DirectiveTargets) -> ParsedDirectives:
    """Read the directives in a text; `file` is its name in findings. No finding repeats an ordering key."""
    tree, findings = read_text(text, file)
    open_words = frozenset({*_WORDS, *known.destinations, *known.event_types, *known.topics})
    unread = [_unquoted(each, open_words) for each in findings]  # nobody knows in what they were found
    context = ConfigReadContext(file, Path(), {}, findings=unread, variables=False)
    directives = NONE if tree is None else _all(tree, context, known, open_words)
    hidden = [*_after_keys(text, open_words), *_odd_names(tree)]
    found = tuple(_masked(each, hidden) for each in in_order(context.findings))
    return ParsedDirectives(None if errors(found) else directives, found)


def _all(tree: Node, context: ConfigReadContext, known: DirectiveTargets, open_words: frozenset[str]) -> Directives:
    if _is_empty(tree):
        return NONE
    if not isinstance(tree, Table):
        context.error(tree, "", "must be a mapping", "begin with `directives:` and a list under it")
        return NONE
    for key, _ in tree.entries:
        if key.text != "directives":
            context.error(key, key.text, f"unknown key `{key.text}`", "all stands in a list under `directives:`")
    listed = tree.get("directives")
    if listed is None or _is_empty(listed):
        return NONE
    if not isinstance(listed, Items):
        context.error(listed, "directives", "must be a list", "begin each directive with `- `")
        return NONE
    table = _directive_section(known)
    read = []
    for index, item in enumerate(listed.items):
        before = len(context.findings)
        read.append(_one(item, f"directives[{index}]", table, context))
        if _may_hold_a_key(item):
            context.findings[before:] = [_unquoted(each, open_words) for each in context.findings[before:]]
    return Directives(each for each in read if each is not None)


def _may_hold_a_key(node: Node) -> bool:
    """Tell whether a directive is a quarantine, or a word away from one: a key may stand anywhere in it, misplaced."""
    names = set(node.names()) if isinstance(node, Table) else set()
    return "quarantine" in names or not names & _MAKERS.keys()


def _one(node: Node, path: str, table: Section, context: ConfigReadContext) -> Directive | None:
    before = len(context.findings)
    said = table.read(node, path, context)
    if said is NOTHING or not isinstance(node, Table):
        return None
    given = [key for key, _ in node.entries if key.text in _MAKERS]
    if len(given) != 1:
        names = ", ".join(f"`{name}`" for name in _MAKERS)
        what = "says nothing" if not given else "says more than one thing"
        context.error(given[1] if given else node, path, what, f"write one of {names} in each directive")
    if len(context.findings) > before:
        return None
    (key,) = given
    made = _MAKERS[key.text](said["until"], said["reason"], said[key.text])
    if isinstance(made, InvalidValue):
        context.error(key, below(path, key.text), made.message, made.hint)
        return None
    return made


def _pause(until_ms: int, reason: str, said: dict[str, Any]) -> Directive | InvalidValue:
    if said["destination"] is None and said["event_type"] is None:
        return InvalidValue("names nothing", "give it a `destination`, an `event_type`, or both")
    return Pause(until_ms, reason, said["destination"], said["event_type"])


def _accept_refusals(until_ms: int, reason: str, said: dict[str, Any]) -> Directive | InvalidValue:
    cause, topic = said["cause"], said["topic"]
    destination, event_type = said["destination"], said["event_type"]
    if cause.is_decoding:
        if topic is None or destination is not None or event_type is not None:
            return InvalidValue(
                f"`{cause}` is found before there is an event", "name the `topic`, and nothing else beside it"
            )
    elif topic is not None or (destination is None and event_type is None):
        return InvalidValue(
            f"`{cause}` is found for each destination", "name a `destination`, an `event_type`, or both"
        )
    return AcceptRefusals(until_ms, reason, cause, destination, event_type, topic)


def _quarantine(until_ms: int, reason: str, said: dict[str, Any]) -> Directive | InvalidValue:
    position, topic, key, destination = (said[name] for name in ("position", "topic", "key", "destination"))
    if position is None and topic is not None and key is not None:
        return Quarantine(until_ms, reason, topic, key=key, destination=destination)
    if position is None or topic is not None or key is not None:
        return InvalidValue("is neither a position nor a key", "write either `position`, or `topic` and `key`")
    topic, partition, offset = position
    return Quarantine(until_ms, reason, topic, partition, offset, destination=destination)


def _accept_gap(until_ms: int, reason: str, said: dict[str, Any]) -> Directive | InvalidValue:
    topic, partition = said["partition"]
    return AcceptGap(until_ms, reason, topic, partition, said["from"], said["to"])


_MAKERS: Final[dict[str, Callable[[int, str, dict[str, Any]], Directive | InvalidValue]]] = {
    "pause": _pause,
    "accept_refusals": _accept_refusals,
    "quarantine": _quarantine,
    "accept_gap": _accept_gap,
}


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _after_keys(text: str, open_words: frozenset[str]) -> Iterator[str]:
    """Yield what may be part of an ordering key: each word after `key:`, but for those that are no secret.

    A key may be spoilt in any way, and an error of syntax repeats whatever it met.
    """
    words = {word.strip("*&!:") for rest in _AFTER_KEY.findall(text) for word in _WORD.findall(rest)}
    yield from (word for word in words - open_words if len(word) >= _WORTH_HIDING)


def _odd_names(node: Node | None) -> Iterator[str]:
    """Yield names of the file that nobody means for one: values have slipped into them."""
    if isinstance(node, Items):
        for item in node.items:
            yield from _odd_names(item)
    elif isinstance(node, Table):
        for key, inner in node.entries:
            if key.text.strip() and _NAME.fullmatch(key.text) is None:
                yield from (key.text, shown(key).strip("`"))
            yield from _odd_names(inner)


def _unquoted(finding: Finding, open_words: frozenset[str]) -> Finding:
    """Return the finding without what it quotes of the file, but for words that are no secret."""

    def mask(quoted: re.Match[str]) -> str:
        shown_text = quoted["shown"]
        if shown_text is None:
            return MASK
        return quoted[0] if shown_text in open_words else f"`{MASK}`"

    root, *names = finding.path.split(".")
    named = next((index for index, name in enumerate(names) if name not in open_words), None)
    path = finding.path if named is None else ".".join([root, *names[:named], MASK])
    hint = _ANCHOR.sub(MASK, finding.hint)
    return replace(finding, path=path, message=_QUOTED.sub(mask, finding.message), hint=hint)


def _masked(finding: Finding, hidden: Iterable[str]) -> Finding:
    """Return the finding with every ordering key masked."""
    said = {name: getattr(finding, name) for name in ("path", "message", "hint")}
    for word in hidden:
        said = {name: text.replace(word, MASK) for name, text in said.items()}
    return replace(finding, **said)
