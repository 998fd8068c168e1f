"""The directives file is read whole or refused whole; every complaint has its place; no ordering key is ever said."""

from __future__ import annotations

import pytest

from tests.unit.directing import CANARY, END, one, read

TABLE = [
    # what the one directive says, line, column, path after `directives[0]`, message, hint
    ("pause: {destination: copilto}", 2, 26, ".pause.destination", "`copilto` is no destination",
     "did you mean `copilot`?"),
    ("pause: {event_type: shop.Sen}", 2, 25, ".pause.event_type", "`shop.Sen` is no event type of the mapping",
     "did you mean `shop.Seen`?"),
    ("pause: {}", 2, 5, ".pause", "names nothing", "give it a `destination`, an `event_type`, or both"),
    ("pause: copilot", 2, 12, ".pause", "must be a mapping, not a single value",
     "known keys: `destination`, `event_type`"),
    ("pause:", 2, 5, ".pause", "must be a mapping, not nothing", "known keys: `destination`, `event_type`"),
    ("pause: {destinaton: copilot}", 2, 13, ".pause.destinaton", "unknown key `destinaton`",
     "did you mean `destination`?"),
    ("accept_refusals: {destination: copilot, cause: contrac}", 2, 52, ".accept_refusals.cause",
     "`contrac` is no cause", "did you mean `contract`?"),
    ("accept_refusals: {destination: copilot, cause: out_of_window}", 2, 52, ".accept_refusals.cause",
     "`out_of_window` is never held back", "remove the directive: the flood guard lets it through"),
    ("accept_refusals: {destination: copilot}", 2, 22, ".accept_refusals.cause", "is missing",
     "One of the dead letters' causes."),
    ("accept_refusals: {cause: contract}", 2, 5, ".accept_refusals", "`contract` is found for each destination",
     "name a `destination`, an `event_type`, or both"),
    ("accept_refusals: {topic: shop.orders, destination: copilot, cause: contract}", 2, 5, ".accept_refusals",
     "`contract` is found for each destination", "name a `destination`, an `event_type`, or both"),
    ("accept_refusals: {destination: copilot, topic: shop.orders, cause: undecodable}", 2, 5, ".accept_refusals",
     "`undecodable` is found before there is an event", "name the `topic`, and nothing else beside it"),
    ("accept_refusals: {cause: undecodable}", 2, 5, ".accept_refusals",
     "`undecodable` is found before there is an event", "name the `topic`, and nothing else beside it"),
    ("accept_refusals: {topic: shop.order, cause: undecodable}", 2, 30, ".accept_refusals.topic",
     "`shop.order` is a topic that is not read", "did you mean `shop.orders`?"),
    ("quarantine: {}", 2, 5, ".quarantine", "is neither a position nor a key",
     "write either `position`, or `topic` and `key`"),
    ("quarantine: {topic: shop.orders}", 2, 5, ".quarantine", "is neither a position nor a key",
     "write either `position`, or `topic` and `key`"),
    ("quarantine: {position: shop.orders/1/2, key: x}", 2, 5, ".quarantine", "is neither a position nor a key",
     "write either `position`, or `topic` and `key`"),
    ("quarantine: {position: shop.orders/1}", 2, 28, ".quarantine.position", "is no position",
     "write `topic/partition/offset, such as shop.orders/3/1234`"),
    ("quarantine: {position: shop.order/1/2}", 2, 28, ".quarantine.position", "is of a topic that is not read",
     "did you mean `shop.orders`?"),
    ("quarantine: {topic: shop.orders, key: ''}", 2, 43, ".quarantine.key", "is empty",
     "give it a value, or remove the line"),
    ("accept_gap: {partition: shop.orders/0, from: 5}", 2, 17, ".accept_gap.to", "is missing",
     "`earliest`, `latest` or an offset."),
    ("accept_gap: {partition: shop.orders/0, to: earliest}", 2, 17, ".accept_gap.from", "is missing",
     "The offset it stopped before, as `/status` and the log show it."),
    ("accept_gap: {partition: shop.orders/0, from: earliest, to: latest}", 2, 50, ".accept_gap.from",
     "`earliest` is no offset", "write the `offset` that `/status` and the log show of the stop"),
    ("accept_gap: {partition: shop.orders/0, from: 9223372036854775808, to: latest}", 2, 50, ".accept_gap.from",
     "`9223372036854775808` is no offset", "write the `offset` that `/status` and the log show of the stop"),
    ("accept_gap: {partition: shop.orders, from: 5, to: latest}", 2, 29, ".accept_gap.partition", "is no partition",
     "write `topic/partition, such as shop.orders/3`"),
    ("accept_gap: {partition: shop.orders/0, from: 5, to: end}", 2, 57, ".accept_gap.to", "`end` is no place to go on",
     "write `earliest`, `latest` or an offset"),
    ("accept_gap: {partition: shop.orders/0, from: 5, to: -1}", 2, 57, ".accept_gap.to", "`-1` is no place to go on",
     "write `earliest`, `latest` or an offset"),
    ("accept_gap: {partition: shop.orders/0, from: 5, to: 9223372036854775808}", 2, 57, ".accept_gap.to",
     "`9223372036854775808` is no place to go on", "write `earliest`, `latest` or an offset"),
    ("reason: just so", 2, 5, "", "says nothing",
     "write one of `pause`, `accept_refusals`, `quarantine`, `accept_gap` in each directive"),
    ("{pause: {destination: copilot}, quarantine: {position: shop.orders/1/2}, until: 2026-11-01T00:00:00Z}\n  -",
     2, 37, "", "says more than one thing",
     "write one of `pause`, `accept_refusals`, `quarantine`, `accept_gap` in each directive"),
    ("paws: {destination: copilot}\n    pause: {destination: copilot}", 2, 5, ".paws", "unknown key `paws`",
     "did you mean `pause`?"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "line", "column", "path", "message", "hint"), TABLE, ids=[f"{row[0]}"[:70] for row in TABLE]
)
def test_a_complaint_has_its_place_and_says_what_to_do(
    said: str, line: int, column: int, path: str, message: str, hint: str
) -> None:
    found = one(said) if not said.endswith("-") else read(f"directives:\n  - {said.removesuffix('  -')}")
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
def test_an_end_must_be_an_instant_with_its_time_zone(until: str, message: str) -> None:
    found = read(f"directives:\n  - pause: {{destination: copilot}}\n    until: {until}\n")
    assert found.directives is None
    assert [(each.line, each.path, each.message) for each in found.findings] == [(3, "directives[0].until", message)]


