"""A clock that moves only when a test moves it."""


class ManualClock:
    """Returns `now_s`, which a test sets."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s
