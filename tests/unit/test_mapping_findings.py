"""Every finding of a mapping file, with its position and hint; all of them are reported at once."""

from __future__ import annotations

import pytest

from consumer.model.findings import Finding
from consumer.translation.mapping.rules import EventMapping
from tests.unit.translator_harness import FakeDestination, load_text

HEAD = "version: 1\nevents:\n  shop.E:\n"
DELIVER = HEAD + "    deliver:\n"
ADD = DELIVER + "      - to: vendor.add\n"
FIELDS = ADD + "        fields:\n"


def load(text: str) -> tuple[EventMapping | None, list[Finding]]:
    return load_text(text, {"vendor": FakeDestination(), "other": FakeDestination("other")})


# (name, yaml, line, column, part of the message, part of the hint)
CATALOGUE: list[tuple[str, str, int, int, str, str]] = [
    # the file
    ("not yaml", "a: [", 1, 5, "is not YAML", ""),
    ("empty", "", 1, 1, "must be a mapping with `version` and `events`", ""),
    ("a list", "- a", 1, 1, "must be a mapping with `version` and `events`", ""),
    ("no version", "events: {}", 1, 1, "`version` is missing", "version: 1"),
    ("another version", "version: 2\nevents: {}", 1, 10, "must be 1", ""),
    ("a text for version", 'version: "1"\nevents: {}', 1, 10, "must be 1", ""),
    ("true for version", "version: true\nevents: {}", 1, 10, "must be 1", ""),
    ("no events", "version: 1", 1, 1, "`events` is missing", "deliver"),
    ("events empty", "version: 1\nevents:", 2, 1, "must be a mapping of Avro record names", "indent"),
    ("an unknown key", "version: 1\nevent: {}\nevents: {}", 2, 1, "unknown key `event`", "did you mean `events`?"),
    ("a key twice", "version: 1\nversion: 1\nevents: {}", 2, 1, "is given twice", "line 1"),
    # an event
    ("an event without entries", HEAD + "    id: a", 4, 5, "`deliver` is missing", "add `deliver:`"),
    ("an event that is a list", HEAD + "    - to: vendor.add", 4, 5, "must be a mapping with `deliver`", ""),
    ("deliver as a mapping", DELIVER + "      to: vendor.add", 5, 7, "must be a list of entries", "- to"),
    ("deliver without any", HEAD + "    deliver: []", 4, 14, "must be a list of entries", ""),
    (
        "a misspelt event key",
        HEAD + "    tiem: a\n    deliver: [{to: vendor.add}]",
        4,
        5,
        "unknown key `tiem`",
        "`time`",
    ),
    (
        "an id that is a number",
        HEAD + "    id: 5\n    deliver: [{to: vendor.add}]",
        4,
        9,
        "YAML reads a number",
        "'`5`'",
    ),
    # destination and target
    ("no destination", DELIVER + "      - name: x", 5, 9, "`to` is missing", "destination.target"),
    (
        "an unknown destination",
        DELIVER + "      - to: vendr.add",
        5,
        13,
        "`vendr` is not configured",
        "`vendor`",
    ),
    ("an unknown target", DELIVER + "      - to: vendor.dda", 5, 20, "vendor has no target `dda`", "`add`"),
    (
        "an unknown target without a near name",
        DELIVER + "      - to: vendor.xyz",
        5,
        20,
        "no target `xyz`",
        "`consent`",
    ),
    ("no target", DELIVER + "      - to: vendor", 5, 13, "`vendor` names no target", ""),
    ("a destination that is a number", DELIVER + "      - to: 5", 5, 13, "YAML reads a number", 'quote it: "5"'),
    ("a misspelt key", ADD + "        wen: a", 6, 9, "unknown key `wen`", "`when`"),
    ("an entry that is a text", DELIVER + "      - vendor.add", 5, 9, "must be a mapping that begins with `to", ""),
    # names and labels
    ("a missing name", DELIVER + "      - to: vendor.call", 5, 9, "`name` is missing; vendor.call needs one", ""),
    (
        "a name where none is allowed",
        DELIVER + "      - {to: vendor.consent, name: x, fields: {user: a}}",
        5,
        30,
        "takes no name",
        "",
    ),
    ("a name that is a number", ADD + "        name: 123", 6, 15, "YAML reads a number", 'quote it: "123"'),
    ("a name that is a boolean", ADD + "        name: true", 6, 15, "YAML reads a boolean", 'quote it: "true"'),
    ("a name that is empty", ADD + "        name:", 6, 9, "is empty", ""),
    ("a name that is blank", ADD + '        name: " "', 6, 15, "must not be blank", "write a name"),
    ("a name that is a list", ADD + "        name: [a]", 6, 15, "must be text, not a list", "quote it"),
    ("a name refused", ADD + "        name: misspelt", 6, 15, "this name is misspelt", "correct the name"),
    ("a label twice", ADD + "      - to: other.add", 6, 13, "has the label `add` like the entry on line 5", "label:"),
    (
        "a label of its own twice",
        DELIVER + "      - {to: vendor.add, label: a}\n      - {to: vendor.add, name: x, label: a}",
        6,
        42,
        "has the label `a`",
        "",
    ),
    # fields of the target
    (
        "an unknown field",
        DELIVER + "      - to: vendor.strict\n        fields: {usr: a, user: a, extra: {city: a}, mail: a}",
        6,
        18,
        "this target has no field `usr`",
        "`user`",
    ),
    (
        "an unknown inner field",
        DELIVER + "      - to: vendor.strict\n        fields: {user: a, extra: {ctiy: a}, mail: a}",
        6,
        35,
        "this object has no field `ctiy`",
        "`city`",
    ),
    (
        "a missing field",
        DELIVER + "      - to: vendor.strict\n        fields: {extra: {city: a}, mail: a}",
        6,
        17,
        "mandatory field `user` is missing",
        "",
    ),
    ("no fields at all", DELIVER + "      - to: vendor.consent", 5, 9, "mandatory field `user` is missing", ""),
    (
        "one of two",
        DELIVER + "      - to: vendor.strict\n        fields: {user: a, extra: {city: a}}",
        6,
        17,
        "`mail` or `phone` is missing",
        "",
    ),
    (
        "a gated consent",
        DELIVER + "      - to: vendor.consent\n        consent: ok\n        fields: {user: a}",
        6,
        9,
        "must not gate a call that sets consent",
        "remove `consent`",
    ),
    (
        "a gated field of consent",
        DELIVER + "      - to: vendor.strict\n        consent: ok\n"
        "        fields: {user: a, extra: {city: a}, mail: a, opted_out: b}",
        6,
        9,
        "must not gate a call that sets consent",
        "remove `consent`",
    ),
    # elements
    ("each without id", ADD + "        each: items", 6, 9, "`id` is missing; each element needs its own", ""),
    ("id without each", ADD + "        id: a", 6, 9, "is only valid together with `each`", ""),
    ("each without fields", FIELDS + "          a: {each: b}", 7, 14, "has `each` but no `fields`", ""),
    # expressions, and what YAML reads instead
    ("a syntax error", FIELDS + "          a: b..c", 7, 16, "is not JMESPath at `.c`", ""),
    ("a syntax error in quotes", FIELDS + '          a: "b..c"', 7, 17, "is not JMESPath at `.c`", ""),
    ("an unknown function", FIELDS + "          a: cent(b)", 7, 14, "calls the unknown function cent()", "`cents`"),
    (
        "cut at a comment",
        ADD + "        when: s == 'a #b'",
        6,
        20,
        "YAML reads `#` as the start of a comment",
        "quote the whole",
    ),
    (
        "cut at a comma",
        ADD + "        fields: {a: concat(b, c)}",
        6,
        29,
        "YAML reads `,` as the end of the value",
        "quote the whole",
    ),
    ("an expression that is a mapping", ADD + "        when: {a: b}", 6, 15, "YAML reads a mapping (`{…}`)", "quote"),
    ("an expression that is a list", ADD + "        when: [a]", 6, 15, "YAML reads a list", "quote"),
    ("an expression that is a boolean", ADD + "        when: true", 6, 15, "YAML reads a boolean", "'`true`'"),
    ("a bare true in when", ADD + "        when: agreed == true", 6, 25, "names a field true", "in backticks: `true`"),
    ("a bare null in consent", ADD + "        consent: a != null", 6, 23, "names a field null", "in backticks: `null`"),
    ("a bare false in a field", FIELDS + "          a: if(b, c, false)", 7, 23, "names a field false", "`false`"),
    ("an expression that is empty", ADD + "        when:", 6, 9, "must be an expression, but is empty", ""),
    ("a function as a key", FIELDS + "          cents(total): ", 7, 11, "is empty", "remove the field"),
    ("a field that is null", FIELDS + "          a: null", 7, 14, "is null", "{value: null}"),
    ("a field that is no number", FIELDS + "          a: .nan", 7, 14, "must be a finite number", ""),
    ("a constant that is no number", FIELDS + "          a: {value: [.inf]}", 7, 23, "must be a finite number", ""),
    (
        "a constant with other keys",
        FIELDS + "          a: {value: 1, x: b}",
        7,
        22,
        "is a constant with other keys",
        "alone",
    ),
    ("a constant that is empty", FIELDS + "          a: {value: }", 7, 15, "is empty", ""),
    ("an empty object", FIELDS + "          a: {}", 7, 14, "is an empty mapping", ""),
    ("a merge key", FIELDS + "          <<: {a: b}", 7, 11, "is a merge key", "write the fields out"),
    ("fields as a list", ADD + "        fields: [a]", 6, 17, "must be a mapping of fields to expressions", ""),
]


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "hint"), [each[1:] for each in CATALOGUE], ids=[each[0] for each in CATALOGUE]
)
def test_finding_has_message_position_and_hint(text: str, line: int, column: int, message: str, hint: str) -> None:
    mapping, findings = load(text)
    assert mapping is None
    assert len(findings) == 1, [finding.text() for finding in findings]
    assert message in findings[0].message
    assert hint in findings[0].hint
    assert (findings[0].line, findings[0].column) == (line, column)
    assert findings[0].severity == "error"


