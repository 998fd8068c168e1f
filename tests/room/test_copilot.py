"""What is said to Copilot, what is not, and what its answers mean."""

import json
from decimal import Decimal
from typing import Any

import orjson
import pytest

from consumer.destinations import Encoded, EntryError, OptionError
from consumer.destinations.copilot import MAX_AGE_MS, Copilot, CopilotOptions
from consumer.destinations.copilot_contract import EVENT_TYPES
from consumer.model import Barred, Cause, Deferred, Delivered, Fault, Listed, Mixed, Refused, Reply, Trouble
from consumer.shape import Fields, Instant, Value

URL = "https://api.acme.bycopilot.com"
COPILOT = Copilot(CopilotOptions(url=URL))
IDENTITY = bytes(range(16))
EVENT_ID = "00010203-0405-8607-8809-0a0b0c0d0e0f"
TIME_NS = 1_700_000_000_123_456_789
BATCH, SINGLE = COPILOT._batch, COPILOT._single
MINIMUM: dict[str, Fields] = {
    "user_id": {"user_id": "u-1"},
    "thing_id": {"thing_id": "t-1"},
    "status_key": {"status_key": "mode"},
    "status_value": {"status_value": "on the run"},
    "email": {"email": "jane+x@acme.test"},
}


def least(target: str) -> Fields:
    fields: Fields = {}
    for name in EVENT_TYPES[target].mandatory:
        fields |= MINIMUM[name]
    return fields or ({"user_id": "u-1"} if target == "custom_event" else {})


def say(target: str, fields: Fields, copilot: Copilot = COPILOT) -> Encoded | Fault:
    return copilot.encoder(target, "clicked" if target == "custom_event" else None)(fields, IDENTITY, TIME_NS)


def payload(target: str, fields: Fields) -> dict[str, object]:
    said = say(target, fields)
    assert isinstance(said, Encoded), said
    return json.loads(said.body)["payload"]  # type: ignore[no-any-return]


def detail(target: str, fields: Fields) -> str:
    said = say(target, fields)
    assert isinstance(said, Fault), said
    assert said.cause is Cause.CONTRACT
    return said.detail


@pytest.mark.parametrize("target", EVENT_TYPES)
def test_every_event_type_is_said_in_its_envelope(target: str) -> None:
    said = say(target, least(target))
    assert isinstance(said, Encoded)
    assert said.shape == BATCH
    assert said.identity == EVENT_ID
    assert json.loads(said.body) == {
        "type": target,
        "event_id": EVENT_ID,
        "timestamp": 1_700_000_000_123,
        "payload": least(target) | ({"subtype": "clicked"} if target == "custom_event" else {}),
    }


@pytest.mark.parametrize("target", [name for name, event_type in EVENT_TYPES.items() if event_type.mandatory])
def test_no_mandatory_field_may_be_missing(target: str) -> None:
    for name in EVENT_TYPES[target].mandatory:
        fields = least(target)
        del fields[name]
        assert detail(target, fields).startswith(f"{name}")


@pytest.mark.parametrize("target", [name for name, event_type in EVENT_TYPES.items() if not event_type.free])
def test_closed_types_refuse_a_property_they_do_not_know(target: str) -> None:
    assert detail(target, {**least(target), "shoe_size": 44}).startswith("shoe_size: ")
    assert detail(target, {**least(target), "jane@acme.test": 44}).startswith("(a name not quoted): ")


def test_the_targets_tell_the_mapping_what_is_mandatory() -> None:
    assert {name for name, rule in COPILOT.targets["user_thing_associated"].fields.items() if rule.mandatory} == {
        "user_id",
        "thing_id",
    }
    custom = COPILOT.targets["custom_event"]
    assert (custom.named, custom.free, custom.one_of) == (True, True, (("user_id", "thing_id"),))
    assert not COPILOT.targets["user_created"].free
    assert COPILOT.targets["user_created"].fields["copilot_analysis_consent"].carries_consent
    assert {name for name, target in COPILOT.targets.items() if target.carries_consent} == {"consent", "unsubscribe"}


