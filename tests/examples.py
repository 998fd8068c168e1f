"""How many examples a property is tried with: fewer in the inner loop (`make quick`)."""

from hypothesis import HealthCheck, settings

_QUICK = "quick"
_FEW = 15


def register_profiles() -> None:
    """Register what the suite runs with, and the profile of the inner loop."""
    # An example is as slow as the machine is busy: that is no property of what is tested.
    settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile(_QUICK, settings.get_profile("unhurried"), max_examples=_FEW)
    settings.load_profile("unhurried")


def examples(count: int) -> int:
    """Return how many examples to try instead of `count`."""
    return min(count, _FEW) if settings.get_current_profile_name() == _QUICK else count
