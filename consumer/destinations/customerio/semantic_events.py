"""Customer.io's semantic events as data: reserved names of track calls, and the fields that some of them need.

Source: Customer.io Data Pipelines API reference, "semantic events" (docs.customer.io/integrations/api/cdp/). Where its
prose and its schemas disagree on a name, the schema is used. Spelling matters: Customer.io stores a name that differs
by one letter as an ordinary custom event, does not act on it, and reports nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Requirements:
    """The fields that an event acting on the workspace needs besides its name."""

    user: bool = False
    """`userId` is mandatory; `anonymousId` is not enough."""
    no_person: bool = False
    """The event concerns no person. A track call needs an id, so a constant `anonymousId` is sent if none is mapped."""
    device: bool = False
    """A device with its token. It is sent in `context.device` and `properties.device`: the reference names both."""
    object: bool = False
    """`properties.objectId` and `properties.objectTypeId`. Customer.io silently ignores a wrong or missing type."""
    properties: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Other mandatory text properties, and the values allowed for each; no values = any text that is not blank."""


ACTING: Mapping[str, Requirements] = {
    "User Deleted": Requirements(user=True),
    "User Suppressed": Requirements(user=True),
    "User Unsuppressed": Requirements(user=True),
    "Device Created or Updated": Requirements(user=True, device=True),
    "Device Deleted": Requirements(user=True, device=True),
    "Relationship Deleted": Requirements(user=True, object=True),
    "Object Deleted": Requirements(no_person=True, object=True),
    "Report Delivery Event": Requirements(
        no_person=True, properties={"deliveryId": (), "metric": ("delivered", "clicked", "converted", "opened")}
    ),
    "Report Content Event": Requirements(
        no_person=True, properties={"actionType": ("viewed_content", "clicked_content")}
    ),
}
"""Events that delete people, devices or objects, or change reports. Each must be named in `allow_events`."""

DOCUMENTED = frozenset(
    {
        "Experiment Viewed",
        # Ecommerce
        "Products Searched",
        "Product List Viewed",
        "Product List Filtered",
        "Product Clicked",
        "Product Viewed",
        "Product Added",
        "Product Removed",
        "Cart Viewed",
        "Checkout Started",
        "Checkout Step Viewed",
        "Checkout Step Completed",
        "Payment Info Entered",
        "Order Completed",
        "Order Updated",
        "Order Refunded",
        "Order Cancelled",
        "Promotion Viewed",
        "Promotion Clicked",
        "Coupon Entered",
        "Coupon Applied",
        "Coupon Denied",
        "Coupon Removed",
        "Product Added to Wishlist",
        "Product Removed from Wishlist",
        "Wishlist Product Added to Cart",
        "Product Shared",
        "Cart Shared",
        "Product Reviewed",
        # Email
        "Email Bounced",
        "Email Delivered",
        "Email Opened",
        "Email Marked as Spam",
        "Email Unsubscribed",
        "Email Link Clicked",
        # Live chat
        "Live Chat Conversation Started",
        "Live Chat Conversation Ended",
        "Live Chat Message Sent",
        "Live Chat Message Received",
        # Mobile application lifecycle
        "Application Installed",
        "Application Opened",
        "Application Backgrounded",
        "Application Foregrounded",
        "Application Updated",
        "Application Uninstalled",
        "Application Crashed",
        # Video
        "Video Playback Started",
        "Video Playback Paused",
        "Video Playback Interrupted",
        "Video Playback Buffer Started",
        "Video Playback Buffer Completed",
        "Video Playback Seek Started",
        "Video Playback Seek Completed",
        "Video Playback Resumed",
        "Video Playback Completed",
        "Video Playback Exited",
        "Video Content Started",
        "Video Content Playing",
        "Video Content Completed",
        "Video Ad Started",
        "Video Ad Playing",
        "Video Ad Completed",
    }
)
"""Events with a documented meaning that do not act on the workspace."""

CONSENT_EVENTS = frozenset({"Email Unsubscribed"})
"""Events that withdraw a consent."""

_NAMES_IN_PROSE: Mapping[str, str] = {
    "create device": "Device Created or Updated",
    "device created": "Device Created or Updated",
    "device updated": "Device Created or Updated",
    "delete device": "Device Deleted",
    "delete person": "User Deleted",
    "person deleted": "User Deleted",
    "delete object": "Object Deleted",
    "group deleted": "Object Deleted",
    "delete relationship": "Relationship Deleted",
}
"""Names found in prose and examples, in lower case → the schema's name."""


def reserved_name_like(name: str) -> str | None:
    """Return the reserved name that differs from `name` only by case, spaces or one letter; `None` if there is none."""
    if name in ACTING or name in DOCUMENTED:
        return None
    plain = " ".join(name.split()).lower()
    if plain in _NAMES_IN_PROSE:
        return _NAMES_IN_PROSE[plain]
    return next((right for right in (*ACTING, *sorted(DOCUMENTED)) if _one_letter_apart(plain, right.lower())), None)


def _one_letter_apart(one: str, other: str) -> bool:
    """Return True if two texts are equal, or differ by one added, dropped or replaced letter."""
    if abs(len(one) - len(other)) > 1:
        return False
    short, long = sorted((one, other), key=len)
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[at:] == long[at + 1 :] or short[at + 1 :] == long[at + 1 :]
