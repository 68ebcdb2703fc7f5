"""Checks of the arguments that filters and functions are called with."""

from __future__ import annotations

from typing import Any

from engine.errors import ExpressionError
from engine.expressions.operators import kind_of
from engine.expressions.printing import to_java


def text(value: Any, what: str) -> str:
    """A value that must be a text; `what` names it in the error: `The argument 'type' of number`."""
    if not isinstance(value, str):
        raise ExpressionError(f"{what} must be a text, but is {kind_of(value)}")
    return value


def as_text(value: Any) -> str:
    """A value as a text, in the way that Java writes it."""
    return value if type(value) is str else to_java(value)


def integer(value: Any, what: str) -> int:
    """A value that must be an integer."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ExpressionError(f"{what} must be an integer, but is {kind_of(value)}")
    return value


def given(name: str, argument: str, value: Any) -> Any:
    """An argument that must not be missing or null, of a function."""
    if value is None:
        raise ExpressionError(f"The '{name}' function expects an argument '{argument}'.")
    return value


def required(argument: str, value: Any) -> Any:
    """An argument that must not be missing or null, of a filter."""
    if value is None:
        raise ExpressionError(f"The argument '{argument}' is required.")
    return value
