"""The file is accepted or rejected as a whole; every finding has its position; none repeats an ordering key."""

from __future__ import annotations

import pytest

from tests.unit.directive_texts import CANARY, END, one, read

DELIVERY = "with the cause `contract` applies to a destination or an event type"
NO_TOPIC = "name a `destination`, an `event_type`, or both, and no `topic`"

TABLE = [
    # the text of the directive, line, column, path after `directives[0]`, message, hint
    ("pause: {destination: copilto}", 2, 26, ".pause.destination", "`copilto` is not a destination",
     "did you mean `copilot`?"),
    ("pause: {event_type: shop.Sen}", 2, 25, ".pause.event_type", "`shop.Sen` is not an event type of the mapping",
     "did you mean `shop.Seen`?"),
    ("pause: {}", 2, 5, ".pause", "names nothing to pause", "give it a `destination`, an `event_type`, or both"),
    ("pause: copilot", 2, 12, ".pause", "must be a mapping, not a single value",
     "known keys: `destination`, `event_type`"),
    ("pause:", 2, 5, ".pause", "must be a mapping, not nothing", "known keys: `destination`, `event_type`"),
    ("pause: {destinaton: copilot}", 2, 13, ".pause.destinaton", "unknown key `destinaton`",
     "did you mean `destination`?"),
    ("accept_refusals: {destination: copilot, cause: contrac}", 2, 52, ".accept_refusals.cause",
     "`contrac` is not a cause of dead letters", "did you mean `contract`?"),
    ("accept_refusals: {destination: copilot, cause: out_of_window}", 2, 52, ".accept_refusals.cause",
     "`out_of_window` never trips the flood guard", "remove the directive"),
    ("accept_refusals: {destination: copilot}", 2, 22, ".accept_refusals.cause", "is missing",
     "A cause of dead letters."),
    ("accept_refusals: {cause: contract}", 2, 5, ".accept_refusals", DELIVERY, NO_TOPIC),
    ("accept_refusals: {topic: shop.orders, destination: copilot, cause: contract}", 2, 5, ".accept_refusals",
     DELIVERY, NO_TOPIC),
    ("accept_refusals: {destination: copilot, topic: shop.orders, cause: undecodable}", 2, 5, ".accept_refusals",
     "with the cause `undecodable` applies to a topic", "name the `topic`, and nothing else"),
    ("accept_refusals: {cause: undecodable}", 2, 5, ".accept_refusals",
     "with the cause `undecodable` applies to a topic", "name the `topic`, and nothing else"),
    ("accept_refusals: {topic: shop.order, cause: undecodable}", 2, 30, ".accept_refusals.topic",
     "`shop.order` is not a subscribed topic", "did you mean `shop.orders`?"),
    ("quarantine: {}", 2, 5, ".quarantine", "needs one position or one key",
     "write either `position`, or `topic` and `key`"),
    ("quarantine: {topic: shop.orders}", 2, 5, ".quarantine", "needs one position or one key",
     "write either `position`, or `topic` and `key`"),
    ("quarantine: {position: shop.orders/1/2, key: x}", 2, 5, ".quarantine", "needs one position or one key",
     "write either `position`, or `topic` and `key`"),
    ("quarantine: {position: shop.orders/1}", 2, 28, ".quarantine.position", "is not a position",
     "write `topic/partition/offset, such as shop.orders/3/1234`"),
    ("quarantine: {position: shop.order/1/2}", 2, 28, ".quarantine.position", "is in a topic that is not subscribed",
     "did you mean `shop.orders`?"),
    ("quarantine: {topic: shop.orders, key: ''}", 2, 43, ".quarantine.key", "is empty",
     "give it a value, or remove the line"),
    ("accept_gap: {partition: shop.orders/0, from: 5}", 2, 17, ".accept_gap.to", "is missing",
     "`earliest`, `latest` or an offset."),
    ("accept_gap: {partition: shop.orders/0, to: earliest}", 2, 17, ".accept_gap.from", "is missing",
     "The offset at which the partition stopped, from `/status` or the log."),
    ("accept_gap: {partition: shop.orders/0, from: earliest, to: latest}", 2, 50, ".accept_gap.from",
     "`earliest` is not an offset", "write the `offset` of the stop, as `/status` and the log show it"),
    ("accept_gap: {partition: shop.orders/0, from: 9223372036854775808, to: latest}", 2, 50, ".accept_gap.from",
     "`9223372036854775808` is not an offset", "write the `offset` of the stop, as `/status` and the log show it"),
    ("accept_gap: {partition: shop.orders, from: 5, to: latest}", 2, 29, ".accept_gap.partition", "is not a partition",
     "write `topic/partition, such as shop.orders/3`"),
    ("accept_gap: {partition: shop.orders/0, from: 5, to: end}", 2, 57, ".accept_gap.to",
     "`end` is not an offset to continue at",
     "write `earliest`, `latest` or an offset"),
    ("accept_gap: {partition: shop.orders/0, from: 5, to: -1}", 2, 57, ".accept_gap.to",
     "`-1` is not an offset to continue at",
     "write `earliest`, `latest` or an offset"),
    ("accept_gap: {partition: shop.orders/0, from: 5, to: 9223372036854775808}", 2, 57, ".accept_gap.to",
     "`9223372036854775808` is not an offset to continue at",
     "write `earliest`, `latest` or an offset"),
    ("reason: just so", 2, 5, "", "contains no directive",
     "write one of `pause`, `accept_refusals`, `quarantine`, `accept_gap` in each item of the list"),
    ("{pause: {destination: copilot}, quarantine: {position: shop.orders/1/2}, until: 2026-11-01T00:00:00Z}\n  -",
     2, 37, "", "contains more than one directive",
     "write one of `pause`, `accept_refusals`, `quarantine`, `accept_gap` in each item of the list"),
    # A misspelt key is one finding: the directive does not lack it as well.
    ("pase: {destination: copilot}", 2, 5, ".********", "unknown key `********`", "did you mean `pause`?"),
    ("paws: {destination: copilot}\n    pause: {destination: copilot}", 2, 5, ".paws", "unknown key `paws`",
     "did you mean `pause`?"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "column", "path", "message", "hint"), TABLE, ids=[f"{row[0]}"[:70] for row in TABLE]
)
def test_error_has_position_message_and_hint(
    text: str, line: int, column: int, path: str, message: str, hint: str
) -> None:
    found = one(text) if not text.endswith("-") else read(f"directives:\n  - {text.removesuffix('  -')}")
    assert found.directives is None
    assert [(each.line, each.column, each.path, each.message, each.hint) for each in found.findings] == [
        (line, column, f"directives[0]{path}", message, hint)
    ]
    assert {(each.file, each.severity) for each in found.findings} == {("d.yaml", "error")}


