"""At the end of a scenario: nothing personal or secret stands on a page or in a log."""

from __future__ import annotations

from tests.e2e.member import Member
from tests.e2e.world import World
from tests.fault_injection.canary_search import OF_THE_SHOP, Leak, SearchedOutput


def leaks(world: World, member: Member, *more: str) -> list[Leak]:
    """Return what leaked until now, of the world's canaries and `more`: call it before the member leaves."""
    said = SearchedOutput()
    said.pages(member)
    said.files(world.folder)
    assert "log" in said.channels, "nobody was listened to"
    return said.leaks((*OF_THE_SHOP, *more))
