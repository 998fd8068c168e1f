"""Every observer of the product overrides methods that exist, and the fan-out forwards every one of them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from unittest.mock import MagicMock

import pytest

import consumer
from consumer.model.observer import Observer
from consumer.observability.fan_out_observer import FanOutObserver
from tests.observability.observer_calls import CALLS


def observers() -> list[type[Observer]]:
    for module in pkgutil.walk_packages(consumer.__path__, "consumer."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, queue = [], [Observer]
    while queue:
        for each in queue.pop().__subclasses__():
            queue.append(each)
            if each.__module__.startswith("consumer."):
                found.append(each)
    return found


def test_every_method_of_an_observer_overrides_one() -> None:
    """A misspelt method would never be called. `typing.override` is not there before Python 3.12.

    Methods that return something are an observer's own.
    """
    names = {each.__name__ for each in observers()}
    assert {"FanOutObserver", "LogObserver", "MetricsObserver", "ConsumerStateObserver", "DirectivesObserver"} <= names
    for each in observers():
        methods = {name: value for name, value in vars(each).items() if inspect.isfunction(value) and name[0] != "_"}
        reporting = {name for name, value in methods.items() if value.__annotations__["return"] in {"None", None}}
        assert reporting <= set(CALLS), each


@pytest.mark.parametrize("name", sorted(CALLS))
def test_fan_out_forwards_every_method(name: str) -> None:
    arguments = {argument: object() for argument in CALLS[name]}
    listener = MagicMock()
    observer = type("Listening", (Observer,), {name: lambda _, **given: listener(**given)})()
    fan_out = FanOutObserver(observer, Observer())
    getattr(fan_out, name)(**arguments)
    listener.assert_called_once_with(**arguments)
    assert fan_out.failures == 0