@pytest.mark.parametrize(
    ("until", "message"),
    [
        ("2026-11-01T00:00:00", "`2026-11-01T00:00:00` is an instant without a time zone"),
        ("tomorrow", "`tomorrow` is not an instant"),
        ("", "is empty"),
    ],
)
def test_until_must_be_an_instant_with_time_zone(until: str, message: str) -> None:
    found = read(f"directives:\n  - pause: {{destination: copilot}}\n    until: {until}\n")
    assert found.directives is None
    assert [(each.line, each.path, each.message) for each in found.findings] == [(3, "directives[0].until", message)]


def test_directive_without_until_is_rejected() -> None:
    found = read("directives:\n  - pause: {destination: copilot}\n")
    assert [(each.path, each.message) for each in found.findings] == [("directives[0].until", "is missing")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- pause\n", "must be a mapping"),
        ("directives: {pause: {}}\n", "must be a list"),
        ("directive: []\n", "unknown key `directive`"),
        ("directives: [pause]\n", "must be a mapping, not a single value"),
        (
            "directives: [\n",
            "is not YAML: while parsing a flow node, expected the node content, but found '<stream end>'",
        ),
    ],
)
def test_file_of_another_form_is_rejected(text: str, message: str) -> None:
    found = read(text)
    assert found.directives is None
    assert [each.message for each in found.findings] == [message]


