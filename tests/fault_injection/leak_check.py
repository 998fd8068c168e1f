"""Check at the end of a scenario that no page and no log holds personal data or secrets."""

from __future__ import annotations

from tests.e2e.member import Member
from tests.e2e.world import World
from tests.fault_injection.canary_search import SHOP_CANARIES, Leak, SearchedOutput


def leaks(world: World, member: Member, *more: str) -> list[Leak]:
    """Return all leaks so far of the world's canaries and `more`. Call it before the member shuts down."""
    output = SearchedOutput()
    output.pages(member)
    output.files(world.folder)
    assert "log" in output.channels, "the log was not searched"
    return output.leaks((*SHOP_CANARIES, *more))
