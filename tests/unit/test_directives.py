"""Directives are parsed as documented, shown without their ordering key, and expire."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.directives.parser import ParsedDirectives, content_of, read_content
from consumer.model import DeadLetterCause
from consumer.model.directives import NONE, AcceptGap, AcceptRefusals, Directive, Directives, Pause, Quarantine
from tests.unit.directive_texts import CANARY, END, END_MS, KNOWN, directive, read

LOST = "the brokers lost a disk"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("pause: {destination: copilot}", Pause(END_MS, "", "copilot")),
        ("pause: {event_type: shop.Seen}", Pause(END_MS, "", None, "shop.Seen")),
        ("pause: {destination: copilot, event_type: shop.Seen}", Pause(END_MS, "", "copilot", "shop.Seen")),
        (
            "accept_refusals: {destination: copilot, event_type: shop.Seen, cause: contract}",
            AcceptRefusals(END_MS, "", DeadLetterCause.CONTRACT, "copilot", "shop.Seen"),
        ),
        (
            "accept_refusals: {event_type: shop.Seen, cause: refused}",
            AcceptRefusals(END_MS, "", DeadLetterCause.REFUSED, None, "shop.Seen"),
        ),
        (
            "accept_refusals: {topic: shop.people.new, cause: unknown_schema}",
            AcceptRefusals(END_MS, "", DeadLetterCause.UNKNOWN_SCHEMA, topic="shop.people.new"),
        ),
        ("quarantine: {position: shop.orders/3/1234}", Quarantine(END_MS, "", "shop.orders", 3, 1234)),
        (
            "quarantine: {topic: shop.orders, key: 17, destination: copilot}",
            Quarantine(END_MS, "", "shop.orders", key="17", destination="copilot"),
        ),
        ("quarantine: {topic: shop.orders, key: '${KEY} '}", Quarantine(END_MS, "", "shop.orders", key="${KEY} ")),
        (
            "accept_gap: {partition: shop.orders/0, from: 7, to: earliest}",
            AcceptGap(END_MS, "", "shop.orders", 0, 7, "earliest"),
        ),
        (
            "accept_gap: {partition: shop.orders/0, from: 0, to: latest}",
            AcceptGap(END_MS, "", "shop.orders", 0, 0, "latest"),
        ),
        (
            "accept_gap: {partition: shop.orders/12, from: 9223372036854775807, to: 0}",
            AcceptGap(END_MS, "", "shop.orders", 12, 2**63 - 1, 0),
        ),
    ],
)
def test_each_directive_is_parsed_as_documented(text: str, meant: Directive) -> None:
    assert directive(text) == meant
    assert directive(f"reason: they asked\n    {text}").reason == "they asked"


def test_directives_keep_file_order_and_may_be_expired() -> None:
    found = read(f"""\
directives:
  - pause: {{destination: copilot}}
    until: 1990-01-01T00:00:00+02:00
  - accept_gap: {{partition: shop.orders/1, from: 3, to: 5}}
    until: {END}
    reason: {LOST}
