"""Over the whole fault suite: a real broker, and no member of any scenario writes down whom it serves, or a secret."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import Broker
from tests.faults import canaries


@pytest.fixture(params=["apache"])
def broker(apache_broker: Broker) -> Broker:
    """The real one alone: these scenarios are about what real processes do to each other, and take their time."""
    return apache_broker


@pytest.fixture(autouse=True)
def nothing_personal_is_written(request: pytest.FixtureRequest) -> Iterator[None]:
    """Search what the members of a scenario wrote for the shop's customers and the world's secrets, at its end."""
    folder: Path | None = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is not None:
        said = canaries.Said()
        for beside in {errors.parent for errors in folder.rglob("*.err")}:  # a broker's own `.log` is its data
            said.files(beside)
        assert said.leaks(canaries.OF_THE_SHOP) == []
