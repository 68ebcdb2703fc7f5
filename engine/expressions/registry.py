"""The filters, functions and tests that templates know, by name.

A module of `filters/` or `functions/` registers what it defines when it is imported; `load()` imports all of them once.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any, TypeVar

from engine.errors import ExpressionError

Implementation = TypeVar("Implementation", bound=Callable[..., Any])

ANY = "*"
"""As the only parameter: any number of positional arguments, no named ones."""


@dataclass(frozen=True, slots=True)
class Filter:
    """`callable(scope, value, *args, **kwargs)`; the value of a `lazy` filter is a function without arguments."""

    name: str
    callable: Callable[..., Any]
    parameters: tuple[str, ...]
    lazy: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """`callable(scope, *args, **kwargs)`."""

    name: str
    callable: Callable[..., Any]
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Test:
    """`callable(scope, value, *args) -> bool`."""

    name: str
    callable: Callable[..., Any]
    parameters: tuple[str, ...]


FILTERS: dict[str, Filter] = {}
FUNCTIONS: dict[str, Function] = {}
TESTS: dict[str, Test] = {}

_loaded = False


def template_filter(
    *names: str, parameters: tuple[str, ...] = (), lazy: bool = False, nulls: bool = False
) -> Callable[[Implementation], Implementation]:
    """Register `fn(scope, value, *args)` under `names`.

    `parameters` name the arguments after the value, in their order, as templates write them. Without `nulls` the
    function is not called for null: null stays null.
    """

    def register(fn: Implementation) -> Implementation:
        for name in names:
            call = _checked("filter", name, fn, parameters, 2)
            FILTERS[name] = Filter(name, call if lazy or nulls else _null_stays_null(call), parameters, lazy)
        return fn

    return register


def template_function(*names: str, parameters: tuple[str, ...] = ()) -> Callable[[Implementation], Implementation]:
    """Register `fn(scope, *args)` under `names`; `parameters` as for filters."""

    def register(fn: Implementation) -> Implementation:
        for name in names:
            FUNCTIONS[name] = Function(name, _checked("function", name, fn, parameters, 1), parameters)
        return fn

    return register


def template_test(*names: str, parameters: tuple[str, ...] = ()) -> Callable[[Implementation], Implementation]:
    """Register `fn(scope, value, *args) -> bool` under `names`; `parameters` as for filters."""

    def register(fn: Implementation) -> Implementation:
        for name in names:
            TESTS[name] = Test(name, _checked("test", name, fn, parameters, 2), parameters)
        return fn

    return register


def load() -> None:
    """Import every module that registers something; later calls do nothing."""
    global _loaded
    if _loaded:
        return
    from engine.expressions import filters, functions

    for package in (filters, functions):
        _import_all(package)
    importlib.import_module("engine.expressions.predicates")
    _loaded = True


def _import_all(package: ModuleType) -> None:
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)


def _null_stays_null(call: Callable[..., Any]) -> Callable[..., Any]:
    def unless_null(scope: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        return None if value is None else call(scope, value, *args, **kwargs)

    return unless_null


def _checked(
    kind: str, name: str, fn: Callable[..., Any], parameters: tuple[str, ...], given: int
) -> Callable[..., Any]:
    """`fn` behind a check of its arguments; its first `given` arguments come from the engine."""
    if parameters == (ANY,):
        return _checked_positional(kind, name, fn)
    assert isinstance(fn, FunctionType)
    most = given + len(parameters)
    least = most - len(fn.__defaults__ or ())
    own_names = dict(zip(parameters, fn.__code__.co_varnames[given:most], strict=True))

    def call(*args: Any, **kwargs: Any) -> Any:
        if not kwargs and least <= len(args) <= most:
            return fn(*args)
        bound = dict(zip(parameters, args[given:], strict=False))
        if len(args) > most or any(key not in own_names or key in bound for key in kwargs):
            raise ExpressionError(_misuse(kind, name, parameters))
        missing = [p for p in parameters[: least - given] if p not in bound and p not in kwargs]
        if missing:
            raise ExpressionError(f"The {kind} '{name}' needs the argument '{missing[0]}'")
        return fn(*args, **{own_names[key]: value for key, value in kwargs.items()})

    return call


def _checked_positional(kind: str, name: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            raise ExpressionError(f"The {kind} '{name}' takes no named arguments")
        return fn(*args)

    return call


def _misuse(kind: str, name: str, parameters: tuple[str, ...]) -> str:
    if not parameters:
        return f"The {kind} '{name}' takes no arguments"
    accepted = ", ".join(f"'{parameter}'" for parameter in parameters)
    return f"The {kind} '{name}' accepts at most these arguments, each once: {accepted}"