""")
    assert found == ParsedDirectives(
        Directives((Pause(631_144_800_000, "", "copilot"), AcceptGap(END_MS, LOST, "shop.orders", 1, 3, 5))), ()
    )
    assert found.directives is not None
    assert found.directives.in_force(END_MS - 1) == found.directives[1:]
    assert found.directives.in_force(END_MS) == NONE


@pytest.mark.parametrize("text", ["", "# nothing\n", "directives:\n", "directives: []\n", "{}\n", "\ufeff"])
def test_empty_file_has_no_directives(text: str) -> None:
    assert read(text) == ParsedDirectives(NONE, ())


def test_directive_never_shows_its_key() -> None:
    quarantine = directive(f"reason: {CANARY} complained\n    quarantine: {{topic: shop.orders, key: {CANARY}}}")
    assert isinstance(quarantine, Quarantine)
    assert quarantine.key == CANARY
    assert CANARY not in repr(quarantine)
    assert CANARY not in str(Directives((quarantine,)))
    assert quarantine.scope() == {"topic": "shop.orders", "key": "set"}


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("pause: {destination: copilot, event_type: shop.Seen}", {"destination": "copilot", "event_type": "shop.Seen"}),
        (
            "accept_refusals: {topic: shop.orders, cause: undecodable}",
            {"topic": "shop.orders", "cause": "undecodable"},
        ),
        (
            "quarantine: {position: shop.orders/3/12, destination: copilot}",
            {"position": "shop.orders/3/12", "destination": "copilot"},
        ),
        (
            "accept_gap: {partition: shop.orders/3, from: 5, to: 7}",
            {"partition": "shop.orders/3", "from": "5", "to": "7"},
        ),
    ],
)
def test_scope_of_a_directive_can_be_shown(text: str, scope: dict[str, str]) -> None:
    assert directive(text).scope() == scope


def test_directives_are_selected_by_kind() -> None:
    pause, accepted = Pause(1, "", "copilot"), AcceptRefusals(2, "", DeadLetterCause.CONTRACT, "copilot")
    quarantine, gap = Quarantine(3, "", "t", 1, 2), AcceptGap(4, "", "t", 1, 9, "earliest")
    all_of_them = Directives((gap, pause, quarantine, accepted))
    assert all_of_them.pauses == (pause,)
    assert all_of_them.accepted == (accepted,)
    assert all_of_them.quarantines == (quarantine,)
    assert all_of_them.gaps == (gap,)
    assert [each.kind for each in all_of_them] == ["accept_gap", "pause", "quarantine", "accept_refusals"]


# ── The file ──


def test_missing_file_has_no_directives_and_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    assert content_of(path) is None
    assert read_content(None, path, KNOWN) == ParsedDirectives(NONE, ())


def test_unreadable_file_is_rejected_with_the_reason(tmp_path: Path) -> None:
    found = read_content(content_of(tmp_path), tmp_path, KNOWN)
    assert found.directives is None
    assert [each.text() for each in found.findings] == [
        f"{tmp_path}: error: cannot be read: is a directory\n    check the path and its permissions"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"directives:\n# \xff\n", "is not UTF-8 text (byte 14)"),
        (b"# " + b"x" * (1 << 20), "is larger than 1048576 bytes"),
    ],
)
def test_file_that_is_no_text_or_too_large_is_rejected(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "d.yaml"
    path.write_bytes(content)
    found = read_content(content_of(path), path, KNOWN)
    assert found.directives is None
    assert [each.message for each in found.findings] == [message]


def test_good_file_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "d.yaml"
    path.write_text(f"directives:\n  - pause: {{destination: copilot}}\n    until: {END}\n")
    assert read_content(content_of(path), path, KNOWN) == ParsedDirectives(
        Directives((Pause(END_MS, "", "copilot"),)), ()
    )


GOOD = f"""\
directives:
  - quarantine: {{topic: shop.orders, key: {CANARY}}}
    until: {END}
  - accept_gap: {{partition: shop.orders/1, from: 3, to: 5}}
    until: {END}
"""


@settings(deadline=None)
@given(
    at=st.integers(0, len(GOOD)), junk=st.one_of(st.text(max_size=4), st.sampled_from(list("{}[]:#'\"&*!|>\n\t-?,")))
)
def test_any_content_gives_directives_or_findings(at: int, junk: str) -> None:
    found = read(GOOD[:at] + junk + GOOD[at:])
    assert (found.directives is None) == bool(found.findings)
    for finding in found.findings:
        assert finding.message
        assert CANARY not in finding.text()


@settings(deadline=None)
@given(at=st.integers(0, len(GOOD)))
def test_truncated_file_is_rejected_or_a_subset(at: int) -> None:
    found, whole = read(GOOD[:at]), read(GOOD).directives
    assert whole is not None
    assert found.directives is None or set(found.directives) <= set(whole)