def test_a_user_with_everything() -> None:
    fields: Fields = {
        "user_id": "u-1",
        "first_name": "José María",
        "last_name": "O'Hara / Söhne",
        "email": "jane@acme.test",
        "utc_offset": "+0530",
        "copilot_analysis_consent": False,
        "custom_properties": {
            "score": Decimal("20.50"),
            "level": 3,
            "ratio": 0.5,
            "vip": True,
            "note": "any text at all",
            "since": Instant(5_000_000),
        },
    }
    said = say("user_created", fields)
    assert isinstance(said, Encoded)
    assert b'"score":20.50' in said.body
    custom = {"score": 20.5, "level": 3, "ratio": 0.5, "vip": True, "note": "any text at all", "since": 5}
    assert json.loads(said.body)["payload"] == {**fields, "custom_properties": custom}


@pytest.mark.parametrize(
    ("target", "name", "value"),
    [
        ("user_created", "user_id", ""),
        ("user_created", "user_id", "jane doe"),
        ("user_created", "user_id", "u-1\n"),
        ("user_created", "user_id", 7),
        ("user_created", "user_id", "ünal"),
        ("user_created", "first_name", 7),
        ("user_created", "email", "a/b@acme.test"),
        ("user_created", "copilot_analysis_consent", "true"),
        ("user_created", "utc_offset", "+1500"),
        ("user_created", "utc_offset", "-1201"),
        ("user_created", "utc_offset", "+0060"),
        ("user_created", "utc_offset", "+02:00"),
        ("user_created", "utc_offset", 200),
        ("user_created", "custom_properties", [1]),
        ("user_created", "custom_properties", {"a b": 1}),
        ("user_created", "custom_properties", {"": 1}),
        ("user_created", "custom_properties", {"a": {"b": 1}}),
        ("user_created", "custom_properties", {"a": float("inf")}),
        ("user_created", "custom_properties", {"a": 2**63}),
        ("thing_created", "model", "Model T"),
        ("thing_status_changed", "status_date", True),
        ("thing_status_changed", "status_date", "2026-01-01"),
        ("thing_status_changed", "status_date", 2**63),
        ("custom_event", "thing_id", "no spaces"),
        ("unsubscribe", "email", ""),
        ("thing_status_changed", "status_key", ""),
        ("custom_event", "free", None),
        ("custom_event", "free", [1]),
        ("custom_event", "free", {"a": 1}),
        ("custom_event", "free", float("nan")),
        ("custom_event", "free", Decimal("Infinity")),
        ("custom_event", "free", 2**63),
        ("custom_event", "free", 1e300),
        ("custom_event", "free", Decimal("1E+40")),
        ("custom_event", "subtype", "mine"),
        ("user_created", "first_name", "\ud800"),
    ],
)
def test_a_value_that_breaks_the_contract_never_leaves(target: str, name: str, value: Value) -> None:
    assert detail(target, {**least(target), name: value}).startswith(name)


@pytest.mark.parametrize("name", ["a b", "", "naïve", "a/b"])
def test_property_names_follow_the_pattern(name: str) -> None:
    assert "property name" in detail("custom_event", {"user_id": "u", name: 1})


@pytest.mark.parametrize("offset", ["Z", "0000", "+0000", "-1200", "+1459", "-0930"])
def test_offsets_of_the_documented_range_pass(offset: str) -> None:
    assert payload("user_updated", {"user_id": "u", "utc_offset": offset})["utc_offset"] == offset


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("any text, really / ü", "any text, really / ü"),
        ("null", "null"),
        (True, True),
        (7, 7),
        (Decimal("12.00"), 12),
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+3"), 1000),
        (20.0, 20),
        (20.5, "20.5"),
        (1e-7, "0.0000001"),
        (-0.0, 0),
        (Instant(1_700_000_000_123_456_789), 1_700_000_000_123),
        (b"\x00\xff", "AP8="),
    ],
)
def test_free_values_become_text_integers_or_booleans(value: Value, said: object) -> None:
    for target in ("custom_event", "thing_interaction"):
        for _ in range(2):  # a name met before is not looked at again, its value is
            got = payload(target, {"thing_id": "t", "value": value})["value"]
            assert got == said
            assert type(got) is type(said)


