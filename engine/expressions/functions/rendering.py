"""Functions that render texts found in variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import ExpressionError
from engine.expressions.registry import template_function
from engine.expressions.template import Scope, once, settled


@template_function("render", parameters=("toRender", "recursive"))
def render(scope: Scope, to_render: Any, recursive: Any = True) -> Any:
    """A text rendered until it no longer changes, also inside of maps and lists; other values as they are."""
    return _rendered(scope, to_render, settled if recursive else once)


@template_function("renderOnce", parameters=("toRender",))
def render_once(scope: Scope, to_render: Any) -> Any:
    """A text rendered once, also inside of maps and lists; other values as they are."""
    return _rendered(scope, to_render, once)


def _rendered(scope: Scope, value: Any, one: Callable[[str, Scope], str]) -> Any:
    if scope.budget.limits.recursive:
        raise ExpressionError("The function 'render' does not exist where rendering is recursive anyway")
    seen = scope.descend([*scope.frames, {}], scope.visible)
    try:
        return _inside(scope, value, one)
    finally:
        scope.ascend(seen)


def _inside(scope: Scope, value: Any, one: Callable[[str, Scope], str]) -> Any:
    scope.spend(1)
    if isinstance(value, str):
        return one(value, scope)
    if isinstance(value, Mapping):
        return {_inside(scope, key, one): _inside(scope, item, one) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_inside(scope, item, one) for item in value]
    return value
