"""The destination kinds: the options of each, and how it is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from consumer.destinations import Destination
from consumer.destinations.copilot import Copilot, CopilotOptions
from consumer.destinations.customerio.destination import Customerio, CustomerioOptions
from consumer.destinations.yotpo import Yotpo, YotpoOptions


class DestinationKind(NamedTuple):
    """One kind of destination, as the configuration loader sees it."""

    options: type
    """A frozen dataclass with keyword arguments only; raises `OptionError` for an invalid option."""
    construct: Callable[[Any], Destination]
    """Options → destination."""
    secrets: tuple[str, ...]
    """Names of the secrets, written beside the options."""
    limits: Mapping[str, int]
    """Option → the destination's documented limit; a larger value is an error."""
    rate_per_s: float | None
    """Documented requests per second; a higher rate is a warning. `None` = not documented."""
    default_rate_per_s: float | None
    """Requests per second if the configuration sets none; `None` = unlimited."""


KINDS: Mapping[str, DestinationKind] = {
    "copilot": DestinationKind(CopilotOptions, Copilot, ("client_id", "client_secret"), {}, None, None),
    "customerio": DestinationKind(
        CustomerioOptions, Customerio, ("api_key",), {"bytes": 500_000, "call_bytes": 32_768}, 1000.0, 1000.0
    ),
    "yotpo": DestinationKind(YotpoOptions, Yotpo, ("secret",), {}, 5.0, 5.0),
}
"""By the name used in the configuration. Customer.io drops data under sustained overload, so its documented rate is the
default."""
