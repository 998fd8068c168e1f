"""Number of Hypothesis examples for each property: fewer for `make quick`."""

from hypothesis import HealthCheck, settings

_QUICK = "quick"
_QUICK_EXAMPLES = 15


def register_profiles() -> None:
    """Register the profile of the suite and the one of `make quick`, and load the first."""
    # No deadline: the time of an example depends on the load of the machine, not on the code under test.
    settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile(_QUICK, settings.get_profile("unhurried"), max_examples=_QUICK_EXAMPLES)
    settings.load_profile("unhurried")


def examples(count: int) -> int:
    """Return `count`, or fewer examples with the quick profile."""
    return min(count, _QUICK_EXAMPLES) if settings.get_current_profile_name() == _QUICK else count
