"""What must hold between the parts of the file: time budgets, the dead-letter topic, Kafka's properties."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from consumer.config.complaints import ConfigReadContext
from consumer.config.secrets import MASK, is_secret_name
from consumer.config.settings import DestinationSettings, Settings
from consumer.kafka.properties import complaints, is_new_protocol, max_poll_interval_s, session_timeout_s
from consumer.kafka.schema_registry.client import registry_complaints
from consumer.kafka.timeouts import revoke_seconds, shutdown_seconds
from consumer.kafka.topics import matches
from consumer.yaml_document import Node, Scalar, Table, below

_WORTH_HIDING = 3  # characters; a shorter value would be masked within ordinary words


def check_kafka(settings: Settings, tree: Table, context: ConfigReadContext) -> None:
    """Refuse what the promises rest on, and a file without brokers."""
    node = tree.get("kafka")
    if "bootstrap.servers" not in settings.kafka and not _is_given(node, "bootstrap.servers"):
        hint = "write `bootstrap.servers: ${KAFKA_BOOTSTRAP_SERVERS}`"
        context.error(node, "kafka", "`bootstrap.servers` is missing", hint)
    for said in complaints(settings.kafka):
        _property_error(said, settings.kafka, node, "kafka", context)
    if settings.registry is not None and "url" not in settings.registry:
        schemas = tree.get("schemas")
        registry = schemas.get("registry") if isinstance(schemas, Table) else None
        if not _is_given(registry, "url"):
            context.error(registry, "schemas.registry", "`url` is missing", "write `url: ${SCHEMA_REGISTRY_URL}`")
    if settings.registry is not None and "url" in settings.registry:
        place = _inside(tree, "schemas", "registry")
        for said in registry_complaints(settings.registry):
            _property_error(said, settings.registry, place, "schemas.registry", context)


def _property_error(
    said: str, properties: Mapping[str, str], node: Node | None, path: str, context: ConfigReadContext
) -> None:
    """Put a foreign client's objection at the property it names; the value is never repeated."""
    named = [each for each in properties if re.search(rf"(?<![\w.]){re.escape(each)}(?![\w.])", said)]
    name = min(named, key=said.index, default=None)
    for each, value in properties.items():
        if len(value) >= _WORTH_HIDING and (is_secret_name(each) or not _is_literal(node, each)):
            said = said.replace(value, MASK)  # it came from the environment or a file: it could be anything
    place = node.get(name) if isinstance(node, Table) and name is not None else node
    context.error(place, below(path, name) if name is not None else path, said.removeprefix(f"{name}: "))


def _is_literal(node: Node | None, name: str) -> bool:
    written = node.get(name) if isinstance(node, Table) else None
    return isinstance(written, Scalar) and "${" not in written.text


def check_topics(settings: Settings, tree: Table, context: ConfigReadContext) -> None:
    """Refuse a subscription that would read the dead letters as events, over and over."""
    caught = [each for each in settings.topics if matches((each,), settings.dead_letters.topic)]
    if caught:
        named = ", ".join(f"`{each}`" for each in caught)
        match = "matches" if len(caught) == 1 else "match"
        message = f"{named} {match} the dead-letter topic `{settings.dead_letters.topic}`"
        hint = "narrow the pattern, or give the dead letters another topic"
        context.error(tree.get("topics"), "topics", message, hint)


def check_time_budgets(
    settings: Settings, used: Sequence[DestinationSettings], tree: Table, context: ConfigReadContext
) -> None:
    """Hold the time budgets against one another: each must leave room for the one inside it."""
    budgets = settings.budgets
    place = _inside(tree, "budgets", "drain")
    for destination in used:
        if destination.lanes.timeout_s >= budgets.drain_s:
            node = _inside(tree, "destinations", destination.name, "timeout")
            message = f"a call may take {destination.lanes.timeout_s:g}s, the drain only {budgets.drain_s:g}s"
            hint = "shorten the timeout, or lengthen `budgets.drain`: else a drain gives calls up that would have ended"
            context.error(node, f"destinations.{destination.name}.timeout", message, hint)
    _warn_of_session(settings, used, tree, context)
    interval, needs = max_poll_interval_s(settings.kafka), revoke_seconds(settings.kafka, budgets.drain_s)
    if needs[0] >= interval:
        message = f"{needs[1]} = {needs[0]:g}s is not below max.poll.interval.ms ({interval:g}s)"
        hint = "shorten the drain, or raise `max.poll.interval.ms`: else the group expels a member that is draining"
        context.error(place, "budgets.drain", message, hint)
    needs = shutdown_seconds(settings.kafka, budgets.drain_s)
    if needs[0] >= budgets.termination_grace_s:
        message = f"{needs[1]} = {needs[0]:g}s is not below the termination grace ({budgets.termination_grace_s:g}s)"
        hint = "shorten the drain, or raise `budgets.termination_grace` and the platform's: else it is killed midway"
        context.error(place, "budgets.drain", message, hint)


def _warn_of_session(
    settings: Settings, used: Sequence[DestinationSettings], tree: Table, context: ConfigReadContext
) -> None:
    """Hold calls against the group's session: none starts in its second half unless the group was heard."""
    is_new = is_new_protocol(settings.kafka)
    if _is_given(tree.get("budgets"), "session") and not is_new:
        message = "is for `group.protocol: consumer` only"
        hint = "a classic group's session is `session.timeout.ms`, under `kafka`"
        context.error(_inside(tree, "budgets", "session"), "budgets.session", message, hint)
    session_s = session_timeout_s(settings.kafka, settings.budgets.session_s)
    for destination in used:
        if destination.lanes.timeout_s > session_s / 2:
            node = _inside(tree, "destinations", destination.name, "timeout")
            call_s = destination.lanes.timeout_s
            message = f"a call may take {call_s:g}s, longer than half the session of {session_s:g}s"
            said = "say the brokers' in `budgets.session`" if is_new else "raise `session.timeout.ms`"
            hint = f"shorten it, or {said}: else a member cut off from its group may still call for what is another's"
            context.warn(node, f"destinations.{destination.name}.timeout", message, hint)


def _is_given(node: Node | None, name: str) -> bool:
    """Return whether the key is written at all: what is wrong with its value is said already."""
    return isinstance(node, Table) and node.get(name) is not None


def _inside(tree: Table, *names: str) -> Node | None:
    node: Node | None = tree
    for name in names:
        inner = node.get(name) if isinstance(node, Table) else None
        if inner is None:
            return node if node is not tree else None
        node = inner
    return node
