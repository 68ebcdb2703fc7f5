"""Functions that read JSON, Ion and YAML texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.errors import ExpressionError
from engine.expressions import ion, jsontext, yamltext
from engine.expressions.arguments import text
from engine.expressions.registry import template_function
from engine.expressions.scope import RenderScope

ABSENT = object()


@template_function("fromJson", "json", parameters=("json",))
def from_json(scope: RenderScope, json: Any = ABSENT) -> Any:
    """The value of a JSON text; null of null."""
    whole = _text("fromJson", "json", json)
    return None if whole is None else jsontext.load(scope, whole)


@template_function("fromIon", parameters=("ion", "allRows"))
def from_ion(scope: RenderScope, rows: Any = ABSENT, all_rows: Any = False) -> Any:
    """The first value of an Ion text, or with `allRows` the list of all; null of null."""
    whole = _text("fromIon", "ion", rows)
    if whole is None:
        return None
    scope.budget.text(len(whole))
    values = ion.loads_all(whole, scope.spend)
    try:
        return _all(scope, values) if all_rows is True else next(values, None)
    except ion.IonError as error:
        raise ExpressionError(str(error)) from None


@template_function("yaml", parameters=("yaml",))
def from_yaml(scope: RenderScope, yaml: Any = ABSENT) -> Any:
    """The value of a YAML text; null of null."""
    whole = _text("yaml", "yaml", yaml)
    return None if whole is None else yamltext.load(scope, whole)


def _all(scope: RenderScope, values: Iterator[Any]) -> list[Any]:
    rows = []
    for row in values:
        scope.spend(1)
        rows.append(row)
    scope.budget.items(len(rows))
    return rows


def _text(function: str, argument: str, value: Any) -> str | None:
    if value is ABSENT:
        raise ExpressionError(f"The '{function}' function expects an argument '{argument}'.")
    return None if value is None else text(value, f"The argument '{argument}' of {function}")
