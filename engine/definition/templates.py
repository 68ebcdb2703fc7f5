"""Whether a value has something to render."""

from __future__ import annotations

from typing import Any


def holds_template(value: Any) -> bool:
    """Whether any text in a value, also as the key of a map, has something to render."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value or "{#" in value
    if isinstance(value, dict):
        return any(holds_template(key) or holds_template(item) for key, item in value.items())
    return isinstance(value, list | tuple) and any(holds_template(item) for item in value)
