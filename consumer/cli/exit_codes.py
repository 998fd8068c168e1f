"""The exit codes of all commands, and the option that most of them share."""

import argparse
from typing import Final

SUCCESS: Final = 0
"""The command did what it was asked to do."""

FAILURE: Final = 1
"""Any other failure, including an interruption."""

INVALID: Final = 2
"""Invalid usage, configuration or mapping."""


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the configuration file."""
    parser.add_argument("--config", default="cdp.yaml", metavar="FILE", help="configuration file (default: cdp.yaml)")
