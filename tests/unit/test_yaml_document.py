"""Nodes have their positions and the values of the core schema; no text makes reading raise."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.yaml_document import Items, Node, Scalar, Table, read_file, read_text


def table(text: str) -> Table:
    node, findings = read_text(text, "f.yaml")
    assert not findings
    assert isinstance(node, Table)
    return node


def value_of(text: str) -> object:
    node = table(f"key: {text}").get("key")
    assert isinstance(node, Scalar)
    return node.value


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("yes", "yes"),
        ("No", "No"),
        ("on", "on"),
        ("off", "off"),
        ("2026-11-01", "2026-11-01"),
        ("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z"),
        ("12:30:00", "12:30:00"),
        ("1_000", "1_000"),
        ("0777", 777),
        ("0o17", 15),
        ("0x1F", 31),
        ("-12", -12),
        ("true", True),
        ("TRUE", True),
        ("False", False),
        ("tRue", "tRue"),
        ("null", None),
        ("~", None),
        ("", None),
        ('"null"', "null"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("<<", "<<"),
        ("9" * 1000, int("9" * 1000)),
        ("9" * 1001, "9" * 1001),
    ],
)
def test_scalars_have_the_values_of_the_core_schema(written: str, meant: object) -> None:
    value = value_of(written)
    assert value == meant
    assert type(value) is type(meant)


def test_fractions_are_exact() -> None:
    assert value_of("1.10") == Decimal("1.10")
    assert str(value_of("1.10")) == "1.10"
    assert value_of("1e3") == Decimal(1000)
    assert value_of(".inf") == float("inf")


def test_positions_count_from_one_in_characters() -> None:
    root = table("a: 1\nb:\n  ü: [x, {y: z}]\n")
    b = root.get("b")
    assert isinstance(b, Table)
    assert (b.line, b.column) == (3, 3)
    items = b.get("ü")
    assert isinstance(items, Items)
    assert items.flow
    inner = items.items[1]
    assert isinstance(inner, Table)
    key = inner.key("y")
    assert key is not None
    assert (key.line, key.column) == (3, 11)


def test_text_after_a_value_is_kept() -> None:
    root = table(
        "when: status == 'PAID' # and more\nflow: {a: b c, d: e}\nquoted: 'x' # y\nblock: |\n  text\nlast: 1\n"
    )
    when, quoted, block = root.get("when"), root.get("quoted"), root.get("block")
    assert isinstance(when, Scalar)
    assert (when.text, when.after, when.plain) == ("status == 'PAID'", "# and more", True)
    assert isinstance(quoted, Scalar)
    assert (quoted.plain, quoted.after) == (False, "# y")
    assert isinstance(block, Scalar)
    assert block.after == ""


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "the key `a` is given twice"),
        ("a: [", 1, 5, "is not YAML"),
        ("a: b: c", 1, 5, "is not YAML: mapping values are not allowed here"),
        ("a: @x", 1, 4, "is not YAML"),
        ("a: 1\n---\nb: 2\n", 2, 1, "contains a second document"),
        ("a: !secret x", 1, 4, "tags are not allowed here"),
        ("a: !!int 3", 1, 4, "tags are not allowed here"),
        ("a: !x [1]", 1, 4, "tags are not allowed here"),
        ("a: *nobody", 1, 4, "`*nobody` has no finished anchor before it"),
        ("a: &me [*me]", 1, 9, "`*me` has no finished anchor before it"),
        ("? [q]\n: z\n", 1, 3, "a key must be a single value, not a list or a mapping"),
        ("a: b\nc: \x00", 2, 4, "contains a character that YAML does not allow"),
        ("[" * 80 + "]" * 80, 1, 66, "is nested more than 64 levels deep"),
    ],
)
def test_error_has_its_position(text: str, line: int, column: int, message: str) -> None:
    _, findings = read_text(text, "f.yaml")
    assert len(findings) == 1
    [finding] = findings
    assert (finding.file, finding.line, finding.column) == ("f.yaml", line, column)
    assert finding.message.startswith(message)
    assert finding.hint


@pytest.mark.parametrize(
    ("text", "line", "column", "hint"),
    [
        ("a: 1\n\tb: 2\n", 2, 1, "replace the tab with spaces"),
        ("a: @x", 1, 4, "put the value in quotes"),
        ("a 1\nb: 2\n", 1, 1, "write a `:` and a space after the key"),
        ("a: 1\n\nb https://x\nc: 2\n", 3, 1, "write a `:` and a space after the key"),
        ("a: 1\nb c\nd:\n  e: 1\n", 2, 1, "write a `:` and a space after the key"),
        ("a: 1\n b: 2\n", 2, 3, "put a value that contains `: ` in quotes, and check the indentation"),
        ("a: b: c", 1, 5, "put a value that contains `: ` in quotes, and check the indentation"),
        ("a:\n  - to: b\n  name: c\n", 3, 3, "begin each item of the list with `- `, and align them"),
        ("a:\n  to: b\n  - to: c\n", 3, 3, "align the items of a list, and indent them below their key"),
        ("a:\n    b: 1\n  c: 2\n", 3, 3, "give all keys of one mapping the same indentation"),
        ("a: 'it's'\n", 1, 8, "check the quotes: within single quotes, write a single quote twice"),
        ('a: "b\nc: d\n', 1, 4, "close the quote that opens here"),
        ("a: [1, 2\nb: 3\n", 2, 2, "close each bracket and brace, and separate values with commas"),
        ("a: &\n", 1, 5, "check quotes, brackets and indentation"),
    ],
)
def test_syntax_error_has_position_and_hint_of_the_mistake(text: str, line: int, column: int, hint: str) -> None:
    _, [finding] = read_text(text, "f.yaml")
    assert (finding.line, finding.column, finding.hint) == (line, column, hint)


@pytest.mark.parametrize("text", ['a: "\\UFFFFFFFF"', 'a: "\\U00110000"', "%YAML 1.3\n---\na: 1"])
def test_exception_of_the_library_becomes_a_finding(text: str) -> None:
    node, findings = read_text(text, "f.yaml")
    assert node is None
    assert [finding.text() for finding in findings] == [
        "f.yaml: error: is not YAML\n    check quotes, brackets and indentation"
    ]


def test_anchors_are_shared_and_alias_bombs_are_refused() -> None:
    root = table("a: &x {b: 1}\nc: *x\n")
    assert root.get("a") is root.get("c")
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    _, findings = read_text("\n".join(lines), "f.yaml")
    assert "values, with aliases expanded" in findings[0].message


def test_missing_file_or_binary_file_is_a_finding(tmp_path: Path) -> None:
    node, findings = read_file(tmp_path / "none.yaml", "none.yaml")
    assert node is None
    assert findings[0].text().startswith("none.yaml: error: cannot be read: no such file or directory")
    (tmp_path / "bytes.yaml").write_bytes(b"a: \xff\xfe")
    node, findings = read_file(tmp_path / "bytes.yaml")
    assert node is None
    assert "is not UTF-8 text" in findings[0].message
    assert read_file(tmp_path)[0] is None
    assert read_file(Path("a\0b"))[0] is None


def test_byte_order_mark_and_empty_file_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    node, findings = read_file(tmp_path / "bom.yaml")
    assert isinstance(node, Table)
    assert not findings
    node, findings = read_text("# nothing\n", "f.yaml")
    assert isinstance(node, Scalar)
    assert node.value is None
    assert not findings


def check_positions(node: Node, lines: int) -> None:
    assert 1 <= node.line <= lines
    assert node.column >= 1
    if isinstance(node, Items):
        for item in node.items:
            check_positions(item, lines)
    elif isinstance(node, Table):
        assert len(set(node.names())) == len(node.entries)
        for _, value in node.entries:
            check_positions(value, lines)


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("{}[],:&*#?|->'\"%@`!\n\t ab1.")), max_size=60))
@example("a: {b: [c, [d]]}\n? e\n: |\n  f\n")  # random text is rarely a tree
def test_any_text_gives_a_tree_or_findings(text: str) -> None:
    node, findings = read_text(text, "f.yaml")
    if node is None:
        assert any(finding.severity == "error" for finding in findings)
    else:
        check_positions(node, text.count("\n") + text.count("\r") + text.count("\x85") + len(text) + 1)
