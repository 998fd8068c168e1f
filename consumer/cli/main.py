"""The entry point: `cdp-consumer COMMAND`, its options and its exit codes.

0: success. 2: invalid usage, configuration or mapping. 1: any other failure, including an interruption.
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
from consumer.cli.exit_codes import FAILURE, INVALID, SUCCESS
from consumer.cli.output import print_every_character
from consumer.model.findings import nearest

COMMANDS = {
    "demo": "run the whole path on this machine; it needs nothing but Python packages",
    "run": "run the service",
    "check": "check the configuration and the mapping; print the maximum memory and times",
    "translate": "print the requests that events would become; send nothing",
}
"""Command → one line of help. Each command is a module of `consumer.cli` that is imported only when it runs."""


class _Paragraphs(argparse.HelpFormatter):
    """Wraps each paragraph of a description to the terminal. Keeps indented lines, such as tables, as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = [each for each in text.strip().split("\n\n") if each]
        return "\n\n".join(
            each if "\n  " in each else super(_Paragraphs, self)._fill_text(each, width, indent) for each in paragraphs
        )


class Parser(argparse.ArgumentParser):
    """Reports every usage error in one readable block, with the option that was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and where to find help, and exit with code 2."""
        self.exit(INVALID, f"{self.prog}: {message}\n    see `{self.prog} --help`\n")

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse all words. Name each unknown one, with the nearest option."""
        parsed, unknown = self.parse_known_args(words)
        if unknown:
            self.error("; ".join(self._unknown(each) for each in unknown))
        return parsed

    def _unknown(self, argument: str) -> str:
        word = argument.partition("=")[0]
        names = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        meant = nearest(word, names) if word.startswith("-") else None
        return f"unknown argument `{word}`" + (f" (did you mean `{meant}`?)" if meant else "")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. No mistake of the user ends in a traceback."""
    print_every_character()
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("cdp-consumer: interrupted", file=sys.stderr)
        return FAILURE
    except BrokenPipeError:
        # The reader of the pipe has closed it (`| head`). Without this, Python would print an error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except SystemExit as end:  # argparse raises it after help, version and usage errors
        return end.code if isinstance(end.code, int) else SUCCESS
    return code


def _run(words: list[str]) -> int:
    at = next((index for index, word in enumerate(words) if not word.startswith("-")), len(words))
    top = _top()
    top.parse(words[:at])
    if at == len(words):
        top.error("a command is missing; use one of " + ", ".join(f"`{name}`" for name in COMMANDS))
    command = words[at]
    if command not in COMMANDS:
        meant = nearest(command, COMMANDS)
        named = ", ".join(f"`{name}`" for name in COMMANDS)
        top.error(f"unknown command `{command}`: " + (f"did you mean `{meant}`?" if meant else f"use one of {named}"))
    if command == "run":
        # Until the service sets its own handlers, it has consumed nothing and needs no drain. A SIGTERM this early must
        # not look like a crash.
        signal.signal(signal.SIGTERM, _exit_successfully)
    module = importlib.import_module(f"consumer.cli.{command}")
    parser = Parser(
        prog=f"{top.prog} {command}",
        description=module.__doc__,
        allow_abbrev=False,
        formatter_class=_Paragraphs,
    )
    module.add_arguments(parser)
    return int(module.run(parser.parse(words[at + 1 :])))


def _exit_successfully(*_: object) -> NoReturn:
    sys.exit(SUCCESS)


def _top() -> Parser:
    commands = "\n".join(f"  {name:10} {text}" for name, text in COMMANDS.items())
    parser = Parser(
        prog="cdp-consumer",
        usage="cdp-consumer [-h] [--version] COMMAND [OPTIONS]",
        description="Delivers Avro events from Kafka to Copilot.cx, Customer.io and Yotpo.",
        epilog=f"commands:\n{commands}\n\n"
        "exit codes:\n  0  success\n  1  failure or interruption\n  2  invalid usage, configuration or mapping\n\n"
        "`cdp-consumer COMMAND --help` describes the options of a command.",
        formatter_class=_Paragraphs,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"cdp-consumer {__version__}")
    return parser
