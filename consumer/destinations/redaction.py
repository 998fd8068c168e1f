"""Vendors' error texts, with everything removed that could be personal.

Vendors quote the refused value in their error texts: "jane@acme.test is not a valid email". A detail goes into the
headers of dead letters and into logs, so free text is never quoted. Two things are kept: reason codes like
`COMMON.REQUEST_VALIDATION`, where the body has a field for one, and the words of a fixed vocabulary. The vocabulary
holds English words that identify no person, and the contracts' field names. Everything else becomes `…`:
"… is not a valid email". The match is case-sensitive, so that the names "Long" and "May" do not pass as English words.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from consumer.model import HttpResponse

MAX_DETAIL = 160
"""Maximum characters of a detail, which is a header of a dead letter."""
_MAX_BYTES = 65_536
_CODE = re.compile(r"[A-Z][A-Z_]{1,29}(?:\.[A-Z][A-Z_]{1,39}){1,2}")
_WORD = re.compile(r"[^\s\"'`,;:()\[\]{}<>=]+")

_ENGLISH = """
    a above absent accepted after all allowed already an and any are array at bad batch be before below between beyond
    body boolean both but by bytes call cannot characters contain contains could days decimal denied does duplicate
    duplicated either empty error errors event events exceeded exceeds exist exists expected failed field fields for
    forbidden format found from future given greater has have header id ids ignored illegal in incorrect integer
    internal invalid is it item items json key keys least length less limit longer malformed mandatory many match
    matches maximum message milliseconds minimum missing more must name names no none nor not null number numeric
    object of old older on one only or out over parameter past payload permitted primitive properties property
    provided range recognized rejected request required schema server should size smaller string supported than the
    this timestamp to too two type types unable unauthorized unexpected unique unknown unrecognized unsupported valid
    validation value values was were window with within without wrong
    Bad Cannot Event Field Invalid Missing Property Request Required The This Unauthorized Unexpected Unknown Value
"""
_CONTRACTS = """
    user_id thing_id event_id subtype first_name last_name email utc_offset custom_properties consent_value
    copilot_analysis_consent firmware_version model status_key status_value status_date consumable_type
    original_creation_date original_association_date invalid_events custom_event
    userId anonymousId previousId groupId messageId objectTypeId objectId traits context integrations device token
    track identify page screen group alias
    customer external_id phone_number phone source occurred_at snake_case ISO UTF-8 E.164 JSON
"""
_VOCABULARY = frozenset((_ENGLISH + _CONTRACTS).split())


def error_text(response: HttpResponse) -> str:
    """Return the redacted error text of a response, or `""` if there is none. Any body is accepted."""
    if not response.body or len(response.body) > _MAX_BYTES:
        return ""
    try:
        document = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(document, dict):
        return ""
    words = [_code(document.get("reason")), _code(document.get("code")), *map(scrubbed, _texts(document))]
    return "; ".join(dict.fromkeys(filter(None, words)))[:MAX_DETAIL]


def scrubbed(text: object) -> str:
    """Return a vendor's error text with only vocabulary words kept; `""` if none is left."""
    if not isinstance(text, str):
        return ""
    kept: list[str] = []
    for word in _WORD.findall(text[: 4 * MAX_DETAIL]):
        bare = word.strip(".!?")
        if bare in _VOCABULARY:
            kept.append(bare)
        elif not kept or kept[-1] != "…":
            kept.append("…")
    return " ".join(kept)[:MAX_DETAIL] if any(word != "…" for word in kept) else ""


def _code(code: object) -> str:
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def _texts(document: dict[str, Any]) -> list[object]:
    """Return the texts in the fields where the three vendors write errors; other bodies give none."""
    texts: list[object] = [document.get(key) for key in ("error_message", "message", "error")]
    meta = document.get("meta")
    for errors in (document.get("errors"), meta.get("errors") if isinstance(meta, dict) else None):
        if isinstance(errors, list):
            texts.extend(error.get("message") if isinstance(error, dict) else error for error in errors[:3])
    return texts