def test_bad_directive_rejects_file_with_all_errors_at_once() -> None:
    found = read(f"""\
directives:
  - pause: {{destination: copilot}}
    until: {END}
  - pause: {{destination: yotpo}}
    until: soon
  - accept_gap: {{partition: elsewhere/1, from: 3, to: 5}}
    unti: {END}
""")
    assert found.directives is None
    assert [(each.line, each.path) for each in found.findings] == [
        (4, "directives[1].pause.destination"),
        (5, "directives[1].until"),
        (6, "directives[2].accept_gap.partition"),
        (7, "directives[2].unti"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"directives:\n  - quarantine: {{topic: shop.orders, key: {CANARY}}}\n",
        f"directives:\n  - quarantine: {{topic: nowhere, key: '{CANARY}', destination: nobody}}\n    until: soon\n",
        f'directives:\n  - quarantine: {{topic: [x], "key": "{CANARY}"}}\n    reason: [{CANARY}\n',
        f"directives:\n  - quarantine:\n      key: {CANARY}\n      key: {CANARY}\n",
        f"directives:\n  - quarantine: {{key: *{CANARY}}}\n",
        f"directives:\n  - quarantine:\n      key: {CANARY}\n     {CANARY}: x\n",
        f"directives:\n  - quarantine: {{topic: shop.orders, key: [{CANARY}]}}\n    until: {END}\n",
        f"directives:\n  - quarantine: {{topic: shop.orders, key:, {CANARY}}}\n    until: {END}\n",
        f"directives:\n  - quarantine:\n      key: |\n        {CANARY}\n      {CANARY}: x\n    until: {END}\n",
        f"directives:\n  - quarantine: {{topic: shop.orders, key:K\n {CANARY}}}\n    until: {END}\n",
        f"directives:\n  - quarantine: {{topic: shop.orders, key:|S\n {CANARY}: [x], '': y}}\n    until: {END}\n",
        f"- {CANARY}: x\n  {CANARY}: y\n",
        f"directives:\n  - quarantine: {{position: {CANARY}}}\n    until: {END}\n",
        f"directives:\n  - accept_gap: {{partition: {CANARY}, from: 5, to: earliest}}\n    until: {END}\n",
        f"directives:\n  - pause: {{destination: {CANARY}}}\n    key: {CANARY}\n    until: {END}\n",
        f"directives:\n  - quarantine: {{topic: {CANARY}, key: shop.orders}}\n    until: {END}\n",
        f"directives:\n  - quarantine: {{topic: shop.orders, key: x, destination: {CANARY}}}\n    until: {END}\n",
        f"directives:\n  - quarantine: {{topic: '`{CANARY}` and', key: shop.orders}}\n    until: {END}\n",
        f"directives:\n  - quarantine: {{topic: {CANARY}{'x' * 40}, key: shop.orders}}\n    until: {END}\n",
        f"directives:\n  - quarantine: {{topic: shop.orders, key: x}}\n    until: {CANARY}\n",
        f"directives:\n  - quarantin: {{topic: shop.orders, key: x}}\n    until: {CANARY}\n",
        f"directives:\n  - until: {CANARY}\n    pause: {{destination: {CANARY}}}\n    quarantine: {{}}\n",
        f"directives:\n  - quarantine: {{topic: *{CANARY}, key: shop.orders}}\n    until: {END}\n",
        f"directives:\n  - quarantine: {{topic: shop.orders}}\n    {CANARY}: 1\n    {CANARY}: 2\n",
    ],
)
def test_no_finding_repeats_an_ordering_key(text: str) -> None:
    found = read(text)
    assert found.directives is None
    assert found.findings
    assert all(CANARY not in str(each.as_json()) for each in found.findings)


NAME = "janedoe"


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (
            f"quarantine: {{topic: {NAME}, key: shop.orders}}",
            "quarantine.topic",
            "`********` is not a subscribed topic",
        ),
        (f"quarantine: {{topic: shop.orders, {NAME}: x}}", "quarantine.********", "unknown key `********`"),
        (f"quarantine: {{topic: shop.orders, key: x}}\n    {NAME}: x", "********", "unknown key `********`"),
        (f"{NAME}: {{topic: shop.orders, key: x}}", "********", "unknown key `********`"),
        ("quarantine: {topic: kk, key: shop.orders}", "quarantine.topic", "`********` is not a subscribed topic"),
        ("quarantine: {topic: copilot, key: x}", "quarantine.topic", "`copilot` is not a subscribed topic"),
    ],
)
def test_finding_in_a_quarantine_repeats_only_keywords_and_names(text: str, path: str, message: str) -> None:
    found = one(text)
    assert (f"directives[0].{path}", message) in [(each.path, each.message) for each in found.findings]
    assert all(NAME not in str(each.as_json()) for each in found.findings)


def test_syntax_error_repeats_nothing_that_may_be_a_key() -> None:
    found = read(f"directives:\n  - quarantine: {{topic: *{NAME}, key: shop.orders}}\n")
    assert [(each.message, each.hint) for each in found.findings] == [
        ("`********` has no finished anchor before it", "define ******** first")
    ]
    found = read(f"directives:\n  - quarantine: {{topic: !{NAME}!x y, key: shop.orders}}\n")
    assert [each.message for each in found.findings] == [
        "is not YAML: while parsing a node, found undefined tag handle ********"
    ]


def test_finding_beside_a_key_still_shows_public_names() -> None:
    found = one(f"quarantine: {{key: {CANARY}, topic: shop.orders, position: x, destination: copilot, pause: 5}}")
    assert [each.message for each in found.findings] == ["is not a position", "unknown key `pause`"]
