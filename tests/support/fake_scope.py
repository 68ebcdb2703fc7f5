"""A scope for tests of single filters and functions, without a template."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from engine.expressions.limits import Budget
from engine.expressions.registry import FILTERS, FUNCTIONS, TESTS, load
from engine.settings import Expressions

NOW = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)


class FakeScope:
    """A fixed time and seed, answers from a map by kind and arguments; what is asked, masked and replaced is kept."""

    def __init__(
        self,
        variables: Mapping[str, Any] | None = None,
        *,
        answers: Mapping[tuple[Any, ...], Any] | None = None,
        zone: tzinfo = UTC,
        locale: str = "en_US",
        limits: Expressions | None = None,
    ) -> None:
        self.variables: Mapping[str, Any] = variables or {}
        self.zone = zone
        self.locale = locale
        self.options: Mapping[str, Any] = {}
        self.budget = Budget(limits or Expressions())
        self.asked: list[tuple[Any, ...]] = []
        self.masked: set[str] = set()
        self.replaced: list[tuple[list[Any], list[Any]]] = []
        self._answers = answers or {}
        self._random = random.Random(1)

    def look_up(self, kind: str, *arguments: Any) -> Any:
        self.asked.append((kind, *arguments))
        return self._answers.get((kind, *arguments))

    def spend(self, cost: int) -> None:
        self.budget.spend(cost)

    def timeout(self) -> float:
        return self.budget.left()

    def mask(self, text: str) -> None:
        self.masked.add(text)

    def now(self) -> datetime:
        return NOW

    def random(self) -> random.Random:
        return self._random

    def replace(self, old: list[Any], new: list[Any]) -> None:
        self.replaced.append((old, new))


def apply(name: str, value: Any, *arguments: Any, scope: FakeScope | None = None, **named: Any) -> Any:
    """What a filter makes of a value."""
    load()
    return FILTERS[name].callable(scope or FakeScope(), value, *arguments, **named)


def call(name: str, *arguments: Any, scope: FakeScope | None = None, **named: Any) -> Any:
    """What a function returns."""
    load()
    return FUNCTIONS[name].callable(scope or FakeScope(), *arguments, **named)


def check(name: str, value: Any) -> Any:
    """What a test says of a value."""
    load()
    return TESTS[name].callable(FakeScope(), value)
