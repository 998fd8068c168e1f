"""Cases that every destination's client must pass: outages, lost responses, proxies, rate limits, one bad event."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.fault_rules import Garbage, Hang, LoseResponse, Reset, Respond, endpoint
from tests.contract.case import Case, Event

OrdinaryEvent = Callable[[int, str], Event]
"""(key, text) → an ordinary event."""

POISON = "POISON"


def cases(ordinary: OrdinaryEvent, main: str) -> list[Case]:
    """Return the cases; `main` is the end of the path of ordinary events."""
    some = tuple(ordinary(key, f"text {key}") for key in range(6))
    there = endpoint(main)

    def once(name: str, *actions: Respond | Reset | Hang | Garbage | LoseResponse, repeats: bool = False) -> Case:
        def prepare(server: Fake) -> None:
            for action in actions:
                server.faults.add(action, when=there, times=1)

        return Case(name=name, events=some, prepare=prepare, repeats=repeats)

    page = b"<html>Welcome to the hotel's network</html>"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n"
    return [
        once("an outage ends", Respond(500), Respond(503), Respond(502, {}, page), Reset(), Hang(30)),
        once("a response is lost", LoseResponse(), repeats=True),
        once("a proxy responds instead", Respond(200, {"content-type": "text/html"}, page)),
        once("a response is cut off", Garbage(head + b'{"ok"')),
        once("not HTTP", Garbage(b"220 smtp.example ready\r\n")),
        once("redirects and 404", Respond(302, {"location": "http://127.0.0.1:9/"}), Respond(307), Respond(404)),
        once("408, 425, 429", Respond(408), Respond(425), Respond(429)),
        Case(
            name="retry-after",
            events=some,
            prepare=lambda server: server.faults.add(Respond(429, {"retry-after": "1"}), when=there, times=1),
            extra_complaints=waited,
        ),
        Case(
            name="one bad event among good ones",
            events=tuple(
                Event(
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
    """Return requests that came before the end of the wait of the 429."""
    throttled = next(request for request in server.requests if request.fault == Respond.__name__)
    # The other lane's request may have been in flight when this response left; these events' own request may not.
    early = [
        one.number
        for one in server.requests
        if throttled.ended + (0.0 if set(one.ids) & set(throttled.ids) else 0.2) < one.started < throttled.ended + 0.99
    ]
    if early:
        yield f"requests {early} came before the end of the requested wait"
