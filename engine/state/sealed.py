"""How encrypted values stand in inputs and outputs."""

from __future__ import annotations

from typing import Any

# As in executions of the flow language.
TYPE = "io.kestra.datatype:aes_encrypted"
SHOWN = "******"


def is_sealed(value: Any) -> bool:
    """Whether a stored value is an encrypted one: `type`, `value`, and `json` where it isn't a text."""
    return isinstance(value, dict) and value.get("type") == TYPE and isinstance(value.get("value"), str)


def covered(value: Any) -> Any:
    """A value for people: stars in the place of what is encrypted."""
    if isinstance(value, dict):
        return SHOWN if is_sealed(value) else {key: covered(item) for key, item in value.items()}
    return [covered(item) for item in value] if isinstance(value, list) else value
