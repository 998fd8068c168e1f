"""Print the exact requests that events would become, with credentials masked. Send nothing.

Events are lines of JSON, `{"type": …, "value": …, "key": …, "headers": …, "timestamp": …, "schema": …}`. `type` is the
full name of the Avro record, whose schema must be in `schemas.directory`; `value` is plain or Avro JSON; the others are
optional. `schema` names the file if several have versions of the record; by default it is the last one that fits. Or
they are an Avro container file (`.avro`), which contains its own schema.

Exit code: 0; 2 if the configuration or an event is invalid; with `--strict` 1 if an event becomes a dead letter.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from consumer.check.dry_run import DryRun, Outcome, PlannedRequest
from consumer.check.json_indent import indented
from consumer.cli.exit_codes import FAILURE, INVALID, SUCCESS, add_config
from consumer.cli.output import Ink, print_findings, printable
from consumer.config.run_config import RunConfig, all_destinations, load_run_config
from consumer.model.findings import Finding
from consumer.translation.samples.reader import SampleRecord, SampleSchemas, read_container, read_lines
from consumer.translation.translator import Translator

_CONTAINER = b"Obj\x01"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_config(parser)
    parser.add_argument("--pipeline", metavar="NAME", help="print only requests to the destinations of this pipeline")
    parser.add_argument(
        "--events", default="-", metavar="FILE", help="file of JSON lines, or Avro container file (default: stdin)"
    )
    parser.add_argument(
        "--topic", default="translate", metavar="T", help="topic name of the events (default: translate)"
    )
    parser.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="output format; json: one line per event (default: text)",
    )
    parser.add_argument("--raw", action="store_true", help="do not indent request bodies")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if an event becomes a dead letter")


def run(args: argparse.Namespace) -> int:
    """Print the requests of each event, and return the exit code."""
    loaded = load_run_config(Path(args.config), pipeline=args.pipeline, offline=True)
    print_findings(loaded.findings, sys.stderr)
    if loaded.config is None:
        return INVALID
    with contextlib.ExitStack() as stack:
        try:
            if args.events == "-" and sys.stdin.isatty():
                print("cdp-consumer translate: reading events from the terminal, one per line", file=sys.stderr)
            stream = sys.stdin.buffer if args.events == "-" else stack.enter_context(Path(args.events).open("rb"))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not the path of a file"
            print(f"cdp-consumer translate: {printable(args.events)} cannot be read: {reason.lower()}", file=sys.stderr)
            return INVALID
        return _translate(loaded.config, stream, args)


def _translate(config: RunConfig, stream: BinaryIO, args: argparse.Namespace) -> int:
    reached = {name for pipeline in config.settings.pipelines for name in pipeline.destinations}
    settings = {name: each for name, each in config.settings.destinations.items() if name in reached}
    destinations = {name: each for name, each in all_destinations(config.settings).items() if name in reached}
    translator = Translator(
        config.mapping,
        destinations,
        schemas=config.schemas,
        grace_s=config.settings.schema_grace_s,
        clock_ms=config.clock_ms,
        disabled=frozenset(name for name, each in settings.items() if not each.enabled),
    )
    urls = {name: each.options.url for name, each in settings.items()}
    dry_run = DryRun(translator, destinations, urls, config.clock_ms)
    schemas = SampleSchemas(config.schemas.by_name, translator.learn)
    has_errors = has_dead_letters = False
    for sample in _events(stream, args, schemas, config.clock_ms()):
        if isinstance(sample, Finding):
            has_errors = True
            print_findings([sample], sys.stderr)
            continue
        outcome = dry_run.translate(sample)
        has_dead_letters = has_dead_letters or bool(outcome.dead_letters)
        event_type = translator.event_type(sample)
        if args.format == "json":
            print(json.dumps(_as_json(sample, event_type, outcome), ensure_ascii=False))
        else:
            _print(sample, event_type, outcome, raw=args.raw)
    if has_errors:
        return INVALID
    return FAILURE if has_dead_letters and args.strict else SUCCESS


def _events(
    stream: BinaryIO, args: argparse.Namespace, schemas: SampleSchemas, now_ms: int
) -> Iterator[SampleRecord | Finding]:
    shown = "stdin" if args.events == "-" else args.events
    head = stream.peek(len(_CONTAINER)) if hasattr(stream, "peek") else b""
    read = read_container if head.startswith(_CONTAINER) else read_lines
    return read(stream, shown, args.topic, schemas, now_ms)


def _print(sample: SampleRecord, event_type: str | None, outcome: Outcome, *, raw: bool) -> None:
    ink = Ink(sys.stdout)
    schema = f"  ({printable(sample.schema_file)})" if sample.schema_file is not None else ""
    print(ink.bold(f"{printable(sample.where)}  {event_type or ''}{schema}".rstrip()))
    for request in outcome.requests:
        print(f"  {request.destination} · {', '.join(printable(label) for label in request.labels)}")
        print(f"    {request.method} {request.url}")
        for name, value in request.headers.items():
            print(f"    {ink.dim(f'{name}: {value}')}")
        for line in _body(request, raw=raw).splitlines():
            print(f"    {line}")
    for destination, reason, count in outcome.skips:
        times = f" ×{count}" if count > 1 else ""
        print(f"  {ink.dim(f'skipped{times}: ' + (f'{destination}, ' if destination else '') + reason)}")
    for each in outcome.dead_letters:
        place = f"{each.destination} · {printable(each.label)}: " if each.destination else ""
        print(f"  {ink.red('dead letter')}: {place}{each.cause}: {printable(each.detail)}")
    for destination, label, text in outcome.warnings:
        print(f"  {ink.yellow('warning')}: {destination} · {printable(label)}: {text}")
    print()


def _body(request: PlannedRequest, *, raw: bool) -> str:
    text = request.body.decode("utf-8", "replace")
    return text if raw else indented(text)


def _as_json(sample: SampleRecord, event_type: str | None, outcome: Outcome) -> dict[str, object]:
    return {
        "event": sample.where,
        "type": event_type,
        "schema": sample.schema_file,
        "requests": [
            {
                "destination": request.destination,
                "labels": list(request.labels),
                "identities": list(request.identities),
                "method": request.method,
                "url": request.url,
                "headers": dict(request.headers),
                "body": request.body.decode("utf-8", "replace"),
            }
            for request in outcome.requests
        ],
        "skipped": [
            {"destination": destination, "reason": reason, "count": count}
            for destination, reason, count in outcome.skips
        ],
        "dead_letters": [
            {"destination": each.destination, "label": each.label, "cause": each.cause, "detail": each.detail}
            for each in outcome.dead_letters
        ],
        "warnings": [
            {"destination": destination, "label": label, "detail": text}
            for destination, label, text in outcome.warnings
        ],
    }
