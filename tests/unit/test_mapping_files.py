"""A mapping of several files: findings of all of them, and one version."""

from __future__ import annotations

from pathlib import Path

from consumer.translation.mapping.loader import load_mapping
from consumer.translation.mapping.version import version_of
from consumer.yaml_document import Node, read_text
from tests.unit.translator_harness import FakeDestination

GOOD = "version: 1\nevents:\n  shop.E:\n    deliver: [{to: vendor.add}]\n"
BAD = "version: 1\nevents:\n  shop.F:\n    deliver: [{to: vendor.dda}]\n"


def tree(text: str) -> Node:
    node, findings = read_text(text, "f.yaml")
    assert node is not None
    assert not findings
    return node


def test_unreadable_file_does_not_hide_findings_of_the_next(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    files = [tmp_path / "none.yaml", tmp_path / "bad.yaml"]
    mapping, findings = load_mapping(files, {"vendor": FakeDestination()}, shown_names=["none.yaml", "bad.yaml"])
    assert mapping is None
    texts = "\n".join(finding.text() for finding in findings)
    assert "none.yaml: error: cannot be read: no such file or directory" in texts
    assert "bad.yaml:4:27: error:" in texts


def test_missing_file_makes_the_mapping_unusable(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    mapping, findings = load_mapping([tmp_path / "good.yaml", tmp_path / "none.yaml"], {"vendor": FakeDestination()})
    assert mapping is None, "its deliveries would be skipped, and their offsets committed"
    assert len(findings) == 1


def test_event_type_in_two_files_is_an_error(tmp_path: Path) -> None:
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text(GOOD)
    files = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    mapping, findings = load_mapping(files, {"vendor": FakeDestination()}, shown_names=["one.yaml", "two.yaml"])
    assert mapping is None
    assert [finding.text() for finding in findings] == [
        "two.yaml:3:3: error: events.shop.E: is mapped in one.yaml already\n    keep one of the two"
    ]


def test_events_of_several_files_are_merged(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GOOD)
    (tmp_path / "two.yaml").write_text(GOOD.replace("shop.E", "shop.F"))
    mapping, findings = load_mapping([tmp_path / "one.yaml", tmp_path / "two.yaml"], {"vendor": FakeDestination()})
    assert not findings
    assert mapping is not None
    assert [entry.event_type for entry in mapping.entries()] == ["shop.E", "shop.F"]


def test_document_without_events_does_not_change_the_version() -> None:
    alone = version_of([tree(GOOD)])
    assert version_of([tree(GOOD), tree("events: {}"), tree("version: 1"), tree("[]")]) == alone
    assert version_of([tree(GOOD), tree(BAD)]) != alone
