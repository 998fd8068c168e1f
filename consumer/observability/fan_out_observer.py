"""Several watchers as one observer: each is told everything, and one that fails never stops the rest, nor the room."""

from __future__ import annotations

from collections.abc import Callable

from consumer.model.observer import Observer


def _tell_all(name: str) -> Callable[..., None]:
    def tell(self: FanOutObserver, *args: object, **kwargs: object) -> None:
        for method in self._methods[name]:
            try:
                method(*args, **kwargs)
            except Exception:  # noqa: BLE001  a watcher's bug is no reason to stop delivering
                self.failures += 1

    return tell


class FanOutObserver(Observer):
    """Tells every observer given, in order. `failures` counts the calls that raised."""

    def __init__(self, *observers: Observer) -> None:
        self.failures = 0
        verbs = _verbs()
        self._methods = {verb: [getattr(observer, verb) for observer in observers] for verb in verbs}
        for verb, methods in self._methods.items():
            silent = getattr(Observer, verb)
            heard = [method for method in methods if getattr(method, "__func__", None) is not silent]
            self._methods[verb] = heard  # who does not override a verb costs nothing when it is said


def _verbs() -> list[str]:
    return [name for name, value in vars(Observer).items() if callable(value) and not name.startswith("_")]


for _verb in _verbs():
    setattr(FanOutObserver, _verb, _tell_all(_verb))
