"""A mapping's version: the same for the same content, however it is laid out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import TypeAlias

from consumer.yaml_document import Items, Node, Scalar, Table

_Json: TypeAlias = "bool | int | float | str | list[_Json] | dict[str, _Json] | None"


def version_of(documents: Iterable[Node]) -> str:
    """Return the SHA-256, as hex digits, of the canonical form of a mapping's files taken together.

    The canonical form is JSON: keys sorted, no spaces, UTF-8; the events of all files in one object; decimals as
    `{"decimal": "1.10"}` in their own digits, because 1.10 is sent as 1.10. Comments, quotes, anchors the order of keys
    and of files make no difference; the order of lists does.
    """
    events: dict[str, _Json] = {}
    for document in documents:
        found = document.get("events") if isinstance(document, Table) else None
        if isinstance(found, Table):
            events |= {key.text: _form(node) for key, node in found.entries}
    text = json.dumps({"events": events, "version": 1}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _form(node: Node) -> _Json:
    match node:
        case Table():
            return {key.text: _form(inner) for key, inner in node.entries}
        case Items():
            return [_form(inner) for inner in node.items]
        case Scalar(value=value):  # pragma: no branch - mypy proves the match total
            return {"decimal": str(value)} if isinstance(value, Decimal) else value
