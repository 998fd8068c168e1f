"""The exit codes of all commands, and the option they share."""

import argparse
from typing import Final

ENDED: Final = 0
"""Ended as asked."""

FAILED: Final = 1
"""Anything else, an interruption included."""

WRONG: Final = 2
"""Wrong usage, configuration or mapping."""


def add_config(parser: argparse.ArgumentParser) -> None:
    """Declare where a command's configuration stands."""
    parser.add_argument("--config", default="cdp.yaml", metavar="FILE", help="the configuration (default: cdp.yaml)")
