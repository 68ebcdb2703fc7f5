"""The jq filter. A plain path is followed here; every other program is a need that a helper process answers."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from engine.errors import ExpressionError
from engine.expressions.printing import to_json
from engine.expressions.registry import template_filter
from engine.expressions.scope import RenderScope

PLAIN = re.compile(r"\.|(?:\.[A-Za-z_][A-Za-z0-9_]*|\[[0-9]{1,9}\]|\.\[[0-9]{1,9}\])+")
STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\.?\[([0-9]+)\]")


@template_filter("jq", parameters=("expression",), nulls=True)
def jq(scope: RenderScope, value: Any, expression: str) -> list[Any]:
    """All results of a jq program on a value; a text is read as JSON first."""
    if not isinstance(expression, str):
        raise ExpressionError("The argument 'expression' of jq must be a text")
    program = expression.strip()
    if not program.startswith("[") and PLAIN.fullmatch(program):
        return [_followed(_document(scope, value), program)]
    text = value if isinstance(value, str) else to_json(value, scope)
    scope.budget.text(len(text))
    results: list[Any] = scope.look_up("jq", expression, text)
    return list(results)


def _document(scope: RenderScope, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    scope.budget.text(len(value))
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        raise ExpressionError(f"jq needs a JSON text, but has: {value[:200]}") from None


def _followed(value: Any, program: str) -> Any:
    """Null stays null on the way; a key of what is no map is a mistake, as jq has it."""
    for step in STEP.finditer(program):
        key, index = step.groups()
        if value is None:
            return None
        if index is None and isinstance(value, dict):
            value = value.get(key)
        elif index is not None and isinstance(value, list):
            value = value[int(index)] if int(index) < len(value) else None
        else:
            raise ExpressionError(f"jq can't look for '{step.group()}' in a {type(value).__name__}")
    return value
