"""Checks between the parts of the file: Kafka's properties, the dead-letter topic, time budgets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from consumer.config.complaints import ConfigReadContext
from consumer.config.env_substitution import expand
from consumer.config.process_environment import environment_findings
from consumer.config.secrets import MASK, is_secret_name
from consumer.config.settings import DestinationSettings, Settings
from consumer.kafka.properties import complaints, is_new_protocol, max_poll_interval_s, session_timeout_s
from consumer.kafka.schema_registry.client import registry_complaints
from consumer.kafka.timeouts import revoke_seconds, shutdown_seconds
from consumer.yaml_document import Node, Scalar, Table, below

_WORTH_HIDING = 3  # characters; a shorter value would be masked within ordinary words
_HINTS = dict.fromkeys(("bootstrap.servers", "metadata.broker.list"), "write `host:port`, or `host:port,host:port`")
_FILE_HINT = "check that the file exists and holds PEM text"
_UNKNOWN_PROPERTY = "No such configuration property"


def check_kafka(settings: Settings, tree: Table, context: ConfigReadContext) -> None:
    """Refuse properties that would break a promise, and a configuration without brokers."""
    node = tree.get("kafka")
    has_brokers = "bootstrap.servers" in settings.kafka or _is_given(node, "bootstrap.servers")
    if isinstance(node, Table) and node.entries and not has_brokers:
        hint = "write `bootstrap.servers: ${KAFKA_BOOTSTRAP_SERVERS}`"
        context.error(node, "kafka", "`bootstrap.servers` is missing", hint)
    for text in complaints(_without_absent_files(settings.kafka, context)):
        _property_error(text, settings.kafka, node, "kafka", context)
    if settings.registry is not None and "url" not in settings.registry:
        schemas = tree.get("schemas")
        registry = schemas.get("registry") if isinstance(schemas, Table) else None
        if not _is_given(registry, "url"):
            context.error(registry, "schemas.registry", "`url` is missing", "write `url: ${SCHEMA_REGISTRY_URL}`")
    if settings.registry is not None and "url" in settings.registry:
        _check_registry(settings.registry, _inside(tree, "schemas", "registry"), context)


def _check_registry(properties: Mapping[str, str], node: Node | None, context: ConfigReadContext) -> None:
    if "proxy" in properties:
        from consumer.delivery.http.client import proxy_complaint  # noqa: PLC0415 - the import takes a tenth of a second

        complaint = proxy_complaint(properties["proxy"])
        if complaint is not None:
            message, hint = complaint
            place = node.get("proxy") if isinstance(node, Table) else node
            context.error(place, "schemas.registry.proxy", message, hint)
            return
    if environment_findings(context.environ):
        return  # the client reads these variables as well: it would fail, and not because of its properties
    for text in registry_complaints(_without_absent_files(properties, context)):
        _property_error(text, properties, node, "schemas.registry", context)


def _without_absent_files(properties: Mapping[str, str], context: ConfigReadContext) -> Mapping[str, str]:
    """Return the properties to check. An offline run need not have the certificates and keys of the service."""
    if not context.offline:
        return properties
    return {name: value for name, value in properties.items() if not name.endswith(".location") or Path(value).exists()}


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", text) is not None


def _property_error(
    text: str, properties: Mapping[str, str], node: Node | None, path: str, context: ConfigReadContext
) -> None:
    """Report a client library's error at the property named in its text. Mask each value that may be secret."""
    given = [key.text for key, _ in node.entries] if isinstance(node, Table) else []
    if any(_names(text, each) for each in given if each not in properties):
        return  # its value could not be read, which is an error already
    named = [each for each in properties if _names(text, each)]
    name = min(named, key=text.index, default=None)
    for each, value in properties.items():
        # A value that comes from the environment or from a file may be anything, so mask that as well.
        if len(value) >= _WORTH_HIDING and (is_secret_name(each) or not _is_literal(node, each)):
            text = text.replace(value, MASK)
    place, hint = node, ""
    if isinstance(node, Table) and name is not None:
        unknown = text.startswith(_UNKNOWN_PROPERTY)
        place = node.key(name) if unknown else node.get(name)
        hint = "check the spelling: the names are in librdkafka's CONFIGURATION.md" if unknown else _HINTS.get(name, "")
        if name.endswith(".location"):
            hint = _FILE_HINT
    message = text.removeprefix(f"{name}: ")
    if name is not None and not _is_literal(node, name):
        message = f"{_source(node, name)}{message}"
    context.error(place, below(path, name) if name is not None else path, message, hint)


