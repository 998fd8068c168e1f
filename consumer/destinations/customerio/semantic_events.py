"""Customer.io's semantic events as data: reserved names of track calls, and what those that act on the workspace need.

Source: Customer.io Data Pipelines API reference, "semantic events" (docs.customer.io/integrations/api/cdp/). Where its
prose and its schemas disagree on a name, the schema's stands. Spelling matters: a name that is off by a letter is
stored as an ordinary custom event, nothing acts on it, and nobody is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Need:
    """What an acting event needs besides its name."""

    user: bool = False
    """`userId`; an anonymous person is not enough."""
    nobody: bool = False
    """It speaks of no person: a constant `anonymousId` stands in where none is mapped, as a track call needs one."""
    device: bool = False
    """A device with its token, written both to `context.device` and `properties.device`: the reference names either."""
    thing: bool = False
    """`properties.objectId` and `properties.objectTypeId`. With a wrong or defaulted type nothing happens, silently."""
    properties: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Other properties that must be there as text, and the texts each may have; none named = any that is not blank."""


ACTING: Mapping[str, Need] = {
    "User Deleted": Need(user=True),
    "User Suppressed": Need(user=True),
    "User Unsuppressed": Need(user=True),
    "Device Created or Updated": Need(user=True, device=True),
    "Device Deleted": Need(user=True, device=True),
    "Relationship Deleted": Need(user=True, thing=True),
    "Object Deleted": Need(nobody=True, thing=True),
    "Report Delivery Event": Need(
        nobody=True, properties={"deliveryId": (), "metric": ("delivered", "clicked", "converted", "opened")}
    ),
    "Report Content Event": Need(nobody=True, properties={"actionType": ("viewed_content", "clicked_content")}),
}
"""Events that delete people, devices or objects, or change what is counted: each must be allowed by name."""

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
"""Events with a documented meaning that act on nothing by themselves."""

CONSENT_EVENTS = frozenset({"Email Unsubscribed"})
"""Events that withdraw a consent."""

_PROSE: Mapping[str, str] = {
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


def meant(name: str) -> str | None:
    """Return the reserved name that a name misses by its case, its spaces or one letter; `None` if it misses none."""
    if name in ACTING or name in DOCUMENTED:
        return None
    plain = " ".join(name.split()).lower()
    if plain in _PROSE:
        return _PROSE[plain]
    return next((right for right in (*ACTING, *sorted(DOCUMENTED)) if _one_letter_apart(plain, right.lower())), None)


def _one_letter_apart(one: str, other: str) -> bool:
    """Return whether two texts are equal, or become so when one letter is added, dropped or replaced."""
    if abs(len(one) - len(other)) > 1:
        return False
    short, long = sorted((one, other), key=len)
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[at:] == long[at + 1 :] or short[at + 1 :] == long[at + 1 :]
