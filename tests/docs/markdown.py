"""What the documents' text holds: code blocks, code spans, links, headings, and commands within them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?P<ticks>`+)(?P<code>.+?)(?P=ticks)", re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)
_GENERATED = re.compile(r"<!-- (?P<name>[\w-]+) -->\n.*?<!-- /(?P=name) -->", re.DOTALL)
_SHELL_END = re.compile(r"\s+(?:#|\||&&|>|;)|$")


class Block(NamedTuple):
    """One fenced code block, without its indentation."""

    language: str
    text: str


def blocks(text: str) -> list[Block]:
    """Return every fenced code block."""
    found = []
    for match in _BLOCK.finditer(text):
        indent = len(match["indent"])
        found.append(Block(match["language"], "\n".join(line[indent:] for line in match["body"].splitlines()) + "\n"))
    return found


def without_blocks(text: str) -> str:
    """Return the text between the code blocks."""
    return _BLOCK.sub("", text)


def without_marked(text: str) -> str:
    """Return the text outside of marked parts, `<!-- name -->` to `<!-- /name -->`."""
    return _GENERATED.sub("", text)


def spans(text: str) -> list[str]:
    """Return every code span outside of code blocks, on one line."""
    return [" ".join(match["code"].split()) for match in _SPAN.finditer(without_blocks(text))]


def links(text: str) -> list[str]:
    """Return the target of every link."""
    return [match["target"] for match in _LINK.finditer(without_blocks(text))]


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    return {_anchor(match["title"]) for match in _HEADING.finditer(without_blocks(text))}


def _anchor(title: str) -> str:
    plain = re.sub(r"[`*]", "", title).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def shell_lines(text: str) -> Iterator[str]:
    """Yield each command of the shell blocks, and each code span: both may be commands."""
    for block in blocks(text):
        if block.language == "sh":
            yield from (line.strip() for line in block.text.replace("\\\n", " ").splitlines())
    yield from spans(text)


def commands(text: str, name: str) -> list[list[str]]:
    """Return the words after `name` of every command that begins with it, in shell blocks and code spans."""
    found = []
    for line in shell_lines(text):
        if line == name or line.startswith(f"{name} "):
            end = _SHELL_END.search(line)
            assert end is not None
            found.append(shlex.split(line[: end.start()])[1:])
    return found


def resolved(document: Path, target: str) -> tuple[Path, str]:
    """Return the file and the anchor that a link of a document points to."""
    path, _, anchor = target.partition("#")
    return (document.parent / path).resolve() if path else document, anchor
