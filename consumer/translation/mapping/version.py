"""The mapping's version: a hash of its content that does not depend on its layout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import TypeAlias

from consumer.yaml_document import Items, Node, Scalar, Table

_Json: TypeAlias = "bool | int | float | str | list[_Json] | dict[str, _Json] | None"


def version_of(documents: Iterable[Node]) -> str:
    """Return the SHA-256, in hex digits, of the canonical form of all files of a mapping together.

    The canonical form is JSON in UTF-8 with sorted keys and no spaces, with the events of all files in one object.
    A decimal is `{"decimal": "1.10"}` with its own digits, because 1.10 is sent as 1.10. Comments, quotes, anchors and
    the order of keys and files make no difference. The order of lists does.
    """
    events: dict[str, _Json] = {}
    for document in documents:
        found = document.get("events") if isinstance(document, Table) else None
        if isinstance(found, Table):
            events |= {key.text: _canonical(node) for key, node in found.entries}
    text = json.dumps({"events": events, "version": 1}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _canonical(node: Node) -> _Json:
    match node:
        case Table():
            return {key.text: _canonical(inner) for key, inner in node.entries}
        case Items():
            return [_canonical(inner) for inner in node.items]
        case Scalar(value=value):  # pragma: no branch - mypy proves the match total
            return {"decimal": str(value)} if isinstance(value, Decimal) else value
