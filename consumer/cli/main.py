"""What a person types: `cdp-consumer COMMAND`, its options, its exit codes.

0: ended as asked. 2: wrong usage, configuration or mapping. 1: anything else, an interruption included.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from consumer import __version__
from consumer.cli.exit_codes import ENDED, FAILED, WRONG
from consumer.model.findings import nearest

COMMANDS = {
    "demo": "the whole path on this machine, with nothing installed but Python packages",
    "run": "the service",
    "check": "find what is wrong with the configuration and the mapping before anything starts",
    "translate": "events from a file or stdin to the exact requests; nothing is sent",
}
"""Command → one line of help. Each is a module of `consumer.cli`, imported only when it is called."""


class Parser(argparse.ArgumentParser):
    """Says everything in one readable block, with the name that was probably meant."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2 and one block: what is wrong, and where to look."""
        self.exit(WRONG, f"{self.prog}: {message}\n    see `{self.prog} --help`\n")

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse all words; every one that is not understood is named, with the nearest option."""
        parsed, unknown = self.parse_known_args(words)
        if unknown:
            self.error("; ".join(self._unknown(each) for each in unknown))
        return parsed

    def _unknown(self, argument: str) -> str:
        word = argument.partition("=")[0]
        names = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        meant = nearest(word, names) if word.startswith("-") else None
        return f"`{word}` is not understood" + (f" (did you mean `{meant}`?)" if meant else "")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; nothing a person can cause ends in a traceback."""
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("cdp-consumer: interrupted", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        # The reader of the pipe left (`| head`). Without this Python would complain once more while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except SystemExit as asked:  # argparse ends so: help, version, wrong usage
        return asked.code if isinstance(asked.code, int) else ENDED
    return code


def _run(words: list[str]) -> int:
    at = next((index for index, word in enumerate(words) if not word.startswith("-")), len(words))
    top = _top()
    top.parse(words[:at])
    if at == len(words):
        top.error("a command is missing: " + ", ".join(f"`{name}`" for name in COMMANDS))
    command = words[at]
    if command not in COMMANDS:
        meant = nearest(command, COMMANDS)
        named = ", ".join(f"`{name}`" for name in COMMANDS)
        top.error(f"there is no command `{command}`: " + (f"did you mean `{meant}`?" if meant else f"use {named}"))
    if command == "run":
        # Until the service has handlers of its own nothing was taken, so that nothing has to be given back: a platform
        # that changes its mind this early must not read of a crash.
        signal.signal(signal.SIGTERM, _ended)
    module = importlib.import_module(f"consumer.cli.{command}")
    parser = Parser(
        prog=f"{top.prog} {command}",
        description=module.__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return int(module.run(parser.parse(words[at + 1 :])))


def _ended(*_: object) -> NoReturn:
    sys.exit(ENDED)


def _top() -> Parser:
    commands = "\n".join(f"  {name:10} {text}" for name, text in COMMANDS.items())
    parser = Parser(
        prog="cdp-consumer",
        usage="cdp-consumer [-h] [--version] COMMAND …",
        description="Delivers Avro events from Kafka to Copilot.cx, Customer.io and Yotpo.",
        epilog=f"commands:\n{commands}\n\n`cdp-consumer COMMAND --help` tells more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"cdp-consumer {__version__}")
    return parser
