"""Parse the directives file: the whole file is accepted, or the whole file is rejected.

An ordering key is personal data. A misplaced one may appear anywhere in a quarantine directive, so findings mask every
quoted word that is neither a keyword of this file nor a configured name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from consumer.config import scalar_parsers
from consumer.config.complaints import ConfigReadContext, shown
from consumer.config.scalar_parsers import InvalidValue
from consumer.config.schema_nodes import NOTHING, JsonSchema, Option, ScalarOption, Section
from consumer.config.secrets import MASK
from consumer.kafka.topic_pattern import is_pattern
from consumer.kafka.topics import Subscription
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
from consumer.model.findings import Finding, did_you_mean, errors, in_order, nearest
from consumer.yaml_document import Items, Node, Scalar, Table, below, read_text

_AFTER_KEY: Final = re.compile(r"""\bkey["']?\s*:\s*(?:[|>][-+]?\s*)?([^\n]*)""")
_WORD: Final = re.compile(r"""[^\s,{}\[\]"'#]+""")
_NAME: Final = re.compile(r"[a-z_]+")
_QUOTED: Final = re.compile(r"""`(?P<shown>.*)`|'(?!<)[^'\n]{2,}'|"[^"\n]{2,}\"""", re.DOTALL)
_ANCHOR: Final = re.compile("`&.*`", re.DOTALL)
_MAX_BYTES = 1 << 20
_WORTH_HIDING = 3  # characters; a shorter key would be masked within ordinary words
_POSITION: Final = rf"({scalar_parsers.TOPIC_PATTERN})/([0-9]{{1,9}})/([0-9]{{1,18}})"
_PARTITION: Final = rf"({scalar_parsers.TOPIC_PATTERN})/([0-9]{{1,9}})"
_HIGHEST_OFFSET: Final = 2**63 - 1
"""Kafka's offsets are signed 64-bit integers. A larger one raises an exception in the client."""

Content: TypeAlias = bytes | Finding | None
"""The content of the file, the reason why it cannot be read, or `None` if there is no file."""

_KEYWORDS: Final = frozenset(
    {
        *("directives", "pause", "accept_refusals", "quarantine", "accept_gap", "until", "reason"),
        *("destination", "event_type", "topic", "cause", "position", "key", "partition", "from", "to"),
        *("earliest", "latest"),
        *DeadLetterCause,
    }
)
"""The words of the file format. Findings may repeat them."""

_CAUSES: Final = [cause for cause in DeadLetterCause if not cause.exempt_from_flood_guard]
_RECORD_CAUSES: Final = [cause for cause in _CAUSES if cause.is_decoding]
_DELIVERY_CAUSES: Final = [cause for cause in _CAUSES if not cause.is_decoding]

# The keys that may be given together: exactly one of the combinations. Validation and JSON Schema use the same tables.
_DELIVERIES: Final = (("destination",), ("event_type",), ("destination", "event_type"))
_DELIVERY_SCOPE: Final = ("destination", "event_type", "topic")
_RECORDS: Final = (("topic",),)
_QUARANTINED: Final = (("position",), ("topic", "key"))
_QUARANTINE_SCOPE: Final = ("position", "topic", "key")


