"""The `pipelines` of the file: consumer groups and the destinations that read through them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from consumer.config import scalar_parsers, schema
from consumer.config.complaints import ConfigReadContext
from consumer.config.schema_nodes import MapOption
from consumer.config.settings import DestinationSettings, PipelineSettings
from consumer.model.findings import did_you_mean
from consumer.yaml_document import Node, Table, below

SLOW_RATE_PER_S = 100.0
"""A kind's own default rate below this is the pace of everything in its group; above it only guards against excess."""

READS = MapOption(schema.PIPELINE, scalar_parsers.group)


def read(node: Node | None, enabled: Mapping[str, bool], context: ConfigReadContext) -> tuple[PipelineSettings, ...]:
    """Read the pipelines; where there are none each enabled destination has a group of its own."""
    if node is None:
        return tuple(PipelineSettings(f"cdp-{name}", (name,)) for name, is_on in enabled.items() if is_on)
    found = READS.read(node, "pipelines", context)
    pipelines = []
    owner: dict[str, str] = {}
    for name, said in found.items() if isinstance(found, dict) else ():
        accepted = isinstance(said, dict) and said["shared_pace"] is not None
        listed = said["destinations"] if isinstance(said, dict) else said
        place, path = _named(node, name), below("pipelines", name)
        members = []
        for destination in listed:
            if destination not in enabled:
                hint = did_you_mean(destination, enabled)
                context.error(place, path, f"there is no destination `{destination}`", hint)
            elif destination in owner:
                where = "twice in it" if owner[destination] == name else f"in the pipeline `{owner[destination]}` too"
                hint = "a destination belongs to one pipeline: it would get everything twice"
                context.error(place, path, f"`{destination}` is {where}", hint)
            else:
                owner[destination] = name
                members.append(destination)
        pipelines.append(PipelineSettings(name, tuple(members), accepted))
    if isinstance(found, dict) and isinstance(node, Table) and len(found) == len(node.entries):
        for destination, is_on in enabled.items():
            if is_on and destination not in owner:
                hint = "name it under a pipeline, or say `enabled: false`"
                context.error(node, "pipelines", f"the enabled destination `{destination}` is in none", hint)
    return tuple(pipelines)


def choose(
    pipelines: tuple[PipelineSettings, ...], wanted: str | None, enabled: Mapping[str, bool], context: ConfigReadContext
) -> tuple[PipelineSettings, ...]:
    """Return the pipelines of this run: the one wanted, else all that deliver anything."""
    alive = tuple(each for each in pipelines if any(enabled[name] for name in each.destinations))
    if wanted is None:
        if not alive and not context.findings:
            context.error(None, "destinations", "no destination is enabled", "enable at least one")
        return alive
    chosen = tuple(each for each in alive if each.name == wanted)
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
    said: Collection[str],
    node: Node | None,
    context: ConfigReadContext,
) -> None:
    """Refuse a rate in a shared group unless its pace is accepted: the slowest destination would set it for all.

    `said` names the destinations whose rate stands in the file; a kind's own rate counts where it is low.
    """
    for pipeline in pipelines:
        members = [destinations[name] for name in pipeline.destinations if name in destinations]
        on = [member for member in members if member.enabled]
        if len(on) <= 1 or pipeline.shared_pace_accepted:
            continue
        for member in on:
            rate = member.lanes.rate_per_s
            if rate is not None and (member.name in said or rate < SLOW_RATE_PER_S):
                message = f"`{member.name}` is limited to {rate:g}/s and would slow the others down"
                hint = "give it a pipeline of its own, or write `{destinations: […], shared_pace: accepted}`"
                context.error(_named(node, pipeline.name), below("pipelines", pipeline.name), message, hint)


def _named(node: Node | None, name: str) -> Node | None:
    return (node.get(name) or node) if isinstance(node, Table) else node