def _source(node: Node | None, name: str) -> str:
    """Return the names of the variables in a property's value, for the front of a message about it."""
    written = node.get(name) if isinstance(node, Table) else None
    return f"{', '.join(expand(written.text, {}).names)}: " if isinstance(written, Scalar) else ""


def _is_literal(node: Node | None, name: str) -> bool:
    """Return whether the property's value is written in the file itself, without a variable."""
    written = node.get(name) if isinstance(node, Table) else None
    return isinstance(written, Scalar) and "${" not in written.text


def check_topics(settings: Settings, tree: Table, context: ConfigReadContext) -> None:
    """Refuse the dead-letter topic among the topics: dead letters would be read as events, in an endless loop.

    Patterns leave it out by themselves.
    """
    if settings.dead_letters.topic in settings.topics:
        message = f"`{settings.dead_letters.topic}` is the dead-letter topic"
        hint = "remove it from `topics`, or give the dead letters another topic"
        context.error(tree.get("topics"), "topics", message, hint)


def check_time_budgets(
    settings: Settings, used: Sequence[DestinationSettings], tree: Table, context: ConfigReadContext
) -> None:
    """Check that each time budget leaves room for the one inside it."""
    budgets = settings.budgets
    place = _inside(tree, "budgets", "drain")
    for destination in used:
        timeout_s = destination.lanes.timeout_s
        if timeout_s >= budgets.drain_s:
            node = _inside(tree, "destinations", destination.name, "timeout")
            message = f"the timeout of a request ({timeout_s:g}s) is not below the drain ({budgets.drain_s:g}s)"
            hint = (
                "shorten the timeout, or lengthen `budgets.drain`: "
                "otherwise a drain abandons requests that would have succeeded"
            )
            context.error(node, f"destinations.{destination.name}.timeout", message, hint)
    _check_session(settings, used, tree, context)
    interval_s = max_poll_interval_s(settings.kafka)
    needed_s, sum_text = revoke_seconds(settings.kafka, budgets.drain_s)
    if needed_s >= interval_s:
        message = f"{sum_text} = {needed_s:g}s is not below max.poll.interval.ms ({interval_s:g}s)"
        hint = "shorten the drain, or raise `max.poll.interval.ms`: otherwise the group expels a draining member"
        context.error(place, "budgets.drain", message, hint)
    needed_s, sum_text = shutdown_seconds(settings.kafka, budgets.drain_s)
    if needed_s >= budgets.termination_grace_s:
        message = f"{sum_text} = {needed_s:g}s is not below the termination grace ({budgets.termination_grace_s:g}s)"
        hint = (
            "shorten the drain, or raise `budgets.termination_grace` and the platform's grace period: "
            "otherwise the process is killed during the drain"
        )
        context.error(place, "budgets.drain", message, hint)


def _check_session(
    settings: Settings, used: Sequence[DestinationSettings], tree: Table, context: ConfigReadContext
) -> None:
    """Check request timeouts against the session: after half a session without an accepted commit, no request starts.

    A request that starts just before that must end before the session does.
    """
    is_new = is_new_protocol(settings.kafka)
    if _is_given(tree.get("budgets"), "session") and not is_new:
        message = "applies only to `group.protocol: consumer`"
        hint = "for a classic group, set `session.timeout.ms` under `kafka`"
        context.error(_inside(tree, "budgets", "session"), "budgets.session", message, hint)
    session_s = session_timeout_s(settings.kafka, settings.budgets.session_s)
    for destination in used:
        timeout_s = destination.lanes.timeout_s
        if timeout_s > session_s / 2:
            node = _inside(tree, "destinations", destination.name, "timeout")
            message = f"the timeout of a request ({timeout_s:g}s) is longer than half the session ({session_s:g}s)"
            longer = "set the brokers' session in `budgets.session`" if is_new else "raise `session.timeout.ms`"
            hint = (
                f"shorten it, or {longer}: otherwise a member that lost its group could still send events of "
                "partitions owned by another member"
            )
            context.warn(node, f"destinations.{destination.name}.timeout", message, hint)


def _is_given(node: Node | None, name: str) -> bool:
    """Return whether the key is written at all. An error in its value is reported elsewhere."""
    return isinstance(node, Table) and node.get(name) is not None


def _inside(tree: Table, *names: str) -> Node | None:
    """Return the deepest node along these names that exists; `None` if not even the first one does."""
    node: Node | None = tree
    for name in names:
        inner = node.get(name) if isinstance(node, Table) else None
        if inner is None:
            return node if node is not tree else None
        node = inner
    return node
