"""Check the configuration, the mapping, the schemas and the directives, and contact no other system.

Prints every error and warning with its position and what to do. If there is no error, prints the maximum memory and the
maximum times of a run as well. Expressions of the mapping are checked for syntax, not against the schemas.

Exit code: 0 if there is no error, else 2.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from consumer.check import mapping_schema
from consumer.check.directives_check import directive_findings
from consumer.check.journeys_warnings import journeys_findings
from consumer.check.resource_budget import BASE_BYTES, LARGEST_RECORD_BYTES, Needs, needs_of, shown_bytes
from consumer.cli.exit_codes import INVALID, SUCCESS, add_config
from consumer.cli.output import Ink, print_findings, summary
from consumer.config import loader
from consumer.config.process_environment import environment_findings
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
    """Add the command's options."""
    add_config(parser)
    parser.add_argument("--pipeline", metavar="NAME", help="check only what this pipeline uses")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="output format (default: text)")
    parser.add_argument(
        "--offline",
        action="store_true",
        help="accept unset environment variables and missing secrets, as on a laptop or in CI",
    )
    parser.add_argument(
        "--partitions",
        type=_partitions,
        default=_PARTITIONS,
        metavar="N",
        help=f"most partitions that one process is assigned, for the maximum memory (default: {_PARTITIONS})",
    )
    parser.add_argument(
        "--largest-record",
        type=_size,
        default=LARGEST_RECORD_BYTES,
        metavar="SIZE",
        help="size of the largest record, for the maximum memory (default: 1MiB)",
    )
    parser.add_argument(
        "--schema",
        nargs="?",
        choices=tuple(_SCHEMAS),
        const="config",
        help="print the JSON Schema of a kind of file, for editors, and exit; without a kind: config",
    )


def run(args: argparse.Namespace) -> int:
    """Print every finding, and the needs of a run; return 0 if there is no error, else 2."""
    if args.schema is not None:
        print(json.dumps(_SCHEMAS[args.schema](), indent=2))
        return SUCCESS
    loaded = load_run_config(Path(args.config), pipeline=args.pipeline, offline=args.offline)
    findings = [*environment_findings(os.environ), *loaded.findings]
    needs = None
    if loaded.config is not None:
        findings += journeys_findings(loaded.config.mapping, loaded.config.settings)
        findings += directive_findings(loaded.config)
        needs = needs_of(loaded.config.settings, partitions=args.partitions, largest=args.largest_record)
    if args.format == "json":
        print(json.dumps(_as_json(findings, needs), indent=2))
    else:
        _print(findings, needs)
    return INVALID if errors(findings) else SUCCESS


def _print(findings: Sequence[Finding], needs: Needs | None) -> None:
    ink = Ink(sys.stdout)
    print_findings(findings, sys.stdout)
    if findings:
        print()
    if needs is not None:
        print(ink.bold("maximum memory"))
        for pipeline, ceiling in needs.ceilings.items():
            for what, size_ in ceiling.parts:
                print(f"  {pipeline:24} {what:40} {shown_bytes(size_):>9}")
        print(f"  {'process':24} {'interpreter, libraries, idle clients':40} {shown_bytes(BASE_BYTES):>9}")
        total = f"{'total':40} {shown_bytes(needs.memory_bytes):>9}"
        print(f"  {'':24} {ink.bold(total)}")
        times = needs.times
        print(ink.bold("maximum times"))
        print(f"  {'to revoke partitions':24} {times.revoke_sum} = {times.revoke_s:g}s")
        print(f"  {'':24} must be below max.poll.interval.ms, {times.max_poll_interval_s:g}s")
        print(f"  {'to shut down':24} {times.shutdown_sum} = {times.shutdown_s:g}s")
        print(f"  {'':24} must be below the termination grace, {times.termination_grace_s:g}s")
        print()
    print(ink.red(summary(findings)) if errors(findings) else summary(findings))


def _as_json(findings: Sequence[Finding], needs: Needs | None) -> dict[str, object]:
    wrong = len(errors(findings))
    document: dict[str, object] = {
        "findings": [finding.as_json() for finding in findings],
        "errors": wrong,
        "warnings": len(findings) - wrong,
        "memory": None,
        "times": None,
    }
    if needs is not None:
        document["memory"] = {
            "total_bytes": needs.memory_bytes,
            "process_bytes": BASE_BYTES,
            "pipelines": {
                pipeline: {"total_bytes": ceiling.total, "parts": dict(ceiling.parts)}
                for pipeline, ceiling in needs.ceilings.items()
            },
        }
        document["times"] = {
            "giving_back_s": needs.times.revoke_s,
            "leaving_s": needs.times.shutdown_s,
            "max_poll_interval_s": needs.times.max_poll_interval_s,
            "termination_grace_s": needs.times.termination_grace_s,
        }
    return document


def _partitions(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 1_000_000:  # noqa: PLR2004 - beyond any cluster
        raise argparse.ArgumentTypeError(f"`{text}` is not a number of partitions")
    return int(text)


def _size(text: str) -> int:
    read = size(text)
    if isinstance(read, InvalidValue):
        raise argparse.ArgumentTypeError(f"`{text}` {read.message}: {read.hint}")
    return read
