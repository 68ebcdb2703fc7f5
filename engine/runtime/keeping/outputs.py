"""Outputs of task runs: plain JSON values, the large ones in internal storage and read back when a template looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from engine.errors import TaskError
from engine.expressions.needs import Deferred, Need
from engine.files.protocol import InternalStorage
from engine.state.sealed import is_sealed

MARK = "io.tidegate/output"
PLAIN = (str, int, float, bool, type(None))


def plain(value: Any) -> dict[str, Any]:
    """Outputs as a map of JSON values: models by their property names, dates and the like as text. Raises TaskError."""
    if value is None:
        return {}
    try:
        built = _jsonable(value)
    except TypeError as error:
        raise TaskError(f"The outputs can't be stored as JSON: {error}") from None
    if not isinstance(built, dict):
        raise TaskError(f"Outputs must be a map, but are of type {type(value).__name__}")
    return built


async def offload(outputs: dict[str, Any], inline_bytes: int, files: InternalStorage, folder: str) -> dict[str, Any]:
    """Outputs fit to be stored: values that make them too large are moved to files below the address `folder`."""
    sizes = {name: len(msgspec.json.encode(value)) for name, value in outputs.items()}
    total = sum(sizes.values())
    kept = dict(outputs)
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if total <= inline_bytes:
            break
        address = f"{folder}/outputs/{name}.json"
        await files.put(address, msgspec.json.encode(outputs[name]))
        kept[name] = {MARK: address, "size": sizes[name]}
        total -= sizes[name]
    return kept


def revive(values: dict[str, Any]) -> dict[str, Any]:
    """Stored outputs or inputs as templates see them: what was moved or encrypted is fetched at first look."""
    if not any(type(value) is dict for value in values.values()):
        return values
    return {name: _revived(value) for name, value in values.items()}


def revive_deep(values: dict[str, Any]) -> dict[str, Any]:
    """The same for inputs, which are nested on the dots of their ids."""
    return {
        name: revive_deep(value) if type(value) is dict and not is_sealed(value) else _revived(value)
        for name, value in values.items()
    }


def _revived(value: Any) -> Any:
    if type(value) is dict:
        if MARK in value:
            return Deferred(Need("output", (value[MARK],)))
        if is_sealed(value):
            return Deferred(Need("sealed", (value["value"], bool(value.get("json")))))
        if any(is_sealed(item) for item in value.values()):
            # The outputs of another execution, among those of the task that started it.
            return {name: _revived(item) if is_sealed(item) else item for name, item in value.items()}
    return value


def _jsonable(value: Any) -> Any:
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_jsonable(item) for item in value]
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", by_alias=True)
    return msgspec.to_builtins(value)
