"""Find what is wrong with the configuration and the mapping, and what a run may need, before anything starts."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from consumer.check import mapping_schema
from consumer.check.directives_check import directive_findings
from consumer.check.journeys_warnings import advice
from consumer.check.resource_budget import BASE_BYTES, LARGEST_RECORD_BYTES, Needs, needs_of, shown_bytes
from consumer.cli.exit_codes import ENDED, WRONG, add_config
from consumer.cli.output import Ink, print_findings, summary
from consumer.config import loader
from consumer.config.run_config import load_run_config
from consumer.config.scalar_parsers import InvalidValue, size
from consumer.directives import parser as directives_parser
from consumer.model.findings import Finding, errors

_PARTITIONS = 12
_SCHEMAS = {
    "config": loader.json_schema,
    "mapping": mapping_schema.json_schema,
    "directives": directives_parser.json_schema,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_config(parser)
    parser.add_argument("--pipeline", metavar="NAME", help="examine what this pipeline of the file uses")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument(
        "--offline", action="store_true", help="ask for no environment variable and no secret, as on a laptop or in CI"
    )
    parser.add_argument(
        "--partitions",
        type=_partitions,
        default=_PARTITIONS,
        metavar="N",
        help=f"the most partitions one process holds, for the memory ceiling (default: {_PARTITIONS})",
    )
    parser.add_argument(
        "--largest-record",
        type=_size,
        default=LARGEST_RECORD_BYTES,
        metavar="SIZE",
        help="the largest record of the topics, for the memory ceiling (default: 1MiB)",
    )
    parser.add_argument(
        "--schema",
        nargs="?",
        choices=tuple(_SCHEMAS),
        const="config",
        help="print the JSON Schema of a kind of file, for editors, and exit (default: config)",
    )


def run(args: argparse.Namespace) -> int:
    """Print every finding and what a run may need; 0 if there is no error, else 2."""
    if args.schema is not None:
        print(json.dumps(_SCHEMAS[args.schema](), indent=2))
        return ENDED
    loaded = load_run_config(Path(args.config), pipeline=args.pipeline, offline=args.offline)
    findings = list(loaded.findings)
    needs = None
    if loaded.config is not None:
        findings += advice(loaded.config.mapping, loaded.config.settings)
        findings += directive_findings(loaded.config)
        needs = needs_of(loaded.config.settings, partitions=args.partitions, largest=args.largest_record)
    if args.format == "json":
        print(json.dumps(_as_json(findings, needs), indent=2))
    else:
        _print(findings, needs)
    return WRONG if errors(findings) else ENDED


def _print(findings: Sequence[Finding], needs: Needs | None) -> None:
    ink = Ink(sys.stdout)
    print_findings(findings, sys.stdout)
    if findings:
        print()
    if needs is not None:
        print(ink.bold("memory, at the most"))
        for pipeline, ceiling in needs.ceilings.items():
            for what, size_ in ceiling.parts:
                print(f"  {pipeline:24} {what:40} {shown_bytes(size_):>9}")
        print(f"  {'process':24} {'interpreter, libraries, idle clients':40} {shown_bytes(BASE_BYTES):>9}")
        together = f"{'together':40} {shown_bytes(needs.memory_bytes):>9}"
        print(f"  {'':24} {ink.bold(together)}")
        times = needs.times
        print(ink.bold("time, at the most"))
        print(f"  to give partitions back: {times.giving_back} = {times.giving_back_s:g}s")
        print(f"  {'':24} below max.poll.interval.ms, {times.max_poll_interval_s:g}s")
        print(f"  to leave:                {times.leaving} = {times.leaving_s:g}s")
        print(f"  {'':24} below the termination grace, {times.termination_grace_s:g}s")
        print()
    print(ink.red(summary(findings)) if errors(findings) else summary(findings))


def _as_json(findings: Sequence[Finding], needs: Needs | None) -> dict[str, object]:
    wrong = len(errors(findings))
    said: dict[str, object] = {
        "findings": [finding.as_json() for finding in findings],
        "errors": wrong,
        "warnings": len(findings) - wrong,
        "memory": None,
        "times": None,
    }
    if needs is not None:
        said["memory"] = {
            "total_bytes": needs.memory_bytes,
            "process_bytes": BASE_BYTES,
            "pipelines": {
                pipeline: {"total_bytes": ceiling.total, "parts": dict(ceiling.parts)}
                for pipeline, ceiling in needs.ceilings.items()
            },
        }
        said["times"] = {
            "giving_back_s": needs.times.giving_back_s,
            "leaving_s": needs.times.leaving_s,
            "max_poll_interval_s": needs.times.max_poll_interval_s,
            "termination_grace_s": needs.times.termination_grace_s,
        }
    return said


def _partitions(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 1_000_000:  # noqa: PLR2004 - beyond any cluster
        raise argparse.ArgumentTypeError(f"`{text}` is not a number of partitions")
    return int(text)


def _size(text: str) -> int:
    read = size(text)
    if isinstance(read, InvalidValue):
        raise argparse.ArgumentTypeError(f"`{text}` {read.message}: {read.hint}")
    return read
