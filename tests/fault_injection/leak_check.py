"""Check at the end of a scenario that no page and no log holds personal data or secrets."""

from __future__ import annotations

from tests.e2e.member import Member
from tests.e2e.world import World
from tests.fault_injection.canary_search import OF_THE_SHOP, Leak, SearchedOutput


def leaks(world: World, member: Member, *more: str) -> list[Leak]:
    """Return all leaks so far of the world's canaries and `more`. Call it before the member shuts down."""
    said = SearchedOutput()
    said.pages(member)
    said.files(world.folder)
    assert "log" in said.channels, "nobody was listened to"
    return said.leaks((*OF_THE_SHOP, *more))
