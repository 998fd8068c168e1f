"""The `destinations` of the file: each is read by the table of its kind and checked against the kind's limits."""

from __future__ import annotations

import dataclasses
from typing import Any

from consumer.config import destination_schema, scalar_parsers
from consumer.config.complaints import ConfigReadContext, shown
from consumer.config.schema_nodes import NOTHING
from consumer.config.settings import DestinationSettings
from consumer.delivery.backoff import Backoff
from consumer.delivery.guards.poison_detector import PoisonDetectionOptions
from consumer.delivery.options import DestinationOptions
from consumer.destinations import Destination, OptionError
from consumer.destinations.kinds import KINDS
from consumer.model.findings import did_you_mean
from consumer.yaml_document import Node, Scalar, Table, below

_ENABLED = destination_schema.EVERY["enabled"]
_PLACEHOLDERS = {"url": "https://unset.invalid", "store_id": "unset"}
"""Placeholders for mandatory options of a destination that this run never sends to."""
_IN_FILE = {"events": "batch.events", "bytes": "batch.bytes"}


def enabled_names(node: Node | None, context: ConfigReadContext) -> dict[str, bool]:
    """Return every destination's name and whether it is enabled. `read` reports the errors in it."""
    names = {}
    silent = ConfigReadContext(context.file, context.folder, context.environ, offline=True)
    for key, inner in node.entries if isinstance(node, Table) else ():
        switch = inner.get("enabled") if isinstance(inner, Table) else None
        value = _ENABLED.kind.read(switch, "", silent) if switch is not None else True
        names[key.text] = value if isinstance(value, bool) else True
    return names


def read(node: Node | None, used: dict[str, bool], context: ConfigReadContext) -> dict[str, DestinationSettings]:
    """Read all destinations; `used` says for each whether this run delivers to it."""
    if node is None:
        return {}
    if not isinstance(node, Table) or not node.entries:
        context.error(node, "destinations", "must be a mapping of destinations", "write `copilot:` and its options")
        return {}
    found = {}
    for key, inner in node.entries:
        with context.part(used=used.get(key.text, False)):
            settings = _one(key, inner, context)
        if settings is not None:
            found[key.text] = settings
    return found


def with_rate(node: Node | None) -> set[str]:
    """Return the destinations that set `rate` in the file."""
    entries = node.entries if isinstance(node, Table) else ()
    return {key.text for key, inner in entries if isinstance(inner, Table) and inner.get("rate") is not None}


def placeholder(kind: str) -> Destination:
    """Return a destination of this kind that no configuration names: its targets are those of every other."""
    known = {field.name for field in dataclasses.fields(KINDS[kind].options)}
    options = {name: value for name, value in _PLACEHOLDERS.items() if name in known}
    return KINDS[kind].construct(KINDS[kind].options(name=kind, **options))


def _one(key: Scalar, node: Node, context: ConfigReadContext) -> DestinationSettings | None:
    name, path = key.text, below("destinations", key.text)
    checked = scalar_parsers.name(name)
    if isinstance(checked, scalar_parsers.InvalidValue):
        context.error(key, path, f"{shown(key)} {checked.message}", checked.hint)
        return None
    if not isinstance(node, Table):
        context.error(node, path, "must be a mapping of options", "`url` and the credentials are mandatory")
        return None
    kind = _kind(key, node, path, context)
    if kind is None:
        return None
    read_values = destination_schema.of_kind(kind).read(node, path, context)
    options = _options(kind, name, read_values, node, context)
    if options is None:
        return None
    lanes = _lanes(kind, read_values, node, path, context)
    secrets = {secret: read_values[secret] for secret in KINDS[kind].secrets if read_values[secret] is not None}
    return DestinationSettings(name, kind, read_values["enabled"], options, secrets, lanes)


