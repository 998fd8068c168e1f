"""The `pipelines` of the file: consumer groups, and the destinations of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from consumer.config import scalar_parsers, schema
from consumer.config.complaints import ConfigReadContext
from consumer.config.schema_nodes import MapOption
from consumer.config.settings import DestinationSettings, PipelineSettings
from consumer.model.findings import did_you_mean, nearest
from consumer.yaml_document import Node, Table, below

SLOW_RATE_PER_S = 100.0
"""Requests per second. A kind's default rate below this limits the whole group; above it, it only prevents excess."""

READS = MapOption(schema.PIPELINE, scalar_parsers.group)


def read(node: Node | None, enabled: Mapping[str, bool], context: ConfigReadContext) -> tuple[PipelineSettings, ...]:
    """Read the pipelines. Without any, each enabled destination has its own group."""
    if node is None:
        return tuple(PipelineSettings(f"cdp-{name}", (name,)) for name, is_on in enabled.items() if is_on)
    found = READS.read(node, "pipelines", context)
    pipelines = []
    owner: dict[str, str] = {}
    misspelt: set[str | None] = set()
    for name, written in found.items() if isinstance(found, dict) else ():
        accepted = isinstance(written, dict) and written["shared_pace"] is not None
        listed = written["destinations"] if isinstance(written, dict) else written
        place, path = _pipeline_node(node, name), below("pipelines", name)
        members = []
        for destination in listed:
            if destination not in enabled:
                misspelt.add(nearest(destination, enabled))
                hint = did_you_mean(destination, enabled)
                context.error(place, path, f"there is no destination `{destination}`", hint)
            elif destination in owner:
                is_same = owner[destination] == name
                problem = "listed twice" if is_same else f"also in the pipeline `{owner[destination]}`"
                hint = "list each destination once: otherwise it would receive every event twice"
                context.error(place, path, f"`{destination}` is {problem}", hint)
            else:
                owner[destination] = name
                members.append(destination)
        pipelines.append(PipelineSettings(name, tuple(members), accepted))
    if isinstance(found, dict) and isinstance(node, Table) and len(found) == len(node.entries):
        for destination, is_on in enabled.items():
            if is_on and destination not in owner and destination not in misspelt:
                hint = "name it under a pipeline, or set `enabled: false`"
                context.error(node, "pipelines", f"the enabled destination `{destination}` is in no pipeline", hint)
    return tuple(pipelines)


def choose(
    pipelines: tuple[PipelineSettings, ...], wanted: str | None, enabled: Mapping[str, bool], context: ConfigReadContext
) -> tuple[PipelineSettings, ...]:
    """Return the pipelines of this run: the wanted one, or all that have an enabled destination."""
    active = tuple(each for each in pipelines if any(enabled[name] for name in each.destinations))
    if wanted is None:
        if not active and not context.findings:
            context.error(None, "destinations", "no destination is enabled", "enable at least one")
        return active
    chosen = tuple(each for each in active if each.name == wanted)
    if chosen or (context.findings and any(each.name == wanted for each in pipelines)):
        return chosen
    if any(each.name == wanted for each in pipelines):
        context.error(None, "pipelines", f"every destination of the pipeline `{wanted}` is disabled", "enable one")
    else:
        hint = did_you_mean(wanted, [each.name for each in pipelines])
        context.error(None, "pipelines", f"there is no pipeline `{wanted}`", hint)
    return ()


def check_shared_rates(
    pipelines: tuple[PipelineSettings, ...],
    destinations: Mapping[str, DestinationSettings],
    with_rate: Collection[str],
    node: Node | None,
    context: ConfigReadContext,
) -> None:
    """Refuse a rate limit in a shared group unless `shared_pace` accepts it: the slowest destination limits all.

    `with_rate` names the destinations that set `rate` in the file. A kind's default rate counts if it is low.
    """
    for pipeline in pipelines:
        members = [destinations[name] for name in pipeline.destinations if name in destinations]
        on = [member for member in members if member.enabled]
        if len(on) <= 1 or pipeline.shared_pace_accepted:
            continue
        for member in on:
            rate = member.lanes.rate_per_s
            if rate is not None and (member.name in with_rate or rate < SLOW_RATE_PER_S):
                message = (
                    f"`{member.name}` is limited to {rate:g}/s and would slow down the other destinations of the group"
                )
                hint = "give it its own pipeline, or write `{destinations: […], shared_pace: accepted}`"
                context.error(_pipeline_node(node, pipeline.name), below("pipelines", pipeline.name), message, hint)


def _pipeline_node(node: Node | None, name: str) -> Node | None:
    return (node.get(name) or node) if isinstance(node, Table) else node