def _directive_section(targets: DirectiveTargets) -> Section:
    """Return the keys of one directive, for these names."""
    destination = Option(_name(targets.destinations, "a destination"), "One of the configuration's destinations.")
    event_type = Option(_name(targets.event_types, "an event type of the mapping"), "The full name of an Avro record.")
    topic = Option(_scalar(lambda text: _topic(text, targets), {"type": "string"}), "A subscribed topic.")

    def located(pattern: str, what: str, example: str) -> ScalarOption:
        def parse(text: str) -> tuple[str | int, ...] | InvalidValue:
            found = re.fullmatch(pattern, text)
            if found is None:
                return InvalidValue(f"is not a {what}", f"write `{example}`")
            checked = _topic(found[1], targets)
            if isinstance(checked, InvalidValue):
                return InvalidValue("is in a topic that is not subscribed", checked.hint)
            return (checked, *map(int, found.groups()[1:]))

        return _scalar(parse, {"type": "string", "pattern": f"^{pattern}$"}, quoted=False)

    position = located(_POSITION, "position", "topic/partition/offset, such as shop.orders/3/1234")
    partition = located(_PARTITION, "partition", "topic/partition, such as shop.orders/3")
    # An ordering key is personal data, and a reason may contain some: no finding repeats them.
    private_text = _scalar(str, {"type": ["string", "number", "boolean"]}, quoted=False)
    return Section(
        {
            "pause": Option(
                Section({"destination": destination, "event_type": event_type}),
                "Stop deliveries to a destination, of an event type, or of that type to that destination.",
            ),
            "accept_refusals": Option(
                Section(
                    {
                        "destination": destination,
                        "event_type": event_type,
                        "topic": topic,
                        "cause": Option(
                            _scalar(_cause, {"enum": [cause.value for cause in _CAUSES]}),
                            "A cause of dead letters.",
                            required=True,
                        ),
                    }
                ),
                "Let refusals of this cause pass the flood guard, as dead letters.",
            ),
            "quarantine": Option(
                Section(
                    {
                        "position": Option(position, "Topic, partition and offset: `shop.orders/3/1234`."),
                        "topic": topic,
                        "key": Option(private_text, "An ordering key."),
                        "destination": destination,
                    }
                ),
                "Dead-letter one record, or all records of one ordering key, without a request.",
            ),
            "accept_gap": Option(
                Section(
                    {
                        "partition": Option(partition, "Topic and partition: `shop.orders/3`.", required=True),
                        "from": Option(
                            _scalar(_offset, {"type": "integer", "minimum": 0, "maximum": _HIGHEST_OFFSET}),
                            "The offset at which the partition stopped, from `/status` or the log.",
                            required=True,
                        ),
                        "to": Option(
                            _scalar(
                                _resume_at,
                                {
                                    "anyOf": [
                                        {"enum": ["earliest", "latest"]},
                                        {"type": "integer", "minimum": 0, "maximum": _HIGHEST_OFFSET},
                                    ]
                                },
                            ),
                            "`earliest`, `latest` or an offset.",
                            required=True,
                        ),
                    }
                ),
                "Let a stopped partition continue at another offset. The records between are lost.",
            ),
            "until": Option(
                _scalar(scalar_parsers.instant, {"type": "string"}),
                "The end of the directive, with its time zone: `2026-11-01T00:00:00Z`.",
                required=True,
            ),
            "reason": Option(private_text, "The reason, shown on the status page.", ""),
        }
    )


def _scalar(parse: Callable[[str], Any], described: JsonSchema, *, quoted: bool = True) -> ScalarOption:
    """Return a value of this file: it has no variables."""
    return ScalarOption(parse, described, quoted=quoted, variables=False)


def _name(names: Collection[str], what: str) -> ScalarOption:
    def parse(text: str) -> str | InvalidValue:
        return text if text in names else InvalidValue(f"is not {what}", did_you_mean(text, names))

    return _scalar(parse, {"type": "string"})


def _topic(text: str, targets: DirectiveTargets) -> str | InvalidValue:
    if Subscription(targets.topics, targets.own_topics).matches(text):
        return text
    names = [each for each in targets.topics if not is_pattern(each)]
    return InvalidValue("is not a subscribed topic", did_you_mean(text, names))


def _cause(text: str) -> DeadLetterCause | InvalidValue:
    if text in _CAUSES:
        return DeadLetterCause(text)
    if text in set(DeadLetterCause):
        return InvalidValue("never trips the flood guard", "remove the directive")
    return InvalidValue("is not a cause of dead letters", did_you_mean(text, _CAUSES))


def _resume_at(text: str) -> str | int | InvalidValue:
    if text in {"earliest", "latest"}:
        return text
    offset = _offset(text)
    if isinstance(offset, int):
        return offset
    return InvalidValue("is not an offset to continue at", "write `earliest`, `latest` or an offset")


def _offset(text: str) -> int | InvalidValue:
    offset = scalar_parsers.whole(text)
    if isinstance(offset, int) and 0 <= offset <= _HIGHEST_OFFSET:
        return offset
    return InvalidValue("is not an offset", "write the `offset` of the stop, as `/status` and the log show it")


def json_schema() -> JsonSchema:
    """Return the JSON Schema of a directives file, for editors. Every name is allowed in it."""
    directive = _directive_section(DirectiveTargets((), (), ())).schema()
    kinds = directive["properties"]
    directive["oneOf"] = [{"required": [kind]} for kind in _MAKERS]
    kinds["pause"]["anyOf"] = _described(_DELIVERIES, ("destination", "event_type"))
    kinds["quarantine"]["anyOf"] = _described(_QUARANTINED, _QUARANTINE_SCOPE)
    kinds["accept_refusals"]["anyOf"] = [
        {"allOf": [{"properties": {"cause": {"enum": [cause.value for cause in causes]}}}, {"anyOf": combinations}]}
        for causes, combinations in (
            (_RECORD_CAUSES, _described(_RECORDS, _DELIVERY_SCOPE)),
            (_DELIVERY_CAUSES, _described(_DELIVERIES, _DELIVERY_SCOPE)),
        )
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cdp-consumer directives",
        "type": ["object", "null"],
        "properties": {
            "directives": {
                "type": ["array", "null"],
                "description": "The directives. The file is read again every second.",
                "items": directive,
            }
        },
        "additionalProperties": False,
    }


