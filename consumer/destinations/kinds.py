"""The kinds of destination there are: what each is configured with, and how it is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from consumer.destinations import Destination
from consumer.destinations.copilot import Copilot, CopilotOptions
from consumer.destinations.customerio.destination import Customerio, CustomerioOptions
from consumer.destinations.yotpo import Yotpo, YotpoOptions


class DestinationKind(NamedTuple):
    """One kind of destination, for whoever reads configuration and knows none of them."""

    options: type
    """A frozen dataclass with keyword arguments only; raises `OptionError` for what cannot be meant."""
    construct: Callable[[Any], Destination]
    """The options → the destination."""
    secrets: tuple[str, ...]
    """Names of the secrets that stand beside the options."""
    limits: Mapping[str, int]
    """Option → the destination's own limit, where one is documented: more is an error."""
    rate_per_s: float | None
    """Documented calls a second: more is a warning; `None` = not documented."""
    default_rate_per_s: float | None
    """Calls a second where the configuration says nothing; `None` = unlimited."""


KINDS: Mapping[str, DestinationKind] = {
    "copilot": DestinationKind(CopilotOptions, Copilot, ("client_id", "client_secret"), {}, None, None),
    "customerio": DestinationKind(
        CustomerioOptions, Customerio, ("api_key",), {"bytes": 500_000, "call_bytes": 32_768}, 1000.0, 1000.0
    ),
    "yotpo": DestinationKind(YotpoOptions, Yotpo, ("secret",), {}, 5.0, 5.0),
}
"""By the word configuration uses. Customer.io drops data when overrun for long, so its documented rate is a default."""
