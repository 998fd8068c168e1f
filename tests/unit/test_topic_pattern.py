"""The patterns of topics: RE2, from the beginning of the name, without the service's own and internal topics."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.config import scalar_parsers
from consumer.config.scalar_parsers import InvalidValue
from consumer.kafka.topic_pattern import InvalidPattern, TopicPattern, parse_pattern
from consumer.kafka.topics import Subscription

OTHER_WAY = "list the names of the topics, or several patterns"
SYNTAX = "a topic that begins with `^` must be one: see RE2's syntax; write a dot as `[.]`"


@pytest.mark.parametrize(
    ("pattern", "name", "matched"),
    [
        ("^gym", "gym", True),
        ("^gym", "gym.visits", True),
        ("^gym", "my.gym", False),
        ("^gym$", "gym.visits", False),
        (r"^gym\d$", "gym7", True),
        (r"^gym\d$", "gymd", False),
        ("^gym(?:1|2)$", "gym2", True),
        ("^gym|pool", "pool.visits", True),
        ("^gym|pool", "my.pool", False),
        ("^gym[[:digit:]]+", "gym12", True),
        ("^(?i)GYM", "gym", True),
        ("^(?P<place>gym|pool)[.]", "pool.visits", True),
        (r"^gym\z", "gym", True),
        ("^", "anything", True),
    ],
)
def test_pattern_matches_from_the_beginning(pattern: str, name: str, matched: bool) -> None:
    assert Subscription([pattern]).matches(name) is matched


@pytest.mark.parametrize(
    ("pattern", "reason", "hint"),
    [
        ("^(?=gym)", "invalid perl operator: (?=", f"RE2 has no look-around: {OTHER_WAY}"),
        ("^(?!dead)gym", "invalid perl operator: (?!", f"RE2 has no look-around: {OTHER_WAY}"),
        ("^gym(?<=m)", "invalid perl operator: (?<=", f"RE2 has no look-around: {OTHER_WAY}"),
        ("^gym(?<!x)", "invalid perl operator: (?<!", f"RE2 has no look-around: {OTHER_WAY}"),
        (r"^(gym)\1", r"invalid escape sequence: \1", f"RE2 has no back-references: {OTHER_WAY}"),
        ("^(?P<a>gym)(?P=a)", "invalid perl operator: (?P", f"RE2 has no back-references: {OTHER_WAY}"),
        (r"^gym\Z", r"invalid escape sequence: \Z", "RE2 writes the end of the name as `$`"),
        ("^[gym", "missing ]: [gym", SYNTAX),
        ("^gym++", "bad repetition operator: ++", SYNTAX),
        ("^(?>gym)", "invalid perl operator: (?>", SYNTAX),
        ("^gym{1001}", "invalid repetition size: {1001}", SYNTAX),
        ("^\ud800", "half of a surrogate pair", SYNTAX),
    ],
)
def test_pattern_outside_the_dialect_is_refused(pattern: str, reason: str, hint: str) -> None:
    assert parse_pattern(pattern) == InvalidPattern(reason, hint)
    refused = InvalidValue(f"is not a regular expression of RE2 ({reason})", hint)
    assert scalar_parsers.topic(pattern) == refused
    with pytest.raises(ValueError, match="is not a regular expression of RE2"):
        Subscription([pattern])


def test_error_repeats_no_long_pattern(capfd: pytest.CaptureFixture[str]) -> None:
    invalid = parse_pattern("^" + "(" * 10_000)
    assert isinstance(invalid, InvalidPattern)
    assert len(invalid.reason) == 80
    assert capfd.readouterr() == ("", ""), "RE2 prints no errors itself"


@given(st.text(max_size=40).map(lambda text: f"^{text}"))
def test_any_pattern_is_refused_or_usable(pattern: str) -> None:
    parsed = parse_pattern(pattern)
    if isinstance(parsed, TopicPattern):
        assert parsed.matches("gym.visits") in {True, False}
    else:
        assert parsed.reason
        assert parsed.hint


@given(st.text("abcxyz._-0189", min_size=1), st.text("abcxyz._-0189"))
def test_escaped_beginning_of_a_name_matches_it(beginning: str, rest: str) -> None:
    escaped = "".join(f"[{letter}]" if letter in "._-" else letter for letter in beginning)
    name = beginning + rest
    assert Subscription([f"^{escaped}"]).matches(name) is not name.startswith("__")


def test_patterns_leave_out_own_and_internal_topics() -> None:
    existing = {"gym.visits": 3, "gym.dead": 6, "__consumer_offsets": 50, "_gym": 1}
    everything = Subscription(["^"], {"gym.dead"})
    assert everything.resolve(existing).partitions == {"gym.visits": 3, "_gym": 1}
    assert not everything.matches("gym.dead")
    named = Subscription(["__consumer_offsets", "gym.dead"], {"gym.dead"})
    assert named.resolve(existing).partitions == {"__consumer_offsets": 50, "gym.dead": 6}, "a name is meant"


def test_names_and_patterns_without_a_topic_are_missing_in_order() -> None:
    topics = Subscription(["pool.late", "^gym[.]", "gym.visits", "^spa", "^gym.dead$", "gym.visits"], {"gym.dead"})
    found = topics.resolve({"gym.visits": 3, "gym.dead": 1})
    assert found.partitions == {"gym.visits": 3}
    assert found.missing == ("pool.late", "^spa", "^gym.dead$")
    assert topics.names == ("pool.late", "gym.visits"), "each once: the client refuses a name that stands twice"


@pytest.mark.parametrize("pattern", ["^__", "^__consumer.*", "^__[a-z]+", "^__$"])
def test_pattern_of_internal_topics_is_refused(pattern: str) -> None:
    refused = InvalidValue("matches only internal topics, which patterns leave out", "name the topic instead")
    assert scalar_parsers.topic(pattern) == refused


@pytest.mark.parametrize("pattern", ["^_gym", "^__?gym", "^__*gym", "^__{0,1}gym", "^__a|gym", "^[a-z_]+"])
def test_pattern_of_other_topics_beside_internal_ones_is_accepted(pattern: str) -> None:
    assert scalar_parsers.topic(pattern) == pattern