def test_times_of_the_past_are_epoch_milliseconds() -> None:
    fields: Fields = {"user_id": "u", "original_creation_date": Instant(86_400 * 10**9)}
    assert payload("preexisting_user_created", fields)["original_creation_date"] == 86_400_000
    fields = {"thing_id": "t", "user_id": "u", "original_association_date": 1234}
    assert payload("preexisting_user_thing_associated", fields)["original_association_date"] == 1234


def test_a_custom_event_of_nobody_is_refused_for_copilot_would_ignore_it() -> None:
    assert detail("custom_event", {"free": 1}) == "thing_id or user_id: is missing"


def test_twenty_properties_fit_and_one_more_does_not() -> None:
    many: Fields = {f"p{number}": number for number in range(18)}
    assert len(payload("custom_event", {"user_id": "u", **many})) == 20
    assert "20 properties" in detail("custom_event", {"user_id": "u", "one_more": 1, **many})
    assert len(payload("thing_interaction", {"thing_id": "t", "one_more": 1, **many})) == 20


def test_names_out_of_a_map_are_not_remembered_without_end() -> None:
    encode = Copilot(CopilotOptions(url=URL)).encoder("custom_event", "x")
    for number in range(1500):
        assert isinstance(encode({"user_id": "u", f"p{number}": 1}, IDENTITY, TIME_NS), Encoded)
    assert isinstance(encode({"user_id": "u", "p 1": 1}, IDENTITY, TIME_NS), Fault)


def test_an_event_that_fits_no_batch_is_too_large_to_the_byte() -> None:
    body = say("custom_event", {"user_id": "u", "text": "x" * 1000})
    assert isinstance(body, Encoded)
    exact = len(body.body) + len(BATCH.prefix) + len(BATCH.suffix)
    fits = say("custom_event", {"user_id": "u", "text": "x" * 1000}, Copilot(CopilotOptions(url=URL, bytes=exact)))
    assert isinstance(fits, Encoded)
    over = say("custom_event", {"user_id": "u", "text": "x" * 1000}, Copilot(CopilotOptions(url=URL, bytes=exact - 1)))
    assert isinstance(over, Fault)
    assert over.cause is Cause.TOO_LARGE


def test_a_batch_of_one_is_a_whole_request() -> None:
    said = say("custom_event", {"user_id": "u"})
    assert isinstance(said, Encoded)
    assert list(json.loads(BATCH.prefix + said.body + b"," + said.body + BATCH.suffix)) == ["events"]
    assert (BATCH.max_events, BATCH.max_bytes, BATCH.max_age_ms) == (100, 500_000, MAX_AGE_MS)
    assert BATCH.endpoint == ("collect", "POST", "/v2/collect")


def test_a_consent_goes_alone_and_without_an_envelope() -> None:
    said = say("consent", {"user_id": "u-1", "consent_value": False})
    assert said == Encoded(b'{"user_id":"u-1","consent_value":false}', SINGLE, EVENT_ID)
    assert (SINGLE.max_events, SINGLE.max_age_ms) == (1, None)
    assert SINGLE.endpoint == ("consent", "POST", "/v2/api/report/user_copilot_analysis_consent_changed")
    assert detail("consent", {"user_id": "u-1"}) == "consent_value: is missing"
    assert detail("consent", {"user_id": "u-1", "consent_value": 1}).startswith("consent_value")
    long = say("consent", {"user_id": "u" * 2000, "consent_value": True}, Copilot(CopilotOptions(url=URL, bytes=1000)))
    assert isinstance(long, Fault)
    assert long.cause is Cause.TOO_LARGE


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("order_placed", None),
        ("user_created", "name"),
        ("consent", "name"),
        ("custom_event", None),
        ("custom_event", " "),
        ("custom_event", "Order Placed"),
    ],
)
def test_entries_that_cannot_work_are_found_at_load(target: str, name: str | None) -> None:
    with pytest.raises(EntryError) as error:
        COPILOT.encoder(target, name)
    assert error.value.message
    assert error.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"url": "api.acme.test"},
        {"url": "https://user:secret@acme.test"},
        {"url": URL, "events": 0},
        {"url": URL, "bytes": 10},
        {"url": URL, "collect_path": "v2/collect"},
        {"url": URL, "consent_path": "/a?b"},
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as error:
        CopilotOptions(**options)
    assert error.value.option == list(options)[-1]


