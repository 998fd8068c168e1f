"""`cdp-consumer demo`: the whole path on one machine, and at the end the books.

An embedded Kafka, a schema registry, the three destinations as strict local servers and a shop that lives; the service
between them is the one that `run` starts. Every 33rd record is bad on purpose. The exit code is 0 only if what the
servers and the dead-letter topic really hold is, id by id, what was owed to them.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from consumer.cli.exit_codes import ENDED, FAILED
from consumer.config import scalar_parsers

if TYPE_CHECKING:
    from collections.abc import Callable

DESTINATIONS = ("copilot", "customerio", "yotpo")
_FOR_S = 30.0
_PER_S = 250.0
_MOST_PER_S = 5_000.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--for", dest="for_s", type=_seconds, metavar="TIME", help="how long the shop is open: 30s, 2m")
    parser.add_argument("--events", type=_count, metavar="N", help="close the shop after this many events")
    parser.add_argument(
        "--rate", type=_rate, default=_PER_S, metavar="N", help=f"events a second (default: {_PER_S:g})"
    )
    parser.add_argument("--keep-running", action="store_true", help="go on until Ctrl-C")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="another life of the shop (default: 7)")
    parser.add_argument("--keep", action="store_true", help="keep the folder of the configuration and the log")
    faults = parser.add_argument_group("faults")
    faults.add_argument(
        "--outage", choices=DESTINATIONS, help="this one answers 503 for the middle third of the time, then is mended"
    )
    faults.add_argument(
        "--poison",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="so many of the events make a destination refuse the whole request they are in: 1%%",
    )
    faults.add_argument(
        "--expire-credentials",
        action="store_true",
        help="all secrets and tokens expire a third into the time; new secrets come a little later",
    )
    faults.add_argument(
        "--lie", choices=DESTINATIONS, help="let one local server lose an event, to see the books catch it"
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo; 0 if the books agree, 1 if they do not or it could not be run."""
    from rich.console import Console  # noqa: PLC0415 - `--help` is quick without them

    from consumer.demo.environment import DemoError, Options  # noqa: PLC0415
    from consumer.demo.event_producer import ProductionRate  # noqa: PLC0415
    from consumer.demo.fault_schedule import FaultOptions  # noqa: PLC0415
    from consumer.demo.runner import run_demo  # noqa: PLC0415

    for_s = args.for_s
    if for_s is None and args.events is None and not args.keep_running:
        for_s = _FOR_S
    options = Options(
        seed=args.seed,
        rate=ProductionRate(per_s=args.rate, for_s=for_s, events=args.events, poison=args.poison),
        faults=FaultOptions(args.outage, args.expire_credentials, args.lie),
        keep_running=args.keep_running,
        keep=args.keep,
    )
    console = Console(soft_wrap=False, highlight=False, width=None if sys.stdout.isatty() else 110)
    try:
        return ENDED if run_demo(options, console) else FAILED
    except DemoError as error:
        print(f"cdp-consumer demo: {error}", file=sys.stderr)
        return FAILED


def _parsed(read: Callable[[str], float | scalar_parsers.InvalidValue], text: str) -> float:
    value = read(text)
    if isinstance(value, scalar_parsers.InvalidValue):
        raise argparse.ArgumentTypeError(f"`{text}` {value.message}" + (f" ({value.hint})" if value.hint else ""))
    return value


def _seconds(text: str) -> float:
    seconds = _parsed(scalar_parsers.duration, f"{text}s" if text.isdecimal() else text)
    if seconds <= 0:
        raise argparse.ArgumentTypeError("it must be longer than nothing: 30s, 2m")
    return seconds


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is no whole number above 0")
    return number


def _rate(text: str) -> float:
    try:
        rate = float(text.removesuffix("/s"))
    except ValueError:
        rate = 0.0
    if not 0 < rate <= _MOST_PER_S:
        raise argparse.ArgumentTypeError(f"`{text}` is no rate above 0 and up to {_MOST_PER_S:g} events a second")
    return rate


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"`{text}` is no share: write 1% or 0.01")
    return share