def test_a_directive_without_an_end_is_refused() -> None:
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
def test_a_file_of_another_form_is_refused(text: str, message: str) -> None:
    found = read(text)
    assert found.directives is None
    assert [each.message for each in found.findings] == [message]


def test_one_bad_directive_refuses_the_whole_file_and_everything_wrong_is_said_at_once() -> None:
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
def test_no_complaint_repeats_an_ordering_key(text: str) -> None:
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
            "`********` is a topic that is not read",
        ),
        (f"quarantine: {{topic: shop.orders, {NAME}: x}}", "quarantine.********", "unknown key `********`"),
        (f"quarantine: {{topic: shop.orders, key: x}}\n    {NAME}: x", "********", "unknown key `********`"),
        (f"{NAME}: {{topic: shop.orders, key: x}}", "********", "unknown key `********`"),
        ("quarantine: {topic: kk, key: shop.orders}", "quarantine.topic", "`********` is a topic that is not read"),
        ("quarantine: {topic: copilot, key: x}", "quarantine.topic", "`copilot` is a topic that is not read"),
    ],
)
def test_a_complaint_of_a_quarantine_repeats_nothing_but_the_files_own_words_and_known_names(
    text: str, path: str, message: str
) -> None:
    found = one(text)
    assert (f"directives[0].{path}", message) in [(each.path, each.message) for each in found.findings]
    assert all(NAME not in str(each.as_json()) for each in found.findings)


def test_an_error_of_syntax_repeats_nothing_that_may_be_a_key() -> None:
    found = read(f"directives:\n  - quarantine: {{topic: *{NAME}, key: shop.orders}}\n")
    assert [(each.message, each.hint) for each in found.findings] == [
        ("`********` has no finished anchor before it", "define ******** first")
    ]
    found = read(f"directives:\n  - quarantine: {{topic: !{NAME}!x y, key: shop.orders}}\n")
    assert [each.message for each in found.findings] == [
        "is not YAML: while parsing a node, found undefined tag handle ********"
    ]


def test_a_complaint_beside_a_key_still_names_what_may_be_named() -> None:
    found = one(f"quarantine: {{key: {CANARY}, topic: shop.orders, position: x, destination: copilot, pause: 5}}")
    assert [each.message for each in found.findings] == ["is no position", "unknown key `pause`"]