# ── answers ──


def judge(body: object, events: int = 3, *, status: int = 200, consent: bool = False) -> object:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    ids = [f"id-{number}" for number in range(events)]
    return COPILOT.judge(SINGLE if consent else BATCH, ids, Reply(status, {}, content))


@pytest.mark.parametrize("body", [{}, {"invalid_events": []}, {"invalid_events": None}, {"status": "ok"}])
def test_a_200_that_lists_nothing_has_everything(body: object) -> None:
    assert judge(body) == Delivered()
    assert judge(body, 1, consent=True) == Delivered()


def test_listed_events_are_lost_and_the_others_are_in() -> None:
    body = {
        "invalid_events": [
            {"event_id": "id-2", "index": 0, "error": "timestamp of jane@acme.test is too old"},
            {"event_id": "id-0", "index": 9},
        ]
    }
    assert judge(body) == Listed(
        {2: Fault(Cause.REFUSED, "timestamp of … is too old", 200), 0: Fault(Cause.REFUSED, "", 200)}
    )


@pytest.mark.parametrize(
    "listed",
    [
        [{"event_id": "id-9"}],
        [{"event_id": "id-0"}, {"event_id": "id-9"}],
        [{"event_id": "id-0"}, {"event_id": "id-0"}],
        [{"index": 0}],
        [{"event_id": ["id-0"]}],
        ["id-0"],
        [None],
    ],
)
def test_a_list_that_does_not_say_whom_it_means_halves_a_batch_and_refuses_one(listed: list[object]) -> None:
    assert isinstance(judge({"invalid_events": listed}), Mixed)
    assert isinstance(judge({"invalid_events": listed}, 1), Refused)


def test_a_call_of_one_is_refused_in_the_vendors_words() -> None:
    body = {"invalid_events": [{"event_id": "id-0", "error": "user_id is missing"}]}
    assert judge(body, 1) == Refused(Fault(Cause.REFUSED, "user_id is missing", 200))
    assert judge(body, 1, consent=True) == Refused(Fault(Cause.REFUSED, "user_id is missing", 200))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"<html>login</html>", b'{"invalid_events":', {"invalid_events": "all"}, {"reason": "X.Y"}],
)
def test_a_page_under_a_200_is_no_delivery(body: object) -> None:
    for consent in (False, True):
        verdict = judge(body, 1, consent=consent)
        assert isinstance(verdict, Barred)
        assert verdict.fault.cause is Trouble.UNINTELLIGIBLE


def test_only_consent_may_answer_204_and_only_without_a_body() -> None:
    assert judge(b"", 1, status=204, consent=True) == Delivered()
    for verdict in (
        judge(b"{}", 1, status=204, consent=True),
        judge(b"", 1, status=204),
        judge({}, 1, status=201),
        judge({}, 1, status=202, consent=True),
    ):
        assert isinstance(verdict, Barred)
        assert verdict.fault.cause is Trouble.UNINTELLIGIBLE


def test_every_other_status_is_judged_as_for_all() -> None:
    assert isinstance(judge(b"", 2, status=400), Mixed)
    assert isinstance(judge(b"", 1, status=400), Refused)
    assert isinstance(judge(b"", 1, status=503), Deferred)
    reason = {"reason": "AUTH.UNAUTHORIZED", "error_message": "who is jane@acme.test"}
    assert judge(reason, status=401) == Barred(Fault(Trouble.UNAUTHORIZED, "AUTH.UNAUTHORIZED; … is …", 401))
