"""The registry of destination kinds, as configuration uses it."""

import dataclasses

import pytest

from consumer.destinations import Basic, OptionError
from consumer.destinations.kinds import KINDS
from consumer.destinations.option_checks import check_path, check_url

MANDATORY = {"url": "https://acme.test/api", "store_id": "s"}


@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_built_from_mandatory_options_and_lists_secrets(kind: str) -> None:
    row = KINDS[kind]
    known = {field.name for field in dataclasses.fields(row.options)}
    given = {name: value for name, value in MANDATORY.items() if name in known}
    destination = row.construct(row.options(name="mine", **given))
    assert (destination.name, destination.kind) == ("mine", kind)
    assert row.limits.keys() <= known
    credential = destination.credential
    wanted = {credential.user, credential.password} - {None} if isinstance(credential, Basic) else {credential.secret}
    assert set(row.secrets) == wanted
    assert len({endpoint.name for endpoint in destination.endpoints}) == len(destination.endpoints)


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_stay_within_the_documented_limits(kind: str) -> None:
    row = KINDS[kind]
    defaults = {field.name: field.default for field in dataclasses.fields(row.options)}
    for option, limit in row.limits.items():
        default = defaults[option]
        assert isinstance(default, int)
        assert default <= limit
    assert row.default_rate_per_s is None or row.rate_per_s is not None


@pytest.mark.parametrize("url", ["https://a.test", "http://127.0.0.1:80/v1", "https://[::1]:8443/x/"])
def test_base_addresses_pass(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize("url", ["", "a.test", "https://", "https://a b", "https://u:p@a.test", "https://a.test?x=1"])
def test_invalid_base_address_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(OptionError) as error:
        check_url(url)
    assert "u:p" not in str(error.value)


def test_paths_start_with_a_slash() -> None:
    check_path("path", "/v2/collect")
    with pytest.raises(OptionError):
        check_path("path", "https://a.test/v2")