def _described(combinations: Sequence[Sequence[str]], scope: Sequence[str]) -> list[JsonSchema]:
    return [
        {"required": list(each), "properties": dict.fromkeys((name for name in scope if name not in each), False)}
        for each in combinations
    ]


@dataclass(frozen=True, slots=True)
class ParsedDirectives:
    """The result of parsing: the directives, expired ones included, and every finding."""

    directives: Directives | None
    """`None` if there are errors."""
    findings: tuple[Finding, ...]


def content_of(path: Path) -> Content:
    """Return the present content of the file at `path`. This blocks on the disk: never call it in an event loop."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        return _file_error(path, f"cannot be read: {reason}", "check the path and its permissions")
    if len(content) > _MAX_BYTES:
        return _file_error(path, f"is larger than {_MAX_BYTES} bytes", "check that it is the right file")
    return content


def read_content(content: Content, path: Path, targets: DirectiveTargets) -> ParsedDirectives:
    """Parse what `content_of` returned. Without a file there are no directives."""
    if content is None:
        return ParsedDirectives(NONE, ())
    if isinstance(content, Finding):
        return ParsedDirectives(None, (content,))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start})"
        return ParsedDirectives(None, (_file_error(path, message, "save it as UTF-8"),))
    return read_directives(text, str(path), targets)


def _file_error(path: Path, message: str, hint: str) -> Finding:
    return Finding("error", str(path), None, None, "", message, hint)


def read_directives(text: str, file: str, targets: DirectiveTargets) -> ParsedDirectives:
    """Parse the directives in a text; `file` is its name in findings. No finding repeats an ordering key."""
    tree, findings = read_text(text, file)
    public = frozenset({*_KEYWORDS, *targets.destinations, *targets.event_types, *targets.topics})
    # Mask all of the syntax errors: they do not say in which directive they are.
    syntax_errors = [_unquoted(each, public) for each in findings]
    context = ConfigReadContext(file, Path(), {}, findings=syntax_errors, variables=False)
    directives = NONE if tree is None else _directives(tree, context, targets, public)
    hidden = [*_words_after_key(text, public), *_unusual_names(tree)]
    found = tuple(_masked(each, hidden) for each in in_order(context.findings))
    return ParsedDirectives(None if errors(found) else directives, found)


def _directives(
    tree: Node, context: ConfigReadContext, targets: DirectiveTargets, public: frozenset[str]
) -> Directives:
    if _is_empty(tree):
        return NONE
    if not isinstance(tree, Table):
        context.error(tree, "", "must be a mapping", "begin with `directives:` and a list under it")
        return NONE
    for key, _ in tree.entries:
        if key.text != "directives":
            hint = "write all directives as one list under `directives:`"
            context.error(key, key.text, f"unknown key `{key.text}`", hint)
    listed = tree.get("directives")
    if listed is None or _is_empty(listed):
        return NONE
    if not isinstance(listed, Items):
        context.error(listed, "directives", "must be a list", "begin each directive with `- `")
        return NONE
    section = _directive_section(targets)
    parsed = []
    for index, item in enumerate(listed.items):
        before = len(context.findings)
        parsed.append(_directive(item, f"directives[{index}]", section, context))
        if _may_contain_a_key(item):
            context.findings[before:] = [_unquoted(each, public) for each in context.findings[before:]]
    return Directives(each for each in parsed if each is not None)


def _may_contain_a_key(node: Node) -> bool:
    """Return whether a directive is a quarantine, or of an unknown kind: a key may be anywhere in it, misplaced."""
    names = set(node.names()) if isinstance(node, Table) else set()
    return "quarantine" in names or not names & _MAKERS.keys()


def _directive(node: Node, path: str, section: Section, context: ConfigReadContext) -> Directive | None:
    before = len(context.findings)
    values = section.read(node, path, context)
    if values is NOTHING or not isinstance(node, Table):
        return None
    kinds = [key for key, _ in node.entries if key.text in _MAKERS]
    misspelt = [name for name in node.names() if name not in section.options and nearest(name, _MAKERS)]
    if len(kinds) > 1 or (not kinds and not misspelt):
        names = ", ".join(f"`{name}`" for name in _MAKERS)
        message = "contains more than one directive" if kinds else "contains no directive"
        context.error(kinds[1] if kinds else node, path, message, f"write one of {names} in each item of the list")
    if len(context.findings) > before:
        return None
    (key,) = kinds
    made = _MAKERS[key.text](values["until"], values["reason"], values[key.text])
    if isinstance(made, InvalidValue):
        context.error(key, below(path, key.text), made.message, made.hint)
        return None
    return made


def _is_one_of(combinations: Sequence[Sequence[str]], scope: Sequence[str], values: dict[str, Any]) -> bool:
    """Return whether the keys that are given are one of the combinations."""
    given = {name for name in scope if values[name] is not None}
    return any(given == set(each) for each in combinations)


def _pause(until_ms: int, reason: str, values: dict[str, Any]) -> Directive | InvalidValue:
    if not _is_one_of(_DELIVERIES, ("destination", "event_type"), values):
        return InvalidValue("names nothing to pause", "give it a `destination`, an `event_type`, or both")
    return Pause(until_ms, reason, values["destination"], values["event_type"])


def _accept_refusals(until_ms: int, reason: str, values: dict[str, Any]) -> Directive | InvalidValue:
    cause = values["cause"]
    if cause.is_decoding and not _is_one_of(_RECORDS, _DELIVERY_SCOPE, values):
        return InvalidValue(f"with the cause `{cause}` applies to a topic", "name the `topic`, and nothing else")
    if not cause.is_decoding and not _is_one_of(_DELIVERIES, _DELIVERY_SCOPE, values):
        return InvalidValue(
            f"with the cause `{cause}` applies to a destination or an event type",
            "name a `destination`, an `event_type`, or both, and no `topic`",
        )
    return AcceptRefusals(until_ms, reason, cause, values["destination"], values["event_type"], values["topic"])


def _quarantine(until_ms: int, reason: str, values: dict[str, Any]) -> Directive | InvalidValue:
    if not _is_one_of(_QUARANTINED, _QUARANTINE_SCOPE, values):
        return InvalidValue("needs one position or one key", "write either `position`, or `topic` and `key`")
    if values["position"] is None:
        return Quarantine(until_ms, reason, values["topic"], key=values["key"], destination=values["destination"])
    topic, partition, offset = values["position"]
    return Quarantine(until_ms, reason, topic, partition, offset, destination=values["destination"])


def _accept_gap(until_ms: int, reason: str, values: dict[str, Any]) -> Directive | InvalidValue:
    topic, partition = values["partition"]
    return AcceptGap(until_ms, reason, topic, partition, values["from"], values["to"])


_MAKERS: Final[dict[str, Callable[[int, str, dict[str, Any]], Directive | InvalidValue]]] = {
    "pause": _pause,
    "accept_refusals": _accept_refusals,
    "quarantine": _quarantine,
    "accept_gap": _accept_gap,
}
"""The kinds of directive: each makes one of its end, its reason and its values."""


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _words_after_key(text: str, public: frozenset[str]) -> Iterator[str]:
    """Yield each word after `key:` that is not public: it may be part of an ordering key.

    This works on the raw text, because a syntax error may repeat a key that no tree contains.
    """
    words = {word.strip("*&!:") for rest in _AFTER_KEY.findall(text) for word in _WORD.findall(rest)}
    yield from (word for word in words - public if len(word) >= _WORTH_HIDING)


def _unusual_names(node: Node | None) -> Iterator[str]:
    """Yield the names that cannot be meant as names: they are probably values in the wrong place."""
    if isinstance(node, Items):
        for item in node.items:
            yield from _unusual_names(item)
    elif isinstance(node, Table):
        for key, inner in node.entries:
            if key.text.strip() and _NAME.fullmatch(key.text) is None:
                yield from (key.text, shown(key).strip("`"))
            yield from _unusual_names(inner)


def _unquoted(finding: Finding, public: frozenset[str]) -> Finding:
    """Mask everything that the finding quotes from the file, except public words."""

    def mask(quoted: re.Match[str]) -> str:
        shown_text = quoted["shown"]
        if shown_text is None:
            return MASK
        return quoted[0] if shown_text in public else f"`{MASK}`"

    root, *names = finding.path.split(".")
    private = next((index for index, name in enumerate(names) if name not in public), None)
    path = finding.path if private is None else ".".join([root, *names[:private], MASK])
    hint = _ANCHOR.sub(MASK, finding.hint)
    return replace(finding, path=path, message=_QUOTED.sub(mask, finding.message), hint=hint)


def _masked(finding: Finding, hidden: Iterable[str]) -> Finding:
    """Mask every ordering key in the finding."""
    texts = {name: getattr(finding, name) for name in ("path", "message", "hint")}
    for word in hidden:
        texts = {name: text.replace(word, MASK) for name, text in texts.items()}
    return replace(finding, **texts)
