"""The token a registry is asked with: fetched anew when the registry refuses it, whatever is left of its life."""

from __future__ import annotations

from typing import Any

_SCHEME = "Bearer "


def renew(client: Any, refused: str) -> bool:  # noqa: ANN401 - a registry client, imported late
    """Fetch another token in place of one that the registry refused: the client itself keeps it until it expires.

    Args:
        client: the registry client.
        refused: the `Authorization` of the request that was refused.

    Returns:
        Whether there is another one to ask with. A token that stands in the configuration has none.

    Raises:
        OAuthTokenError: there was none to be had.
    """
    provider = client._rest_client.bearer_field_provider  # noqa: SLF001 - it shows no other way to its token
    if not refused.startswith(_SCHEME) or not hasattr(provider, "generate_access_token"):
        return False
    if refused == _SCHEME + provider.token:  # else another question has fetched one meanwhile
        provider.generate_access_token()
    return True