def _kind(key: Scalar, node: Table, path: str, context: ConfigReadContext) -> str | None:
    written = node.get("kind")
    if written is not None:
        read_kind = destination_schema.EVERY["kind"].kind.read(written, below(path, "kind"), context)
        return None if read_kind is NOTHING else str(read_kind)
    if key.text in KINDS:
        return key.text
    hint = f"{did_you_mean(key.text, KINDS)}; for any other name, add `kind: …`"
    context.error(key, path, f"{shown(key)} is not a kind of destination, and `kind` is missing", hint)
    return None


def _options(
    kind: str, name: str, read_values: dict[str, Any], node: Table, context: ConfigReadContext
) -> object | None:
    path = below("destinations", name)
    before = len(context.findings)
    known = {field.name: field for field in dataclasses.fields(KINDS[kind].options)}
    values = {
        "url": read_values["url"],
        **{option: read_values[option] for option in destination_schema.OF_KIND.get(kind, {})},
    }
    for option in ("events", "bytes"):
        values[option] = value = read_values["batch"][option]
        limit = KINDS[kind].limits.get(option)
        place = _place(node, _IN_FILE[option])
        if value is not None and option not in known:
            context.error(
                place, below(path, _IN_FILE[option]), f"{kind} takes one event per request", "remove the line"
            )
            values[option] = None
        elif value is not None and limit is not None and value > limit:
            context.error(place, below(path, _IN_FILE[option]), f"is above the limit of {kind} ({limit})")
    for option, limit in KINDS[kind].limits.items():
        value = values.get(option)
        if option not in _IN_FILE and isinstance(value, int) and value > limit:
            context.error(_place(node, option), below(path, option), f"is above the limit of {kind} ({limit})")
    keywords = {option: value for option, value in values.items() if value is not None}
    keywords = {option: frozenset(value) if isinstance(value, tuple) else value for option, value in keywords.items()}
    for option, placeholder in _PLACEHOLDERS.items():
        if option in known and option not in keywords:
            keywords[option] = placeholder
    try:
        options: object = KINDS[kind].options(name=name, **keywords)
    except OptionError as error:
        if len(context.findings) == before:
            in_file = _IN_FILE.get(error.option, error.option)
            context.error(_place(node, in_file), below(path, in_file), error.message, error.hint)
        return None
    return options


def _lanes(
    kind: str, read_values: dict[str, Any], node: Table, path: str, context: ConfigReadContext
) -> DestinationOptions:
    documented, rate = KINDS[kind].rate_per_s, read_values["rate"]
    if rate is not None and documented is not None and rate > documented:
        message = f"is above the documented rate of {kind} ({documented:g}/s)"
        hint = "lower it: otherwise expect 429 responses or dropped data"
        context.warn(node.get("rate"), below(path, "rate"), message, hint)
    address = node.get("url")
    if read_values["url"] is not None and scalar_parsers.is_plain_http(read_values["url"]):
        hint = "use https: plain HTTP exposes the credentials and the customers' data on the network"
        context.warn(address, below(path, "url"), "is not encrypted", hint)
    backoff = read_values["backoff"]
    if backoff["first"] > backoff["cap"]:
        context.error(_place(node, "backoff.first"), below(path, "backoff"), "`first` is above `cap`", "swap them")
    detection = read_values["poison_detection"]
    return DestinationOptions(
        lanes=read_values["lanes"],
        timeout_s=read_values["timeout"],
        backoff=Backoff(backoff["first"], backoff["cap"]),
        probe_s=read_values["probe"],
        linger_s=read_values["batch"]["linger"],
        rate_per_s=rate if rate is not None else KINDS[kind].default_rate_per_s,
        poison_detection=PoisonDetectionOptions(
            failures=detection["failures"],
            other_successes=detection["other_successes"],
            give_up_after_s=detection["give_up_after"],
            give_up_successes=detection["give_up_successes"],
        ),
    )


def _place(node: Node, path: str) -> Node:
    """Return the deepest node along `path` that exists."""
    for name in path.split("."):
        inner = node.get(name) if isinstance(node, Table) else None
        if inner is None:
            return node
        node = inner
    return node
