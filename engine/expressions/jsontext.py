"""JSON text read without holding the interpreter for long."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.errors import ExpressionError
from engine.expressions.scope import RenderScope

AT_ONCE = 256 * 1024
"""Characters that are read in one go, in which nothing else can run."""

_items = msgspec.json.Decoder(list[msgspec.Raw])
_entries = msgspec.json.Decoder(dict[str, msgspec.Raw])
_skim = msgspec.json.Decoder(msgspec.Raw)


def load(scope: RenderScope, text: str) -> Any:
    """The value of a JSON text. Raises ExpressionError, LimitError."""
    scope.budget.text(len(text))
    try:
        return msgspec.json.decode(text) if len(text) <= AT_ONCE else _in_parts(scope, text.strip().encode())
    except msgspec.DecodeError as error:
        raise ExpressionError(f"Invalid json: {error}") from None
    except RecursionError:
        raise ExpressionError("Invalid json: it is nested too deeply") from None


def begins(scope: RenderScope, text: str) -> bool:
    """Whether a text begins with a JSON value."""
    scope.budget.text(len(text))
    try:
        _skim.decode(text)
    except msgspec.DecodeError as error:
        return "trailing characters" in str(error)
    return True


def _in_parts(scope: RenderScope, part: bytes | msgspec.Raw) -> Any:
    scope.spend(1)
    if len(part) <= AT_ONCE:
        return msgspec.json.decode(part)
    opening = bytes(memoryview(part)[:1])
    if opening == b"[":
        items = _items.decode(part)
        scope.budget.items(len(items))
        return [_in_parts(scope, item) for item in items]
    if opening == b"{":
        entries = _entries.decode(part)
        scope.budget.items(len(entries))
        return {key: _in_parts(scope, entry) for key, entry in entries.items()}
    return msgspec.json.decode(part)
