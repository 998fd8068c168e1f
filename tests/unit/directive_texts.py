"""Directives parsed from a text, against a configuration with a few names."""

from __future__ import annotations

from consumer.directives.parser import ParsedDirectives, read_directives
from consumer.model.directives import Directive, DirectiveTargets

KNOWN = DirectiveTargets(
    ("copilot", "customerio"), ("shop.OrderPlaced", "shop.Seen"), ("shop.orders", "^shop[.]people[.].*")
)
END, END_MS = "2026-11-01T00:00:00Z", 1_793_491_200_000


def read(text: str) -> ParsedDirectives:
    return read_directives(text, "d.yaml", KNOWN)


def one(text: str) -> ParsedDirectives:
    """Parse a file of one directive, which begins on line 2, column 5."""
    return read(f"directives:\n  - {text}\n    until: {END}\n")


def directive(text: str) -> Directive:
    found = one(text)
    assert found.findings == ()
    assert found.directives is not None
    (single,) = found.directives
    return single


CANARY = "canary@example.com"
