"""Rules for track calls with a reserved event name, which act on the workspace (API reference, "Journeys" events)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from consumer.demo.fakes.customerio_rules import is_type_id
from consumer.demo.fakes.parsing import Document, is_integer, is_nonempty

_METRICS = ("delivered", "clicked", "converted", "opened")
_ACTIONS = ("viewed_content", "clicked_content")
_PHONES = ("ios", "android", "web")


def semantic_violations(call: Document, shared_context: object) -> Iterator[str]:
    """Yield what a track call with a reserved name lacks. Any other name needs nothing, even a misspelt reserved one.

    Args:
        call: the track call.
        shared_context: the batch's context, for a call that has none of its own.
    """
    event = call.get("event")
    name = event.strip() if isinstance(event, str) else ""
    properties = call.get("properties")
    fields: Document = properties if isinstance(properties, dict) else {}
    for check in _RESERVED.get(name, ()):
        for lack in check(call, fields, shared_context):
            yield f"{name} needs {lack}"


def _user(call: Document, _fields: Document, _context: object) -> Iterator[str]:
    if not is_nonempty(call.get("userId")):
        yield "a userId"


def _anonymous(call: Document, _fields: Document, _context: object) -> Iterator[str]:
    if not is_nonempty(call.get("anonymousId")):
        yield "an anonymousId"


def _device(call: Document, _fields: Document, context: object) -> Iterator[str]:
    context = call.get("context", context)
    device = context.get("device") if isinstance(context, dict) else None
    if not isinstance(device, dict) or not is_nonempty(device.get("token")):
        yield "context.device.token"
    elif device.get("type", "ios") not in _PHONES:
        yield "ios, android or web as context.device.type"


def _object(_call: Document, fields: Document, _context: object) -> Iterator[str]:
    if not is_nonempty(fields.get("objectId")):
        yield "properties.objectId"
    if not is_type_id(fields.get("objectTypeId", "1")):
        yield "an integer in a string as properties.objectTypeId"


def _delivery(_call: Document, fields: Document, _context: object) -> Iterator[str]:
    if not is_nonempty(fields.get("deliveryId")):
        yield "properties.deliveryId"
    if fields.get("metric") not in _METRICS:
        yield "one of the four metrics"


def _content(_call: Document, fields: Document, _context: object) -> Iterator[str]:
    # The vendor's schema and its list of required members use different names for it.
    if fields.get("actionType", fields.get("activityType")) not in _ACTIONS:
        yield "one of the two action types"
    for name in ("contentId", "templateId"):
        if not is_integer(fields.get(name, 0)):
            yield f"an integer as properties.{name}"


_RESERVED: Mapping[str, tuple[Callable[[Document, Document, object], Iterator[str]], ...]] = {
    "User Deleted": (_user,),
    "User Suppressed": (_user,),
    "User Unsuppressed": (_user,),
    "Device Created or Updated": (_user, _device),
    "Device Deleted": (_user, _device),
    "Relationship Deleted": (_user, _object),
    "Object Deleted": (_anonymous, _object),
    "Report Delivery Event": (_delivery,),
    "Report Content Event": (_content,),
}
