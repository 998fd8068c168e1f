"""What any destination's server may do in passing: every client of ours goes through the same cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.fault_rules import Garbage, Hang, LoseResponse, Reset, Respond, endpoint
from tests.contract.case import Case, Saying

Ordinary = Callable[[int, str], Saying]
"""(key, text) → an event like any other."""

POISON = "POISON"


def cases(ordinary: Ordinary, main: str) -> list[Case]:
    """Return the cases; `main` is the end of the path that ordinary events go to."""
    some = tuple(ordinary(key, f"text {key}") for key in range(6))
    there = endpoint(main)

    def once(name: str, *actions: Respond | Reset | Hang | Garbage | LoseResponse, repeats: bool = False) -> Case:
        def prepare(server: Fake) -> None:
            for action in actions:
                server.faults.add(action, when=there, times=1)

        return Case(name=name, sayings=some, prepare=prepare, repeats=repeats)

    page = b"<html>Welcome to the hotel's network</html>"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n"
    return [
        once("an outage passes", Respond(500), Respond(503), Respond(502, {}, page), Reset(), Hang(30)),
        once("an answer is lost", LoseResponse(), repeats=True),
        once("a proxy answers in its place", Respond(200, {"content-type": "text/html"}, page)),
        once("an answer is cut short", Garbage(head + b'{"ok"')),
        once("no HTTP at all", Garbage(b"220 smtp.example ready\r\n")),
        once("an address moves", Respond(302, {"location": "http://127.0.0.1:9/"}), Respond(307), Respond(404)),
        once("other ways to say later", Respond(408), Respond(425), Respond(429)),
        Case(
            name="told to wait",
            sayings=some,
            prepare=lambda server: server.faults.add(Respond(429, {"retry-after": "1"}), when=there, times=1),
            also=waited,
        ),
        Case(
            name="one bad event among good ones",
            sayings=tuple(
                Saying(
                    target=one.target,
                    name=one.name,
                    fields=ordinary(one.key, POISON).fields if one.key == 3 else one.fields,
                    cause="refused" if one.key == 3 else None,
                    key=one.key,
                )
                for one in some
            ),
            prepare=lambda server: server.poison(POISON),
        ),
    ]


def waited(server: Fake) -> Iterator[str]:
    """Complain of calls that came sooner than the one 429 asked for."""
    told = next(request for request in server.requests if request.fault == "Answer")
    # The other lane's call may have been on its way when this answer left; these events' own may not.
    early = [
        one.number
        for one in server.requests
        if told.ended + (0.0 if set(one.ids) & set(told.ids) else 0.2) < one.started < told.ended + 0.99
    ]
    if early:
        yield f"calls {early} came sooner than told"
