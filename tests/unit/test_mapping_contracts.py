"""What a destination can never accept is found in the mapping itself: names, shapes, numbers and constants."""

from __future__ import annotations

import pytest

from consumer.config.destinations import placeholder
from consumer.destinations.kinds import KINDS
from tests.unit.translator_harness import load_text

HEAD = "version: 1\nevents:\n  library.Lent:\n    deliver:\n"
YOTPO = "      - to: yotpo.event\n        name: lent\n        fields: "
TWENTY = ", ".join(f"p{number}: book" for number in range(19))
CUSTOM = "      - to: copilot.custom_event\n        name: lent\n        fields: "
TRACK = "      - to: customerio.track\n        name: Lent\n        fields: "
DESTINATIONS = {kind: placeholder(kind) for kind in KINDS}

# (entry, text at which the finding stands, part of the message)
REFUSED = [
    (YOTPO + "{customer: {external_id: a}, properties: {shelfMark: b}}", "shelfMark", "name must be lower-case"),
    (YOTPO + "{customer: {external_id: a}, properties: {" + "m" * 33 + ": b}}", "m" * 33, "at most 32 characters"),
    (YOTPO + "{customer: {external_id: a}, properties: {book: {title: b}}}", "{title", "every value must be text"),
    (YOTPO + "{customer: {external_id: a}, properties: {books: [b]}}", "[b]", "every value must be text"),
    (YOTPO + "{customer: {external_id: a}, properties: {b: {each: c, fields: d}}}", "{each", "every value must be"),
    (YOTPO + "{customer: {external_id: a}, properties: {b: {value: null}}}", "null", "every value must be text"),
    (YOTPO + '{customer: {external_id: a}, properties: {b: {value: "' + "x" * 256 + '"}}}', '"xx', "255 characters"),
    (YOTPO + "{customer: {external_id: a}, properties: 7}", "7}", "must be an object"),
    (YOTPO + "{customer: {external_id: a, custom_properties: {Member: b}}}", "Member", "lower-case"),
    (YOTPO + "{customer: {external_id: 5}}", "5}", "must be text"),
    (YOTPO + '{customer: {phone_number: {value: "030"}}}', '"030"', "E.164"),
    (YOTPO + '{customer: {email: {value: "reader"}}}', '"reader"', "must be an email address"),
    (YOTPO + "{customer: {email: a, phone_number: b}}", "{email", "exactly one of phone_number and email"),
    (CUSTOM + '{user_id: a, "shelf mark": b}', '"shelf', "does not accept this property name"),
    (CUSTOM + "{user_id: a, subtype: b}", "subtype", "does not accept this property name"),
    (CUSTOM + "{user_id: a, book: {title: b}}", "{title", "text, an integer or a Boolean"),
    (CUSTOM + "{user_id: a, " + TWENTY + "}", "{user_id", "at most 20 properties"),
    (CUSTOM + '{user_id: {value: "undefined"}}', '"undefined"', "not empty, and not null"),
    (
        "      - to: copilot.consent\n        fields: {user_id: a, consent_value: {value: 'yes'}}",
        "'yes'",
        "true or false",
    ),
    (
        "      - to: copilot.user_created\n        fields: {user_id: a, custom_properties: {'a b': c}}",
        "'a b'",
        "under names of",
    ),
    (TRACK + "{userId: 5}", "5}", "must be text"),
    (TRACK + "{userId: a, properties: [b]}", "[b]", "must be an object"),
    ("      - to: customerio.group\n        fields: {groupId: true}", "true", "must be text"),
]


@pytest.mark.parametrize(("entry", "at", "message"), REFUSED)
def test_mapping_no_event_can_meet_is_one_error_at_its_place(entry: str, at: str, message: str) -> None:
    text = HEAD + entry
    mapping, findings = load_text(text, DESTINATIONS)
    offset = text.index(at, len(HEAD))
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    assert mapping is None
    assert [(finding.line, finding.column) for finding in findings] == [(line, column)]
    assert message in findings[0].message


ACCEPTED = [
    YOTPO + "{customer: {external_id: a, email: b, phone_number: c}, properties: {shelf_mark: d, loans: 3}}",
    YOTPO + "{customer: {email: a}, properties: books}",
    YOTPO + '{customer: {email: a}, properties: {b: {value: "' + "x" * 255 + '"}}}',
    CUSTOM + "{user_id: a, " + TWENTY.removesuffix(", p18: book") + "}",
    "      - to: copilot.thing_interaction\n        fields: {thing_id: a, " + TWENTY + "}",
    TRACK + "{userId: a, properties: {shelfMark: {title: b}}}",
]


@pytest.mark.parametrize("entry", ACCEPTED)
def test_mapping_that_an_event_can_meet_has_no_finding(entry: str) -> None:
    mapping, findings = load_text(HEAD + entry, DESTINATIONS)
    assert findings == []
    assert mapping is not None