def test_all_findings_are_reported_in_file_order() -> None:
    text = FIELDS + "          a: b..c\n          d: nope(x)\n        whn: e\n      - {to: vendr.call, name: x}\n"
    _, findings = load(text)
    assert [finding.line for finding in findings] == [7, 8, 9, 10]
    assert [finding.path for finding in findings] == [
        "events.shop.E.deliver[0].fields.a",
        "events.shop.E.deliver[0].fields.d",
        "events.shop.E.deliver[0].whn",
        "events.shop.E.deliver[1].to",
    ]


@pytest.mark.parametrize(
    "fields",
    [
        "{a: b, c: [d, e]}",
        "{a: 1, b: 1.10, c: true, d: {value: null}, e: {value: {x: [1, null]}}}",
        "{a: yes, b: no, c: on}",
        "{a: status == 'PAID'}  # a comment that cuts nothing",
        "{a: {each: items, fields: {b: c}}, d: {each: items, fields: sku}}",
        '{a: "{value: amount}"}',
        "{a: &x b, c: *x}",
    ],
)
def test_valid_fields_have_no_findings(fields: str) -> None:
    mapping, findings = load(ADD + f"        fields: {fields}")
    assert not findings
    assert mapping is not None


def version(text: str) -> str:
    mapping, findings = load(text)
    assert not findings
    assert mapping is not None
    return mapping.version


def test_layout_does_not_change_the_version() -> None:
    plain = version(FIELDS + "          a: b\n          c: 1.10\n")
    laid_out = 'events: {shop.E: {deliver: [{fields: {c: 1.10, "a": "b"}, to: vendor.add}]}}  # same\nversion: 1'
    assert version(laid_out) == plain
    assert len(plain) == 64


@pytest.mark.parametrize("fields", ["a: d", "a: b\n          c: 1.1", "z: b\n          c: 1.10"])
def test_content_changes_the_version(fields: str) -> None:
    assert version(FIELDS + f"          {fields}\n") != version(FIELDS + "          a: b\n          c: 1.10\n")


def test_default_label_is_target_and_name() -> None:
    text = ADD + "      - {to: vendor.call, name: Order Completed}\n      - {to: vendor.add, label: mine}\n"
    mapping, findings = load(text)
    assert not findings
    assert mapping is not None
    assert [entry.label for entry in mapping.entries()] == ["add", "call:Order Completed", "mine"]
