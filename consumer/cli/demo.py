"""Run the whole path on this machine: embedded Kafka, schema registry, a simulated shop, the service, three fakes.

The service is the one that `run` starts. The fakes are strict local servers of the three destinations' APIs. Every 33rd
record is bad on purpose.

At the end the accounting is compared, id by id, with what the servers received and what is in the dead-letter topic.
Exit code: 0 if they agree, else 1; 2 if the environment names a proxy or a certificate file that cannot be used.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from consumer.cli.exit_codes import FAILURE, INVALID, SUCCESS
from consumer.cli.output import print_findings
from consumer.config import scalar_parsers
from consumer.config.process_environment import environment_findings

if TYPE_CHECKING:
    from collections.abc import Callable

DESTINATIONS = ("copilot", "customerio", "yotpo")
_DURATION_S = 30.0
_PER_S = 250.0
_MAX_PER_S = 5_000.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--for", dest="for_s", type=_seconds, metavar="TIME", help="duration, such as 30s or 2m (default: 30s)"
    )
    parser.add_argument("--events", type=_count, metavar="N", help="stop after this many events")
    parser.add_argument(
        "--rate", type=_rate, default=_PER_S, metavar="N", help=f"events per second (default: {_PER_S:g})"
    )
    parser.add_argument("--keep-running", action="store_true", help="continue until Ctrl-C")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="seed of the simulated shop (default: 7)")
    parser.add_argument("--keep", action="store_true", help="keep the directory with the configuration and the log")
    faults = parser.add_argument_group("faults")
    faults.add_argument(
        "--outage", choices=DESTINATIONS, help="this destination answers 503 for the middle third of the duration"
    )
    faults.add_argument(
        "--poison",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="share of events that make a destination refuse the whole request, such as 1%%",
    )
    faults.add_argument(
        "--expire-credentials",
        action="store_true",
        help="all secrets and tokens expire after a third of the duration; new secrets follow shortly after",
    )
    faults.add_argument(
        "--lie", choices=DESTINATIONS, help="this server loses an event, so that the accounting does not agree"
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo; return 0 if the accounting agrees, else 1."""
    from rich.console import Console  # noqa: PLC0415 - `--help` is quick without them

    wrong = environment_findings(os.environ)
    if wrong:
        print_findings(wrong, sys.stderr)
        return INVALID
    from consumer.demo.environment import DemoError, Options  # noqa: PLC0415
    from consumer.demo.event_producer import ProductionRate  # noqa: PLC0415
    from consumer.demo.fault_schedule import FaultOptions  # noqa: PLC0415
    from consumer.demo.runner import run_demo  # noqa: PLC0415

    for_s = args.for_s
    if for_s is None and args.events is None and not args.keep_running:
        for_s = _DURATION_S
    options = Options(
        seed=args.seed,
        rate=ProductionRate(per_s=args.rate, for_s=for_s, events=args.events, poison=args.poison),
        faults=FaultOptions(args.outage, args.expire_credentials, args.lie),
        keep_running=args.keep_running,
        keep=args.keep,
    )
    console = Console(soft_wrap=False, highlight=False, width=None if sys.stdout.isatty() else 110)
    try:
        return SUCCESS if run_demo(options, console) else FAILURE
    except DemoError as error:
        print(f"cdp-consumer demo: {error}", file=sys.stderr)
        return FAILURE


def _parsed(read: Callable[[str], float | scalar_parsers.InvalidValue], text: str) -> float:
    value = read(text)
    if isinstance(value, scalar_parsers.InvalidValue):
        raise argparse.ArgumentTypeError(f"`{text}` {value.message}" + (f" ({value.hint})" if value.hint else ""))
    return value


def _seconds(text: str) -> float:
    seconds = _parsed(scalar_parsers.duration, f"{text}s" if text.isdecimal() else text)
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"`{text}` is not longer than 0s; write `30s` or `2m`")
    return seconds


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number above 0")
    return number


def _rate(text: str) -> float:
    try:
        rate = float(text.removesuffix("/s"))
    except ValueError:
        rate = 0.0
    if not 0 < rate <= _MAX_PER_S:
        raise argparse.ArgumentTypeError(f"`{text}` is not a rate; write a number above 0 and up to {_MAX_PER_S:g}")
    return rate


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a share; write `1%` or `0.01`")
    return share
