"""The token a registry is asked with: fetched anew when the registry refuses it, whatever is left of its life."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

_SCHEME = "Bearer "

REST_S = 30.0
"""A registry that refuses new tokens, too, is asked on by all that wait for a schema: each would fetch one for it."""


class Token:
    """What a registry client gets its token from, and keeps until that expires.

    Args:
        client: the registry client.
        clock: seconds that only rise.
    """

    def __init__(self, client: Any, clock: Callable[[], float] = time.monotonic) -> None:  # noqa: ANN401 - imported late
        self._provider = client._rest_client.bearer_field_provider  # noqa: SLF001 - it shows no other way to it
        self._clock = clock
        self._not_before_s = float("-inf")
        self._lock = threading.Lock()

    def renew(self, refused: str) -> bool:
        """Fetch another token in place of one that the registry refused; not so soon after one was fetched thus.

        Args:
            refused: the `Authorization` of the request that was refused.

        Returns:
            Whether there is another one to ask with. A token that stands in the configuration has none.

        Raises:
            OAuthTokenError: there was none to be had.
        """
        if not refused.startswith(_SCHEME) or not hasattr(self._provider, "generate_access_token"):
            return False
        with self._lock:  # many questions meet a dead token at once
            if refused != _SCHEME + self._provider.token:
                return True  # another question has fetched one meanwhile
            if self._clock() < self._not_before_s:
                return False
            self._provider.generate_access_token()
            self._not_before_s = self._clock() + REST_S
            return True
